"""What is published from a report: methods with references, check-lists, the model card; and what never leaves."""

import re
import shutil
from dataclasses import replace

import pytest

from stratacam.files import read_json, write_json
from stratacam.report import write_report
from stratacam.report.content import read_study
from stratacam.report.page.privacy import Privacy
from stratacam.report.statements.checklists import CLAIM, TRIPOD, claim_table, tripod_table
from stratacam.report.statements.methods import methods_section
from stratacam.report.statements.model_card import as_markdown, model_card
from stratacam.report.statements.references import OF_LISTS, cited, numbered, reference, works
from stratacam.study.folders import StudyFolders

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def study(published):
    return read_study(published)


def test_methods_say_what_the_settings_and_cards_hold(study):
    told = dict(methods_section(study))
    assert "T1w, T2w and FLAIR of 12 people were prepared" in told["Scans"]
    assert "3 for training, 3 for validation, 6 held out" in told["Split"]
    training = told["Networks and training"]
    assert (
        "peak learning rates of 0.001 (head) and 0.0001 (body), weight decay 0.01, batches of 16" in training
    )
    assert "Augmentation: rotation up to 10 degrees, changes of size up to a factor of 1.1." in training
    assert "a temperature (1.50) fitted to validation slices" in told["Evaluation"]
    assert "the mean of 3 networks" in told["Maps"]
    assert "The recommended map is LayerCAM, mean of block1_conv2 to block3_conv3" in told["Maps"]
    assert "one network and the consensus of 3" in told["Trust in maps"]
    assert "torch 2.9.0" in told["Software"]


def test_methods_say_nothing_of_trust_where_it_was_not_measured(plain_study):
    assert "Trust in maps" not in dict(methods_section(read_study(plain_study)))


def test_every_work_that_is_cited_is_known_and_numbered_in_the_order_of_citation(study):
    texts = [text for _, text in methods_section(study)]
    keys = cited(texts)
    assert {*keys} <= {*works()}
    assert {"vgg", "gradcam", "layercam", "road", "sanity"} <= {*keys}
    numbers = [int(found) for text in texts for found in re.findall(r" \[(\d+)\]", numbered(text, keys))]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(keys) + 1))
    assert not any("[@" in numbered(text, keys) for text in texts)


@pytest.mark.usefixtures("published_page")
def test_bibtex_stands_beside_the_report_with_what_is_cited(published, study):
    text = published.references.read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([\w+-]+),$", text, flags=re.MULTILINE)
    assert keys == [*cited(text for _, text in methods_section(study)), *OF_LISTS]
    assert text.count("{") == text.count("}")
    for key in works():
        assert re.fullmatch(r".+\. .+\. .+ \(\d{4}\)\..*", reference(key))


@pytest.mark.parametrize(("items", "count"), [(CLAIM, 44), (TRIPOD, 52)])
def test_check_lists_are_whole(items, count):
    numbers = [item.number for item in items]
    assert len(set(numbers)) == len(numbers) == count
    main = list(dict.fromkeys(int(re.match(r"\d+", number)[0]) for number in numbers))
    assert main == list(range(1, main[-1] + 1))
    assert main[-1] == (44 if items is CLAIM else 27)


@pytest.mark.parametrize("fixture", ["study", "plain_study", "folds_study", "slice_study"])
def test_check_lists_answer_what_is_known_and_leave_the_rest_open(fixture, request):
    found = request.getfixturevalue(fixture)
    study = read_study(found) if isinstance(found, StudyFolders) else found
    for table in (claim_table(study), tripod_table(study)):
        rows = {row[0]: row[2:] for row in table.rows}
        assert {state for state, _ in rows.values()} == {"answered", "partly", "open"}
        assert all(answer for _, answer in rows.values())
        counted = sum(state != "open" for state, _ in rows.values())
        assert table.title.endswith(f": {counted} of {len(rows)} items answered or partly answered")
    claim = {row[0]: row[2:] for row in claim_table(study).rows}
    # what no file of a study can hold: diagnosis, ethics, registration, external testing, funding
    assert [claim[number][0] for number in ("11", "15", "18", "33", "34", "44")] == ["open"] * 6
    disjoint = "None: slices of one person" if study.by_slice else "Subjects: no subject is in two parts."
    assert claim["20"][1].startswith(disjoint)
    assert claim["14"][0] == "partly"
    # a title, and people by partition, are the authors' to write
    assert [claim[number][0] for number in ("1", "36")] == ["partly", "open"]
    tripod = {row[0]: row[2:] for row in tripod_table(study).rows}
    # hospitals are not known of these people, so that nothing can be said of clusters
    assert [tripod[number][0] for number in ("12d", "20c", "23b", "25")] == ["open"] * 4
    assert tripod["9a"][1] == "Whole slices of T1w, T2w and FLAIR; nothing was selected by results."


