"""Cards and folders of audits, checked before anything is computed."""

import pytest
import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.networks import ModelCard, build, load_model, make_network, save_model
from stratacam.networks.registry import beside
from stratacam.study.audit import write_audit
from stratacam.study.configuration import read_configuration
from stratacam.study.network_check import check_networks

CLASSES = 'classes = ["a", "b"]\n'
PICTURES = "[pictures]\nsize = 64\nwidth_mm = 208\n"


def exported(file, *, seed=0, any_size=False):
    """Save a network of pictures (3, 64, 64) with logits of two classes."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    axes = {0: torch.export.Dim("count")}
    if any_size:
        axes |= {2: torch.export.Dim("rows", min=4), 3: torch.export.Dim("columns", min=4)}
    program = torch.export.export(net.eval(), (torch.rand(2, 3, 64, 64),), dynamic_shapes=(axes,))
    torch.export.save(program, file)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    exported(folder / "net.pt2")
    exported(folder / "any.pt2", any_size=True)
    exported(folder / "other.pt2", seed=1)
    save_model(
        folder / "own",
        build("small_cnn", 2, weights="none"),
        ModelCard(
            architecture="small_cnn",
            classes=("a", "b"),
            input={"size": 64, "width_mm": 208, "shape": [64, 64], "pixel_mm": 3.25, "sequences": ["T1w"]},
            training={},
        ),
    )
    return folder


def write_cohort(folder):
    """Names of two people's scans, with their groups."""
    for subject in ("sub-01", "sub-02"):
        (folder / subject / "anat").mkdir(parents=True, exist_ok=True)
        for sequence in ("T1w", "T2w", "FLAIR"):
            (folder / subject / "anat" / f"{subject}_{sequence}.nii.gz").touch()
    (folder / "participants.tsv").write_text("participant_id\tgroup\nsub-01\ta\nsub-02\tb\n")


@pytest.fixture
def audited(files, tmp_path):
    """A function that writes an audit by a card's text and tries its network."""
    write_cohort(tmp_path / "cohort")

    def audited(text, model="net.pt2", scans="cohort", out="out"):
        write_cohort(tmp_path / scans)
        (tmp_path / "mine.toml").write_text(text)
        model = model if "/" in str(model) else files / model
        file = write_audit(model, tmp_path / scans, tmp_path / out, tmp_path / "mine.toml" if text else None)
        configuration = read_configuration(file)
        check_networks(configuration)
        return configuration

    return audited


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (f"[model]\n{CLASSES}network = 5\n", r"mine\.toml, model\.network: Input should be a valid string"),
        ("model = 3\n", r"mine\.toml: found model = 3; expected a section, \[model\]"),
        (f"evidence = 3\n[model]\n{CLASSES}", r"mine\.toml: found evidence = 3; expected a section"),
        (f"[model]\n{CLASSES}deviation = [nan]\n", r"mine\.toml, .*must be numbers, not nan or inf"),
        (f"[model]\n{CLASSES}mean = [inf]\n", r"mine\.toml, .*must be numbers, not nan or inf"),
        (f"[model]\n{CLASSES}channels = [0, 1, -1]\n", "channels are counted from 0"),
        (
            f"[model]\n{CLASSES}channels = [0, 1]\n{PICTURES}",
            r"model\.channels: found \[0, 1\]; expected what suits",
        ),
        (f"[model]\n{CLASSES}size = [32, 32]\n{PICTURES}", r"model\.size: found \[32, 32\]; .*\(3, 64, 64\)"),
        (f"[model]\n{CLASSES}size = [0, -5]\n", "size must be of one pixel at least"),
        (f"[model]\n{CLASSES}size = [64, 64, 64]\n", r"model\.size: found 3 numbers; expected 2 for slices"),
        (f"[model]\n{CLASSES}dimensions = 3\n{PICTURES}", r"model\.dimensions: found 3; expected 2"),
        (f"[model]\n{CLASSES}[prepare]\n'a b' = 1\n", r"prepare\.a b is not known"),
        (f"[model]\n{CLASSES}mean = [0.1, 0.2]\n{PICTURES}", r"mine\.toml, model\.mean: found 2 numbers"),
        (f"[model]\n{CLASSES}mean = true\n", r"mine\.toml, model\.mean: Input should be a valid tuple"),
        (
            f"[model]\n{CLASSES}trained_on = ['sub-1']\n{PICTURES}",
            r"mine\.toml, model\.trained_on: found names",
        ),
        (f"name = 2020-01-01\n[model]\n{CLASSES}", "name = "),
        (f"[model]\n{CLASSES}[evidence]\nslices = nan\n", r"evidence\.slices = nan"),
    ],
)
def test_cards_that_hold_what_none_can_are_refused_and_the_users_own_file_is_named(
    audited, card, message, tmp_path
):
    with pytest.raises(InputError, match=message) as found:
        audited(card)
    assert str(tmp_path / "mine.toml") in str(found.value)
    assert not (tmp_path / "out").exists()


