"""A new sequence is one entry of the registry; a sequence without an entry can be used as well."""

import shutil

import pytest
import torch

from stratacam.networks import build
from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.cohort.check import check_images
from stratacam.scans.phantom import PhantomSettings, make_cohort
from stratacam.scans.pictures import PictureSettings, cut_scan
from stratacam.scans.prepare import PrepareSettings, completed, prepare
from stratacam.scans.sequences import (
    DEFAULT_SEQUENCES,
    SEQUENCES,
    MRSequence,
    Timing,
    find_sequence,
    lesion_sequence,
)

STIR = MRSequence("STIR", "bright", None, "bright", 4.0, Timing(4000, 60, 150))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A phantom with a sequence that was registered here, and one without an entry: a copy of its T2w."""
    folder = tmp_path_factory.mktemp("sequences")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SEQUENCES, "STIR", STIR)
        sequences = (*DEFAULT_SEQUENCES, "STIR")
        make_cohort(
            folder / "bids", PhantomSettings(subjects={"SPMS": 1}, voxel_mm=4.0, sequences=sequences, seed=1)
        )
        anat = folder / "bids/sub-01/anat"
        shutil.copy(anat / "sub-01_T2w.nii.gz", anat / "sub-01_angio.nii.gz")
        truth = folder / "bids/derivatives/truth/sub-01/anat/sub-01_desc-truebrain_mask.nii.gz"
        mask = folder / "bids/derivatives/masks/sub-01/anat/sub-01_desc-brain_mask.nii.gz"
        mask.parent.mkdir(parents=True)
        shutil.copy(truth, mask)
        scan = find_scans(folder / "bids", (*sequences, "angio"))[0][0]
        return check_images(scan), prepare(scan, folder / "prepared", PrepareSettings(full_scale={}))


def test_a_cohort_with_a_new_and_an_unknown_sequence_passes_the_check(prepared):
    checked, _ = prepared
    assert [image.sequence for image in checked][:5] == [*DEFAULT_SEQUENCES, "STIR", "angio"]
    assert not any(image.problem for image in checked)


def test_they_are_prepared_without_doubts_and_scaled_as_the_registry_says(prepared):
    _, scan = prepared
    assert scan.read_record()["Flags"] == []
    one = scan.read_record()["IntensityOfOne"]
    assert one["angio"] / one["T2w"] == pytest.approx(3.0 / 3.5)
    assert scan.read_record()["Settings"]["full_scale"]["STIR"] == 4.0


def test_pictures_show_them(prepared):
    _, scan = prepared
    settings = PictureSettings(size=96, channels="each")
    pictures = cut_scan(scan, settings)
    assert set(pictures.sequences) == {*DEFAULT_SEQUENCES, "STIR", "angio"}


def test_a_network_sees_each_in_a_channel_of_its_own(prepared):
    _, scan = prepared
    images = torch.from_numpy(cut_scan(scan, PictureSettings(size=96)).images[:2])
    assert images.shape[1] == 5
    model = build("small_cnn", 2, channels=5).eval()
    assert model(images).shape == (2, 2)


def test_the_quality_page_shows_them(prepared):
    page = prepared[1].quality_page.read_text()
    assert "STIR" in page
    assert "angio" in page


def test_nothing_is_assumed_about_a_sequence_without_an_entry():
    assert find_sequence("SWI") == MRSequence("SWI")
    assert (find_sequence("SWI").fluid, find_sequence("SWI").grey, find_sequence("SWI").timing) == (None,) * 3


def test_lesions_stand_out_where_they_are_bright_and_fluid_is_dark():
    assert lesion_sequence(("T1w", "FLAIR", "PDw")) == "FLAIR"
    assert lesion_sequence(("SWI", "T2w")) == "SWI"


def test_a_full_scale_that_is_named_leaves_the_others_as_they_are():
    assert PrepareSettings(full_scale={"T1w": 1.7}).full_scale["T2w"] == SEQUENCES["T2w"].full_scale


def test_settings_of_a_record_are_completed_by_sequences_that_came_later():
    recorded = {"full_scale": {"T1w": 1.7, "PDw": 2.0}, "grid": 2.0}
    done = completed(recorded, ("T1w", "T2w"))
    assert done["full_scale"] == {"T1w": 1.7, "T2w": PrepareSettings().full_scale["T2w"]}
    assert done["grid"] == 2.0
    assert done["plane"] == "axial"


def test_a_sequence_without_an_entry_had_the_full_scale_of_others_before_it_got_one():
    done = completed({"full_scale": {"T1w": 1.7}, "full_scale_other": 2.5}, ("T1w", "T2w"))
    assert done["full_scale"] == {"T1w": 1.7, "T2w": 2.5}


def test_of_the_sequences_those_that_a_scan_has_are_in_its_settings():
    settings = PrepareSettings(full_scale={"T1w": 1.7}, full_scale_other=2.5)
    assert settings.of(("T1w", "FLAIR", "T2star")).full_scale == {"T1w": 1.7, "FLAIR": 2.0, "T2star": 2.5}


def test_the_phantom_refuses_a_sequence_that_it_cannot_simulate():
    with pytest.raises(ValueError, match="found T1w, SWI; expected T1w and any of T1w, T2w, FLAIR, PDw"):
        PhantomSettings(sequences=("T1w", "SWI"))