def test_the_model_card_has_use_people_subgroups_and_limits_and_is_a_file_too(
    published, study, published_page
):
    sections = {section.heading: section for section in model_card(study)}
    assert list(sections) == ["Model", "Intended use", "People", "Performance", "Maps", "Limits"]
    assert "Not for diagnosis" in sections["Intended use"].sentences[1]
    rows = {row[:2]: row[2:4] for row in sections["Performance"].table.rows}
    assert rows["group", "SPMS"] == ("1 of 2", "0.50")
    text = published.model_card.read_text(encoding="utf-8")
    assert text == as_markdown("A <small> study", model_card(study))
    assert text.startswith("# Model card: A <small> study\n\n## Model\n")
    assert "| group | SPMS | 1 of 2 | 0.50 |" in text
    for heading in sections:
        assert f"<h3>{heading}</h3>" in published_page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/data/ms/sub-01_T1w.nii.gz: not found", "sub-01_T1w.nii.gz: not found"),
        ("in “/data/ms/sub-01”, see", "in “sub-01”, see"),
        ("/data: empty", "data: empty"),
        (r"C:\Users\Ann\scans\a.nii: damaged", "a.nii: damaged"),
        ("T1w/T2w of 1/2; arXiv/1409; and/or", "T1w/T2w of 1/2; arXiv/1409; and/or"),
        ("https://doi.org/10.1148/ryai.240300", "https://doi.org/10.1148/ryai.240300"),
        ("evidence/vgg16/layers.tsv", "evidence/vgg16/layers.tsv"),
        ("/home/Ann Lee/study/maps: found maps", "maps: found maps"),
    ],
)
def test_no_absolute_path_is_left(text, left):
    assert Privacy(("/home/Ann Lee/study",)).without_paths(text) == left


def test_neither_page_nor_card_names_a_folder_of_the_machine(plain_study, tmp_path):
    """Version 0.1 printed where the cohort and the results lie."""
    folders = StudyFolders(shutil.copytree(plain_study.root, tmp_path / "study"))
    scan = read_study(plain_study).delivered / "sub-99/anat/sub-99_T1w.nii.gz"
    folders.left_out.write_text(
        f"name\tstep\treason\nsub-99\tprepare\t{scan}: damaged; see /opt/other/log.txt\n"
    )
    configuration = read_json(folders.configuration)
    write_json(folders.configuration, {**configuration, "out": str(folders.root)})
    page = write_report(folders).read_text(encoding="utf-8")
    text = re.sub(r"data:image/png;base64,[^\"]+", "", page)
    card = folders.model_card.read_text(encoding="utf-8")
    for place in (
        str(tmp_path),
        str(scan.parent),
        str(plain_study.root.parent),
        "/opt/other",
        "/home",
    ):
        assert place not in text
        assert place not in card
    assert "sub-99_T1w.nii.gz: damaged; see log.txt" in text


def test_methods_say_by_what_measures_were_harmonised(study):
    configuration = {**study.configuration, "confounds": {"harmonise": "site"}}
    told = dict(methods_section(replace(study, configuration=configuration)))["Evaluation"]
    assert "harmonised by site with ComBat [@combat] [@neurocombat], fitted to the training subjects" in told
