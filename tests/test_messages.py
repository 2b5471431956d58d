"""What messages and documentation name is there: options of the command line, settings, commands."""

import ast
import re
from pathlib import Path

import typer
from pydantic import BaseModel

from stratacam.cli import app
from stratacam.study.configuration import StudyConfiguration

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app).commands
OF_SLURM = {
    "--account", "--array", "--constraint", "--cpus-per-task", "--dependency", "--job-name", "--mem", "--output",
    "--parsable", "--partition", "--time",
}  # fmt: skip
"""Options of sbatch."""
OF_CONTAINERS = {
    "--build-arg", "--gpus", "--init", "--nv", "--publish", "--rm", "--tag", "--user", "--volume",
}  # fmt: skip
"""Options of docker and apptainer."""
OF_PIP = {"--force-reinstall", "--index-url", "--no-deps", "--wheel-dir"}
OF_TRACKERS = {"--backend-store-uri", "--logdir"}
"""Options of mlflow and tensorboard."""
OF_OTHERS = {"--nthreads", "--nworkers", "--help"} | OF_SLURM | OF_CONTAINERS | OF_PIP | OF_TRACKERS
"""Options of `dask worker` and of other programs, and the one that every command has."""
FILES = {"html", "json", "md", "py", "tsv", "txt"}
"""Endings of files that are called as a section is."""


def options_of(command):
    """Of a command, and of those below it."""
    own = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    return own.union(*map(options_of, getattr(command, "commands", {}).values()))


BENCHMARKS = {
    option
    for path in (ROOT / "benchmarks").rglob("*.py")
    for option in re.findall(r'add_argument\(\s*"(--[a-z-]+)"', path.read_text(encoding="utf-8"))
}
OPTIONS = options_of(typer.main.get_command(app)).union(*map(options_of, COMMANDS.values()))


def texts():
    """Every string of the sources, without what is filled in, and every page, without its Python; with their files."""
    for path in sorted((ROOT / "src" / "stratacam").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
                yield path, "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value
    for page in PAGES:
        yield page, re.sub(r"```python.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def named(pattern):
    """What a pattern finds, with the file that it was found in."""
    return [
        (path.relative_to(ROOT).as_posix(), found)
        for path, text in texts()
        for found in re.findall(pattern, text)
    ]


def test_every_option_named_is_one():
    found = named(r"(?<![\w-])--[a-z][a-z-]*")
    assert len(found) > 20
    assert [one for one in found if one[1] not in OPTIONS | OF_OTHERS | BENCHMARKS] == []


def test_every_command_named_is_one_and_its_options_are_its_own():
    found = named(r"stratacam ([a-z-]+)((?: (?:--[a-z-]+|[^\s`|#(),;]+))*)")
    known = [(path, command, rest) for path, (command, rest) in found if command in COMMANDS]
    assert len(known) > 20
    wrong = [
        (path, command, option)
        for path, command, rest in known
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest)
        if option not in options_of(COMMANDS[command]) | OF_OTHERS
    ]
    assert wrong == []
    assert [one for one in named(r"`stratacam ([a-z][a-z-]*)") if one[1] not in COMMANDS] == []


def is_setting(names):
    """Whether the names lead from the study's configuration to a setting."""
    section = StudyConfiguration
    for number, name in enumerate(names):
        field = section.model_fields.get(name)
        if field is None:
            return False
        section = field.annotation
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return "dict" in str(section) or number == len(names) - 1
    return True


def test_every_setting_named_is_one():
    sections = "|".join(
        name
        for name, field in StudyConfiguration.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    )
    found = named(rf"(?<![\w./`-])`?((?:{sections})(?:\.[a-z]\w*)+)")
    assert len(found) > 50
    names = [(path, one.split(".")) for path, one in found]
    assert [one for one in names if one[1][-1] not in FILES and not is_setting(one[1])] == []


def test_a_name_that_is_no_setting_is_seen():
    assert is_setting(["explain", "target"])
    assert is_setting(["training", "augmentation", "flip"])
    assert is_setting(["cohort", "choose", "T1w"])
    assert not is_setting(["explain", "class"])
    assert not is_setting(["training", "augmentation", "mirror"])
    assert "--lesions-per-slice" not in OPTIONS
