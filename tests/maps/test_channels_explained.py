"""Maps of networks that see other sequences than were prepared, or one sequence at a time."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.maps import Consensus, ExplainSettings, LayerConsensus, explain_scan, predicted_class
from stratacam.maps.formats import FORMATS
from stratacam.networks import ModelCard
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.pictures import PictureSettings, cut_scan
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.register import write_transform
from stratacam.scans.slices import slice_areas, write_slices_table
from stratacam.scans.volume import write_nifti

SHAPE = (20, 22, 9)
SEQUENCES = ("T1w", "T2w", "FLAIR")


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A prepared scan of random numbers, darker from sequence to sequence."""
    folder, affine = tmp_path_factory.mktemp("channels"), np.eye(4)
    scan, rng = PreparedScan(folder / "prepared", "01", None, SEQUENCES), np.random.default_rng(0)
    for number, sequence in enumerate(SEQUENCES):
        image = rng.random(SHAPE, dtype=np.float32) / (1 + number)
        write_nifti(scan.image(sequence), image, affine)
        write_nifti(folder / f"sub-01_{sequence}.nii.gz", image, affine)
        if sequence != "T1w":
            write_transform(scan.transform(sequence), SimpleITK.Euler3DTransform())
    mask = np.ones(SHAPE, dtype=bool)
    write_nifti(scan.brain_mask, mask, affine)
    areas = slice_areas(mask, affine)
    write_slices_table(scan.slices_table, areas, np.arange(1, 8), affine, SHAPE)
    delivered = {sequence: str(folder / f"sub-01_{sequence}.nii.gz") for sequence in SEQUENCES}
    write_json(
        scan.record, {"Sequences": SEQUENCES, "Delivered": delivered, "BrainWidthHeight": [20.0, 22.0]}
    )
    return scan