def test_mean_and_deviation_may_be_one_number(audited):
    given = audited(f"[model]\n{CLASSES}mean = 0.3\ndeviation = 2\n{PICTURES}").given
    assert (given.mean, given.deviation) == ((0.3,), (2.0,))


def test_paths_of_a_card_are_relative_to_its_folder(audited, tmp_path):
    card = (
        f"[model]\n{CLASSES}[cohort]\nprepared = '../shared'\n{PICTURES}[evidence]\natlas = 'atlas.nii.gz'\n"
    )
    configuration = audited(card)
    assert configuration.cohort.prepared == (tmp_path / "../shared").resolve()
    assert configuration.evidence.atlas == tmp_path / "atlas.nii.gz"


def test_a_size_that_a_network_cannot_take_is_told_with_the_settings_of_the_card(audited):
    with pytest.raises(InputError, match=r"its classifier fails: .*set model\.channels and model\.size"):
        audited(f"[model]\n{CLASSES}size = [2, 2]\n{PICTURES}", "any.pt2")


def test_folders_that_are_no_model_are_refused_with_what_is_missing(audited, files, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match="empty: is a folder; expected the file of a classifier, or the folder"
    ):
        audited(CLASSES, tmp_path / "empty")
    with pytest.raises(InputError, match=r"name that, such as .*own\."):
        audited(CLASSES, files)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"x")
    with pytest.raises(InputError, match="is a SavedModel of TensorFlow"):
        audited(CLASSES, tmp_path / "saved")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/card.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"no model\.safetensors; expected both"):
        audited("", tmp_path / "half")
    (tmp_path / "half/model.safetensors").write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"half/card\.json: is not a model card \(architecture: Field required\);"
    ):
        audited("", tmp_path / "half")
    assert not (tmp_path / "out").exists()


def test_results_of_another_classifier_or_of_other_scans_are_neither_mixed_in_nor_lost(
    audited, files, tmp_path
):
    card = f"[model]\n{CLASSES}{PICTURES}"
    audited(card)
    audited(card, "any.pt2")  # nothing was computed yet
    audited(card)
    (tmp_path / "out/study").mkdir()
    before = (tmp_path / "out/study.toml").read_bytes()
    audited(card.replace("208", "216"))  # the same classifier, with another card: what changes is done again
    audited(card)
    with pytest.raises(InputError, match=r"holds the audit of net\.pt2, a classifier with other content"):
        audited(card, "other.pt2")
    with pytest.raises(
        InputError, match=r"holds the audit of a classifier on .*cohort; .*for .*others: choose"
    ):
        audited(card, scans="others")
    (tmp_path / "later").mkdir()
    (tmp_path / "later/net.pt2").write_bytes((files / "other.pt2").read_bytes())
    with pytest.raises(InputError, match=r"with other content than .*later/net\.pt2"):
        audited(card, tmp_path / "later/net.pt2")
    with pytest.raises(InputError, match="with other content"):
        audited("", "own")
    assert (tmp_path / "out/study.toml").read_bytes() == before
    assert [path.name for path in sorted((tmp_path / "out/model").glob("*.pt2"))] == ["any.pt2", "net.pt2"]
    audited(card, "other.pt2", out="new")


def test_a_model_names_its_card_from_where_it_lies_so_that_an_audit_can_be_moved(audited, tmp_path):
    architecture = audited(f"[model]\n{CLASSES}{PICTURES}").network.architecture
    folder = tmp_path / "out/study/models/given_seed-0"
    named = beside(architecture, folder, tmp_path / "out")
    assert named == "given:../../../model/card.toml"
    network = make_network(architecture, 2, channels=3)
    assert network.get_submodule("input").takes == {
        "file": "net.pt2", "channels": (0, 1, 2), "size": (64, 64), "mean": (0.0,), "deviation": (1.0,)
    }  # fmt: skip
    save_model(folder, network, ModelCard(architecture=named, classes=("a", "b"), input={}, training={}))
    (tmp_path / "out").rename(tmp_path / "moved")
    pictures = torch.rand(2, 3, 64, 64)
    loaded, _ = load_model(tmp_path / "moved/study/models/given_seed-0")
    assert torch.equal(loaded(pictures), network(pictures))
    (tmp_path / "moved/model/card.toml").unlink()
    with pytest.raises(
        InputError, match=r"names the classifier of the card .*, which is not there; .*copy that"
    ):
        load_model(tmp_path / "moved/study/models/given_seed-0")
