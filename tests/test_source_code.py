"""Which code a module depends on."""

import pytest

from stratacam.cam.methods import REGISTRY
from stratacam.networks import ARCHITECTURES
from stratacam.scans.sequences import SEQUENCES
from stratacam.source_code import _Following, code_in, code_of
from stratacam.study.keys import entries_used
from stratacam.study.steps.explain import Explain
from stratacam.study.steps.pictures import Cut
from stratacam.study.steps.prepare import Check, Prepare
from stratacam.study.training import Training

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
        ("parts/late.py", '"""A docstring."""\n\nX = 1  # and a comment\n"""What X is."""\n', True),
        ("parts/blocks.py", "# a comment\nimport numpy\ndef block():\n\n    from parts import late\n", True),
        ("parts/others.py", "def other(): return 1\n", True),
    ],
)
def test_code_counts_and_comments_do_not(folder, name, text, same):
    before = code(folder)
    (folder / name).write_text(text)
    assert (code(folder) == before) is same


def test_preparation_depends_on_what_it_registers_with_and_on_no_network_or_page():
    found = code_of(Prepare)
    assert {"stratacam.scans.register", "stratacam.files", "simpleitk", "deepbet"} <= set(found)
    others = (
        "stratacam.cam",
        "stratacam.networks",
        "torch",
        "stratacam.scans.quality",
        "matplotlib",
        "Jinja2",
    )
    assert not any(name.startswith((*others, "contourpy", "quality/", "scans/")) for name in found)


@pytest.mark.parametrize("task", [Check, Cut, Training])
def test_files_of_which_a_task_reads_nothing_do_not_count(task):
    assert not any("/" in name for name in code_of(task))


READERS = {
    "__init__.py": "",
    "tasks.py": "from NAME.reads import found\ndef Task():\n    return found()\n",
    "page.j2": "{% include 'style.css' %}",
    **dict.fromkeys(("style.css", "table.toml", ".page.j2.swp", "page.j2~", ".DS_Store"), "x"),
}


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ("def found():\n    return open('table.toml')\n", {"table.toml"}),
        ("def found(): ...\n\ndef other():\n    return open(__file__ + 'table.toml')\n", set()),
        ("def found():\n    return open('templates/page.j2')\n", {"page.j2", "style.css"}),
        ("def found():\n    return __file__\n", {"page.j2", "style.css", "table.toml"}),
        (
            "from importlib.resources import files\ndef found():\n    return files('NAME')\n",
            {"page.j2", "style.css", "table.toml"},
        ),
    ],
)
def test_a_file_counts_where_a_definition_names_it_or_may_read_any(tmp_path, monkeypatch, reads, expected):
    package = tmp_path.name
    (tmp_path / package).mkdir()
    for name, text in {**READERS, "reads.py": reads}.items():
        (tmp_path / package / name).write_text(text.replace("NAME", package))
    monkeypatch.syspath_prepend(tmp_path)
    task = type("Task", (), {"__module__": f"{package}.tasks"})
    found = code_of.__wrapped__(task)
    assert {name.rpartition("/")[2] for name in found if "/" in name} == expected


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


LISTED = {
    "__init__.py": "",
    "tasks.py": "from NAME.registry import KNOWN, SHORT\n\ndef Task(name='c'):\n    return KNOWN[name], SHORT\n",
    "registry.py": (
        "from NAME.parts import A, make\n"
        "KNOWN: dict[str, int] = {one.name: one for one in (A, make('b', 1), make(1, name='c'), make(2))}\n"
        "SHORT = {'a': 1, 'd': 2, **{}}\n"
    ),
    "parts.py": "def make(*given, name=None): ...\n\nA = make(0, 'a')\n",
}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("registry.py", "(A,", "(make('new', 2), A,"), True),
        (("registry.py", "{'a'", "{'new': 3, 'a'"), True),
        (("registry.py", "('b', 1)", "('b', 2)"), True),
        (("registry.py", "'d': 2", "'d': 3"), True),
        (("registry.py", "'a': 1", "'a': 2"), False),
        (("parts.py", "make(0, 'a')", "make(1, 'a')"), False),
        (("registry.py", "make(1, name='c')", "make(2, name='c')"), False),  # which the code names
        (("registry.py", "make(2))", "make(3))"), False),  # of which no name is known
        (("registry.py", "**{}", "**{'e': 1}"), False),
    ],
)
def test_of_a_registry_the_entries_that_a_task_uses_count(tmp_path, monkeypatch, change, same):
    file, old, new = change
    package = tmp_path.name
    (tmp_path / package).mkdir()
    for name, text in LISTED.items():
        (tmp_path / package / name).write_text(text.replace("NAME", package))
    monkeypatch.syspath_prepend(tmp_path)
    task = type("Task", (), {"__module__": f"{package}.tasks"})
    entries = frozenset((f"{package}.registry", registry, "a") for registry in ("KNOWN", "SHORT"))
    narrow, whole = code_of.__wrapped__(task, entries), code_of.__wrapped__(task)
    path = tmp_path / package / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert (code_of.__wrapped__(task, entries) == narrow) is same
    assert code_of.__wrapped__(task) != whole


@pytest.mark.parametrize(
    ("task", "kind", "names", "module"),
    [
        (Prepare, "sequences", SEQUENCES, "stratacam.scans.sequences"),
        (Training, "architectures", ARCHITECTURES, "stratacam.networks.registry"),
        (Explain, "methods", REGISTRY, "stratacam.cam.methods"),
    ],
)
def test_every_entry_of_the_registries_is_known_by_its_name(task, kind, names, module):
    (registry,) = {one[1] for one in entries_used(**{kind: ["any"]})}
    following = _Following(task.__module__, None, entries=entries_used(**{kind: names}))
    following.code((task.__module__, task.__name__))
    found = {
        name
        for one in following.kept[module].values()
        for name in one.defines
        if name.startswith(f"{registry}[")
    }
    assert found == {f"{registry}[{name}]" for name in names}


def test_a_network_depends_on_its_own_architecture():
    found = code_of(Training, entries_used(architectures=["resnet18"]))
    assert "stratacam.networks.resnet" in found
    assert not {"stratacam.networks.densenet", "stratacam.networks.vgg"} & set(found)
