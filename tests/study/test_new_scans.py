"""What a model makes of scans that it has not seen: other scanners' voxels, and scans that it was trained on."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from rich.console import Console

from stratacam.errors import InputError
from stratacam.maps import ExplainSettings, cut_pictures_for, differences_of, part_in_training
from stratacam.networks import ModelCard, build, save_model
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.prepare import PrepareSettings
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.scans.volume import write_nifti
from stratacam.study.predict import predict_folder
from stratacam.study.standalone import explain_folder
from stratacam.study.suitability import resolution_of, settings_for

SEQUENCES = ("T1w", "T2w", "FLAIR")
SETTINGS = {"template": False}


def card(*, voxels=((6.0, 6.0, 6.0), (6.0, 6.0, 6.0)), images=None, **normalisation):
    """The card of a model of scans with such voxels, which knows the hashes of such images."""
    return ModelCard(
        architecture="small_cnn",
        classes=("control", "MS"),
        input={
            "sequences": list(SEQUENCES),
            "prepared": list(SEQUENCES),
            "size": 32,
            "width_mm": 208.0,
            "every": 4,
            "voxels_mm": voxels,
            "delivered_mm": dict.fromkeys(SEQUENCES, voxels),
            "normalisation": PrepareSettings(**SETTINGS | normalisation).model_dump(mode="json"),
        },
        training={"subjects": {"train": ["sub-01"]}, **({} if images is None else {"images": images})},
    )


def model_of(folder, given):
    save_model(folder, build("small_cnn", 2), given)
    return folder


def rows(path):
    with path.open() as table:
        return list(csv.DictReader(table, delimiter="\t"))


def delivered(folder, *axes):
    """A scan whose three images have axes of these vectors, in mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(axes).T
    images = {sequence: folder / f"{sequence}.nii.gz" for sequence in SEQUENCES}
    for path in images.values():
        write_nifti(path, np.zeros((3, 4, 5), np.float32), affine)
    return Scan("new", None, images, None)


@pytest.fixture(scope="module")
def predicted(copy_cohort, tmp_path_factory):
    """A scan of 5 mm voxels, classified by a model of scans of 6 mm: folders, and what was said."""
    folder = tmp_path_factory.mktemp("new")
    copy_cohort(folder / "scans", voxel_mm=5.0, control=1)
    said = Console(file=io.StringIO(), width=200)
    model = model_of(folder / "model", card(images={}))
    found = predict_folder(
        model,
        folder / "scans",
        folder / "out",
        accept_differences=False,
        network=None,
        workers=1,
        console=said,
    )
    assert not found.left_out
    return folder, said.file.getvalue()


def test_a_scan_of_another_scanner_is_prepared_with_the_models_voxels_and_that_is_said_first(predicted):
    folder, said = predicted
    (scan,) = find_prepared(folder / "out/prepared")
    assert scan.voxel_mm == pytest.approx((6, 6, 6), abs=1e-4)
    loss = "FLAIR was delivered with voxels of 5 x 5 x 5 mm, the model's scans with 6 x 6 x 6 mm: finer detail is"
    assert (
        said.index(loss)
        < said.index("prepared with the model's voxels, 6 x 6 x 6 mm")
        < said.index("prepare:")
    )
    (row,) = rows(folder / "out/predictions.tsv")
    assert loss in row["differences"]
    assert row["images_in_training"] == "none"


def test_what_predict_prepared_is_taken_by_predict_and_explain_as_it_is(predicted, tmp_path):
    folder, _ = predicted
    prepared, quiet = folder / "out/prepared", Console(file=io.StringIO())
    found = predict_folder(
        folder / "model", prepared, tmp_path, accept_differences=False, network=None, workers=1, console=quiet
    )
    before = rows(folder / "out/predictions.tsv")[0]
    assert found.scans[0].probabilities == pytest.approx(
        [float(before[f"p_{name}"]) for name in ("control", "MS")], abs=1e-5
    )
    names, _ = explain_folder(
        folder / "model", prepared, tmp_path, ExplainSettings(every=3), names=[], workers=1, console=quiet
    )
    assert names == ["sub-01"]


def test_a_brain_larger_than_the_models_gets_larger_pictures_which_predict_and_explain_say(
    predicted, tmp_path
):
    folder, _ = predicted
    prepared = folder / "out/prepared"
    (scan,) = find_prepared(prepared)
    given = card(images={})
    cut = {**given.input, "width_mm": None, "margin_mm": 4.0, "shape": (32, 32), "pixel_mm": 4.0}
    model = model_of(tmp_path / "model", given.model_copy(update={"input": cut}))
    assert max(scan.brain_mm) > 4 * 32 - 8
    sentence = r"its brain is .* pixels of the same 4\.00 mm, the model's were 32 x 32"
    said = Console(file=io.StringIO(), width=300)
    predict_folder(
        model, prepared, tmp_path / "a", accept_differences=False, network=None, workers=1, console=said
    )
    assert re.search(sentence, said.file.getvalue())
    assert re.search(sentence, rows(tmp_path / "a/predictions.tsv")[0]["differences"])
    said = Console(file=io.StringIO(), width=300)
    explain_folder(
        model, prepared, tmp_path / "b", ExplainSettings(every=3), names=[], workers=1, console=said
    )
    assert re.search(sentence, said.file.getvalue())


