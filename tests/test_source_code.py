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