def last_channel_reader():
    """A network whose first map, and so its logits, are of the third channel alone."""
    third, head = nn.Conv2d(3, 1, 1, bias=False), nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        third.weight.copy_(torch.tensor([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1))
        head.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    return nn.Sequential(third, nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def card(*sequences, **given):
    picture = {"sequences": list(sequences), "size": 32, "width_mm": 32.0, "part": [0, 1]}
    return ModelCard(architecture="vgg16", classes=("a", "b"), input=picture | given, training={})


def explain(scan, out, card, **settings):
    defaults = {"nifti_layers": (), "nifti_scans": ("T1w",)}
    return explain_scan(last_channel_reader(), card, scan, out, ExplainSettings(**defaults | settings))


def logit_of(scan, sequence, index):
    """The mean, over a picture of a slice, of the largest value in each 2 x 2 pixels."""
    pictures = cut_scan(scan, PictureSettings(size=32, width_mm=32, sequences=(sequence,), channels="each"))
    picture = pictures.images[list(pictures.slices).index(index), 0]
    return picture.reshape(16, 2, 16, 2).max(axis=(1, 3)).mean()


@pytest.mark.parametrize(
    ("sequences", "third"),
    [
        (("T1w", "T2w", "FLAIR"), "FLAIR"),
        (("FLAIR", "T1w", "T2w"), "T2w"),
        (("FLAIR", "T1w"), "FLAIR"),  # FLAIR, T1w, FLAIR
        (("T2w",), "T2w"),
    ],
)
def test_channels_are_chosen_by_name_from_what_was_prepared(scan, tmp_path, sequences, third):
    maps = explain(scan, tmp_path, card(*sequences))  # a card of an earlier version: nothing of channels
    expected = [logit_of(scan, third, index) for index in range(1, 8)]
    assert maps.geometry.slices == tuple(range(1, 8))
    np.testing.assert_allclose(maps.logits[:, 1], expected, atol=1e-6)
    assert maps.predicted == "b"
    named = explain(scan, tmp_path / "named", card(*sequences, channels="sequences"))
    np.testing.assert_array_equal(named.raw("0"), maps.raw("0"))


@pytest.mark.parametrize(
    ("sequences", "asked", "found"),
    [
        (("T1w", "T2w", "FLAIR"), None, "FLAIR"),
        (("T2w", "T1w"), None, "T2w"),
        (("T1w", "T2w", "FLAIR"), "T1w", "T1w"),
    ],
)
def test_where_each_sequence_is_a_picture_the_maps_are_of_one(scan, tmp_path, sequences, asked, found):
    maps = explain(scan, tmp_path, card(*sequences, channels="each"), sequence=asked, every=2)
    assert maps.geometry.slices == (1, 3, 5, 7)
    expected = [logit_of(scan, found, index) for index in (1, 3, 5, 7)]
    np.testing.assert_allclose(maps.logits[:, 1], expected, atol=1e-6)
    assert maps.raw("0").shape == (4, 32, 32)


def test_a_map_of_neighbouring_slices_lies_on_the_middle_one(scan, tmp_path):
    maps = explain(scan, tmp_path, card("T1w", "FLAIR", channels="neighbours"))
    assert maps.geometry.slices == tuple(range(1, 8))
    expected = [logit_of(scan, "FLAIR", index) for index in range(2, 8)]  # the third channel: one above
    np.testing.assert_allclose(maps.logits[:-1, 1], expected, atol=1e-6)


def between(model, first, second):
    """Let the network's decision lie midway between two values that it reads."""
    level = (first + second) / 2
    model[-1].bias = nn.Parameter(torch.tensor([level, -level], dtype=torch.float32))
    return model


def test_one_class_is_predicted_whichever_pictures_are_explained(scan, tmp_path):
    levels = {name: np.mean([logit_of(scan, name, index) for index in range(1, 8)]) for name in SEQUENCES}
    model = between(last_channel_reader(), levels["T1w"], levels["T2w"])  # T1w alone: b; all three: a
    each = card(*SEQUENCES, channels="each")
    for sequence in SEQUENCES:
        settings = ExplainSettings(sequence=sequence, nifti_layers=(), every=2)
        maps = explain_scan(model, each, scan, tmp_path / sequence, settings)
        assert maps.predicted == maps.explained == "a"


def test_the_predicted_class_is_of_all_slices_not_of_those_explained(scan, tmp_path):
    seen = card("FLAIR")
    levels = [logit_of(scan, "FLAIR", index) for index in range(1, 8)]
    every_second = np.mean(levels[::2])
    assert every_second != np.mean(levels)
    model = between(last_channel_reader(), every_second, np.mean(levels)).eval()
    expected = "b" if np.mean(levels) > every_second else "a"  # of all slices, not of those explained
    maps = explain_scan(model, seen, scan, tmp_path, ExplainSettings(every=2, nifti_layers=()))
    assert maps.predicted == maps.explained == expected
    assert predicted_class(model, seen, scan) == seen.classes.index(expected)


def test_a_further_format_is_an_entry_and_gets_every_map(scan, tmp_path, monkeypatch):
    def write_maximum(name, _maps, _layer, drawn, _settings):
        path = name("space-T1w", ".txt")  # which says nothing of class and layer
        path.write_text(repr(float(drawn.volume.max())))
        return {path}

    monkeypatch.setitem(FORMATS, "maximum", write_maximum)
    maps = explain(scan, tmp_path, card("FLAIR"), target="all", nifti_layers=("0", "2"))
    written = {path.name: float(path.read_text()) for path in maps.path.parent.glob("*.txt")}
    assert written == {
        f"sub-01_space-T1w_label-{name}_desc-{layer}_gradcam.txt": float(maps.of(name).volume(layer).max())
        for name in ("a", "b")
        for layer in ("0", "2")
    }


def test_maps_lie_over_the_t1w_also_of_a_network_that_does_not_see_it(scan, tmp_path):
    maps = explain(scan, tmp_path, card("FLAIR"), nifti_layers=("0",), nifti_scans=("T1w", "FLAIR"))
    assert set(maps.geometry.delivered) == {"T1w", "FLAIR"}
    for space in ("T1w", "FLAIR"):
        assert list(tmp_path.rglob(f"*_space-{space}_res-delivered_desc-0_gradcam.nii.gz"))
    with pytest.raises(InputError, match=r"explain\.nifti_scans: 'T2w' is no sequence .* T1w, FLAIR"):
        explain(scan, tmp_path, card("FLAIR"), nifti_scans=("T2w",))


def test_a_sequence_to_explain_must_be_the_models_and_a_picture_of_its_own(scan, tmp_path):
    each = card("T1w", "FLAIR", channels="each")
    with pytest.raises(InputError, match=r"explain\.sequence: 'T2w' is no sequence .* of T1w, FLAIR"):
        explain(scan, tmp_path, each, sequence="T2w")
    with pytest.raises(InputError, match=r"explain\.sequence: found 'FLAIR', but .* in one picture"):
        explain(scan, tmp_path, card(*SEQUENCES), sequence="FLAIR")


@pytest.mark.parametrize("sequences", [("T1w",), ("T1w", "FLAIR")])
def test_one_and_two_sequences_are_prepared_cut_and_explained(tmp_path, sequences):
    shape, affine = (48, 56, 44), np.diag([3.0, 3.0, 3.0, 1.0])
    radius = np.linalg.norm((np.indices(shape).T - np.array(shape) // 2) / (20, 24, 18), axis=-1).T
    ripple = np.sin(np.indices(shape) / 3).prod(axis=0)
    images = {}
    for number, sequence in enumerate(sequences):
        tissue = np.where(radius + 0.1 * ripple < 0.7, 100 - 10 * number, 60 + 60 * number)
        images[sequence] = tmp_path / f"sub-01_{sequence}.nii.gz"
        write_nifti(images[sequence], np.where(radius < 1, tissue, 2).astype(np.float32), affine)
    write_nifti(tmp_path / "mask.nii.gz", radius < 1, affine)
    scan = prepare(
        Scan("01", None, images, tmp_path / "mask.nii.gz"), tmp_path / "out", PrepareSettings(template=False)
    )
    for channels, count in (("sequences", 3), ("each", 1), ("neighbours", 3)):
        settings = PictureSettings(size=32, width_mm=192, every=4, channels=channels)
        assert cut_scan(scan, settings).images.shape[1] == count
        seen = card(*sequences, channels=channels, width_mm=192.0)
        maps = explain(scan, tmp_path / channels, seen, every=4, nifti_layers=("0",))
        assert all(step == 4 for step in np.diff(maps.slices))
        assert maps.raw("0").any(axis=(1, 2)).all()
    assert scan.quality_page.exists()


def darker_reader(factor):
    """`last_channel_reader` with a weaker first layer, so that its maps are less of the same."""
    network = last_channel_reader()
    with torch.no_grad():
        network[0].weight *= factor
    return network


def test_consensus_is_stored_with_spread_agreement_scales_and_members(scan, tmp_path):
    networks = [last_channel_reader(), darker_reader(0.5)]
    cards = [
        card(*SEQUENCES).model_copy(update={"training": {"run": f"run-{number}", "images": {}}})
        for number in (1, 2)
    ]
    settings = ExplainSettings(every=2, target="b", nifti_layers=("0",))
    alone = [
        explain_scan(network, cards[0], scan, tmp_path / str(number), settings)
        for number, network in enumerate(networks)
    ]
    assert alone[0].spread("0") is None
    assert alone[0].agreement("0") is None
    assert alone[0].reliability("0") is None
    maps = explain_scan(Consensus(networks), cards[0], scan, tmp_path / "both", settings, members=cards)
    brain = np.asarray(maps.geometry.cut(np.ones(SHAPE, dtype=np.float32)) >= 0.5)
    for layer in ("0", "2"):
        expected = LayerConsensus.of(np.stack([one.raw(layer) for one in alone]), brain)
        np.testing.assert_allclose(maps.raw(layer), expected.mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(maps.spread(layer), expected.spread, atol=1e-5)
        np.testing.assert_allclose(maps.agreement(layer), expected.agreement, atol=1e-6)
        assert maps.scales[layer][0] == pytest.approx(expected.scales, rel=1e-4)
        assert maps.reliability(layer) == pytest.approx(1, abs=1e-4)  # the maps differ by a factor alone
    assert [one["run"] for one in maps.members] == ["run-1", "run-2"]
    np.testing.assert_allclose(maps.logits, np.mean([one.logits for one in alone], axis=0), rtol=1e-5)
    stem = tmp_path / "both" / "sub-01" / "anat" / "sub-01_space-T1w_res-prepared_desc-0"
    assert (
        json.loads(stem.with_name(f"{stem.name}_gradcam.json").read_text())["Networks"][1]["run"] == "run-2"
    )
    agreed = nibabel.load(stem.with_name(f"{stem.name}Agreement_gradcam.nii.gz")).get_fdata()
    np.testing.assert_allclose(agreed, maps.geometry.to_volume(maps.agreement("0")), atol=1e-6)


def test_a_consensus_of_which_one_was_trained_on_the_scan_says_so(scan, tmp_path):
    write_json(scan.record, {**scan.read_record(), "Voxels": {"T1w": "digest"}})
    cards = [
        card(*SEQUENCES).model_copy(update={"training": {"images": images}})
        for images in ({"digest": "test"}, {"digest": "train"})
    ]
    joined = Consensus([last_channel_reader(), last_channel_reader()])
    settings = ExplainSettings(every=3, nifti_layers=())
    assert explain_scan(joined, cards[0], scan, tmp_path, settings, members=cards).in_training == "train"
    assert explain_scan(joined, cards[0], scan, tmp_path, settings, members=cards[:1]).in_training == "test"
