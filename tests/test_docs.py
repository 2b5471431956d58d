"""What the documentation shows is so."""

import contextlib
import importlib.util
import io
import re
import runpy
from pathlib import Path

import pytest

import stratacam
from stratacam.networks import ModelCard, save_model

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "stratacam"
PAGES = sorted((ROOT / "docs").glob("*.md"))
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """A folder `demo` with a small finished study in place of the demonstration's."""
    folder = tmp_path_factory.mktemp("finished") / "demo"
    small = runpy.run_path(str(ROOT / "tests" / "report" / "small_study.py"))
    study = small["write_study"](folder, layers=small["FEW"], seeds=(0,)).root
    model = study / "models" / "vgg16_seed-0"
    card = ModelCard.model_validate_json((model / "card.json").read_text(encoding="utf-8"))
    save_model(model, stratacam.build("vgg16", len(card.classes), weights="none"), card)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    if page.stem in {"python", "reviewers"}:
        (tmp_path / "demo").symlink_to(request.getfixturevalue("demonstration"))
    scope = {}
    printed = ""
    blocks = re.findall(
        r"(?:<!-- needs: (\w+) -->\n)?```(\w*)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
    )
    absent = {package for package, _, _ in blocks if package and not importlib.util.find_spec(package)}
    for package, language, content in blocks:
        if language == "python" and package not in absent:
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(content, scope)  # noqa: S102 - the page's own code
            printed = output.getvalue()
        elif not language and package not in absent:
            assert printed == content
    if absent:
        pytest.skip(f"{', '.join(sorted(absent))} not installed: what needs them on the page was not run")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_generated_blocks_of_a_page_are_what_the_code_gives(page):
    text = page.read_text(encoding="utf-8")
    assert GENERATE["filled"](text) == text, f"{page.name} is stale: run `make docs`"


def test_every_block_is_shown_on_a_page():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"<!-- generated: (\S+) -->", text)) == set(GENERATE["BLOCKS"])


def test_every_method_has_its_section():
    sections = re.findall(
        r"^## (\S+)$", (ROOT / "docs" / "methods.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert tuple(sections) == stratacam.METHODS


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    for target, _, heading in re.findall(r"\]\(([^)#:]*)(#([^)]+))?\)", page.read_text(encoding="utf-8")):
        there = page.parent / target if target else page
        assert there.exists(), target
        if heading:
            assert heading in headings(there.read_text(encoding="utf-8")), f"{target}#{heading}"


def test_pictures_are_small_and_shown_on_a_page():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, picture
        assert f"images/{picture.name}" in text, picture


def headings(text):
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def answers():
    """Rows of the table of CONTRIBUTING that says where to change what: the question, and the cell of the answer."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where would I change")[2]
    return re.findall(r"^\| \*\*(.+?) \| (.+) \|$", text.partition("\n## ")[0], re.MULTILINE)


@pytest.mark.parametrize(("question", "answer"), answers(), ids=lambda text: text.split("**")[0])
def test_where_to_change_something_names_at_most_three_places_that_are_there(question, answer):
    named = re.findall(r"`([^`]+)`", answer)
    paths = [ROOT / name if name.startswith("docs") else SOURCES / name for name in named if "/" in name]
    assert 1 <= len(paths) <= 3, question
    assert all(path.exists() for path in paths), answer
    code = "".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
    assert all(name in code for name in named if "/" not in name and " " not in name), answer


def test_where_to_change_twenty_things_is_said():
    assert len(answers()) >= 20