def test_a_brain_larger_than_a_models_squares_is_refused(predicted):
    folder, _ = predicted
    (scan,) = find_prepared(folder / "out/prepared")
    given = card()
    given = given.model_copy(update={"input": {**given.input, "width_mm": 100.0}})
    with pytest.raises(InputError, match=r"sub-01: its brain is .* the model's pictures show 100 x 100 mm"):
        cut_pictures_for(given, scan)


def test_explain_refuses_what_predict_refuses_in_the_same_words(predicted, tmp_path):
    folder, _ = predicted
    prepared, quiet = folder / "out/prepared", Console(file=io.StringIO())
    other = model_of(tmp_path / "model", card(voxels=((5.0, 5.0, 5.0),) * 2, intensity="z_score"))
    refused = []
    for attempt in (
        lambda: predict_folder(
            other, prepared, tmp_path / "a", accept_differences=False, network=None, workers=1, console=quiet
        ),
        lambda: explain_folder(
            other, prepared, tmp_path / "b", ExplainSettings(), names=[], workers=1, console=quiet
        ),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        refused.append(str(caught.value))
    assert refused[0] == refused[1]
    assert "its voxels are 6 x 6 x 6 mm, the model's scans had 5 x 5 x 5 mm" in refused[0]
    assert "prepare.intensity is 'white_matter', the model's scans had 'z_score'" in refused[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    said = Console(file=io.StringIO(), width=200)
    names, _ = explain_folder(
        other,
        prepared,
        tmp_path / "b",
        ExplainSettings(every=3),
        names=[],
        accept_differences=True,
        workers=1,
        console=said,
    )
    assert names == ["sub-01"]
    assert "sub-01: its voxels are 6 x 6 x 6 mm" in said.file.getvalue()


def test_a_scan_that_was_trained_on_is_known_by_its_images_and_not_by_its_name(predicted, tmp_path):
    folder, _ = predicted
    (scan,) = find_prepared(folder / "out/prepared")
    digest = scan.read_record()["Voxels"]["FLAIR"]
    assert scan.subject == "01"  # as the model's training subject is called, who is somebody else
    assert part_in_training(scan, card(images={"another": "train"})) == "none"
    assert part_in_training(scan, card(images={digest: "validation"})) == "validation"
    assert part_in_training(scan, card()) == "unknown"
    shutil.copytree(folder / "scans/sub-01", tmp_path / "scans/sub-77")  # renamed
    for image in (tmp_path / "scans/sub-77").rglob("*sub-01*"):
        image.rename(image.with_name(image.name.replace("sub-01", "sub-77")))
    renamed = PreparedScan(tmp_path / "prepared", "77", None, SEQUENCES)
    renamed.record.parent.mkdir(parents=True)
    record = scan.read_record()
    renamed.record.write_text(json.dumps(record))
    assert part_in_training(renamed, card(images={digest: "train"})) == "train"
    renamed.record.write_text(json.dumps({name: record[name] for name in record if name != "Voxels"}))
    assert part_in_training(renamed, card(images={digest: "train"})) == "unknown"


@pytest.mark.parametrize(
    ("images", "expected"), [(None, "cannot be known"), ("own", "was trained on these images")]
)
def test_predict_and_explain_say_who_was_trained_on_or_that_it_cannot_be_known(
    predicted, tmp_path, images, expected
):
    folder, _ = predicted
    (scan,) = find_prepared(folder / "out/prepared")
    hashes = dict.fromkeys(scan.read_record()["Voxels"].values(), "train")
    model = model_of(tmp_path / "model", card(images=images and hashes))
    for place, attempt in enumerate((predict_folder, explain_folder)):
        said = Console(file=io.StringIO(), width=300)
        given = (
            {"accept_differences": False, "network": None}
            if attempt is predict_folder
            else {"settings": ExplainSettings(every=3), "names": []}
        )
        attempt(model, scan.folder, out=tmp_path / str(place), workers=1, console=said, **given)
        assert expected in said.file.getvalue()


def test_axes_in_any_order_keep_the_models_voxels_within_a_tenth(tmp_path):
    given = card(voxels=((0.9, 0.9, 1.0), (1.0, 1.0, 3.0)))
    sagittal = delivered(tmp_path / "a", (0, 1.0, 0), (0, 0, -2.0), (0.95, 0, 0))
    assert settings_for(sagittal, given).grid == "T1w"
    assert resolution_of(sagittal.images, given) == []
    coarse = delivered(tmp_path / "b", (0, 0, 5.0), (0.5, 0, 0), (0, 0.95, 0))
    assert settings_for(coarse, given).grid == (0.9, 0.95, 3.0)
    assert [sentence.split(" mm: ")[-1] for sentence in resolution_of(coarse.images, given)] == [
        "detail that the model may have learnt from is missing"
    ] * 3


def test_a_grid_that_was_chosen_and_a_card_without_voxels_are_taken_as_they_are(tmp_path):
    scan = delivered(tmp_path, (2.0, 0, 0), (0, 2.0, 0), (0, 0, 2.0))
    assert settings_for(scan, card(grid=1.5)).grid == 1.5
    old = card()
    old = old.model_copy(update={"input": {k: v for k, v in old.input.items() if not k.endswith("_mm")}})
    assert settings_for(scan, old).grid == "T1w"
    assert resolution_of(scan.images, old) == []


def test_settings_that_an_older_card_does_not_know_are_no_difference(predicted):
    (scan,) = find_prepared(predicted[0] / "out/prepared")
    new = card()
    known = {key: value for key, value in new.input["normalisation"].items() if key != "full_scale_other"}
    assert differences_of(scan, new.model_copy(update={"input": {**new.input, "normalisation": known}})) == []
