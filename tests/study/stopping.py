"""A command that stops itself at a chosen moment, so that what is done to it then hangs on no time."""

import os
import subprocess
import sys

PRINT = "rich.console:Console", "print"

STOPPING = """\
import importlib, os, signal, sys
owner, attribute, word = sys.argv[1:4]
del sys.argv[1:4]
module, _, name = owner.partition(":")
home = importlib.import_module(module)
home = getattr(home, name) if name else home
whole = getattr(home, attribute)

def stopping(*arguments, **keywords):
    result = whole(*arguments, **keywords)
    if word in repr(arguments):
        setattr(home, attribute, whole)
        os.kill(os.getpid(), signal.SIGSTOP)
    return result

setattr(home, attribute, stopping)
importlib.import_module("stratacam.study.progress").SPACING_S = 0.0  # says every quarter of a step
from stratacam.cli import main
main()
"""


def command(*arguments):
    return [sys.executable, "-c", "from stratacam.cli import main; main()", *map(str, arguments)]


def stopped(*arguments, called=PRINT, word):
    """Start a command in a process group of its own; return it, stopped, after the first call that has `word`."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", STOPPING, *called, word, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), process.communicate()
    return process
