"""Which code a module depends on."""

import pytest

from stratacam.scans.prepare import prepare
from stratacam.source_code import code_in, code_of

FILES = {
    "nets.py": "from typing import TYPE_CHECKING\nfrom parts import block\nif TYPE_CHECKING:\n    import unread\n",
    "parts/__init__.py": "from parts.blocks import block\nfrom parts.others import other\n",
    "parts/blocks.py": "import numpy\ndef block():\n    from parts import late\n",
    "parts/late.py": "X = 1\n",
    "parts/others.py": "def other(): ...\n",
    "unread.py": "X = 1\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def code(folder):
    return code_in("nets", folder / "nets.py")


def test_what_is_imported_is_followed_to_where_a_name_comes_from(folder):
    found = code(folder)
    assert {name for name in found if name.partition(".")[0] in {"nets", "parts", "unread"}} == {
        "nets", "parts.blocks", "parts.late"
    }  # fmt: skip
    assert found["numpy"].count(".") == 2  # its version
    assert "typing" not in found


@pytest.mark.parametrize(
    ("name", "text", "same"),
    [
        ("parts/late.py", "X = 2\n", False),
        ("parts/late.py", '"""A docstring."""\n\nX = 1  # and a comment\n', True),
        ("parts/blocks.py", "# a comment\nimport numpy\ndef block():\n\n    from parts import late\n", True),
        ("parts/others.py", "def other(): return 1\n", True),
    ],
)
def test_code_counts_and_comments_do_not(folder, name, text, same):
    before = code(folder)
    (folder / name).write_text(text)
    assert (code(folder) == before) is same


def test_preparation_depends_on_no_network_and_on_what_it_registers_with():
    found = code_of(prepare)
    assert {
        "stratacam.scans.register",
        "stratacam.files",
        "simpleitk",
        "deepbet",
        "quality/page.html.j2",
    } <= set(found)
    assert not any(name.startswith(("stratacam.cam", "stratacam.networks", "torch")) for name in found)


TASKS = """\
from blocks import first, second

LIMIT = 1
print(LIMIT)

def helped():
    return first() + LIMIT

class Task:
    def do(self):
        return helped()

def planned():
    return second()
"""
BLOCKS = "def first():\n    return 1\n\ndef second():\n    return 2\n"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("tasks.py", "first() +", "first() -"), False),
        (("tasks.py", "LIMIT = 1", "LIMIT = 2"), False),
        (("tasks.py", "print(LIMIT)", "print(LIMIT, 2)"), False),
        (("tasks.py", "return second()", "return 2 * second()"), True),
        (("blocks.py", "return 1", "return 3"), False),
        (("blocks.py", "return 2", "return 3"), True),
    ],
)
def test_of_the_module_of_a_task_and_of_others_only_what_it_uses_counts(tmp_path, monkeypatch, change, same):
    package = tmp_path.name
    folder = tmp_path / package
    folder.mkdir()
    for name, text in {"__init__.py": "", "tasks.py": TASKS, "blocks.py": BLOCKS}.items():
        (folder / name).write_text(text.replace("from blocks", f"from {package}.blocks"))
    monkeypatch.syspath_prepend(tmp_path)
    task = type("Task", (), {"__module__": f"{package}.tasks"})
    before = code_of.__wrapped__(task)
    assert {name for name in before if name.startswith(package)} == {f"{package}.tasks", f"{package}.blocks"}
    file, old, new = change
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert (code_of.__wrapped__(task) == before) is same
