"""Sequences and slices as a network's three channels."""

import json

import numpy as np
import pytest

from stratacam.errors import InputError
from stratacam.scans.channels import choose_sequences
from stratacam.scans.pictures import PictureSettings, cut_pictures, cut_scan
from stratacam.scans.planes import AXES, slices_first
from stratacam.scans.prepared import PreparedScan, PreparedVolume
from stratacam.scans.slices import slice_areas, write_slices_table
from stratacam.scans.volume import write_nifti

THREE = ("T1w", "T2w", "FLAIR")
SHAPE = (9, 10, 11)


def volume_of(count, kept=range(2, 9), plane="axial"):
    """Images whose every voxel says its sequence and its slice: sequence k is 0.2 (k + 1) + 0.01 slice."""
    images = np.zeros((count, *SHAPE), dtype=np.float32)
    for number, image in enumerate(images):
        planes = slices_first(image, plane)
        planes[:] = 0.2 * (number + 1) + 0.01 * np.arange(len(planes))[:, None, None]
    mask = np.ones(SHAPE, dtype=bool)
    return PreparedVolume(images, mask, np.eye(4), np.array(kept, dtype=np.intp), plane)


def cut(volume, names, **settings):
    return cut_pictures(volume, PictureSettings(size=32, width_mm=16, **settings), sequences=names)


def grey(pictures):
    """The intensity in the middle of every channel, (m, channels)."""
    return pictures.images[:, :, 16, 16]


def value(sequence, index):
    return 0.2 * (sequence + 1) + 0.01 * index


def test_three_sequences_are_the_three_channels_in_order():
    pictures = cut(volume_of(3), THREE)
    assert pictures.images.shape == (7, 3, 32, 32)
    assert pictures.slices.tolist() == list(pictures.geometry.slices) == list(range(2, 9))
    assert pictures.sequences == ("T1w+T2w+FLAIR",) * 7
    expected = [[value(sequence, index) for sequence in range(3)] for index in range(2, 9)]
    np.testing.assert_allclose(grey(pictures), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("wanted", "channels"),
    [(("T1w", "FLAIR"), (0, 2, 0)), (("FLAIR", "T1w"), (2, 0, 2)), (("T2w",), (1, 1, 1))],
)
def test_fewer_sequences_fill_the_channels_in_turn_in_the_order_asked_for(wanted, channels):
    pictures = cut(volume_of(3), THREE, sequences=wanted)
    assert pictures.images.shape == (7, 3, 32, 32)
    assert set(pictures.sequences) == {"+".join(wanted)}
    np.testing.assert_allclose(grey(pictures)[0], [value(number, 2) for number in channels], atol=1e-6)


def test_each_sequence_is_a_picture_of_its_own_slice_by_slice():
    pictures = cut(volume_of(3), THREE, channels="each", every=3)
    assert pictures.images.shape == (9, 1, 32, 32)
    assert pictures.slices.tolist() == [2, 2, 2, 5, 5, 5, 8, 8, 8]
    assert pictures.sequences == THREE * 3
    assert pictures.geometry.slices == (2, 5, 8)
    expected = [value(sequence, index) for index in (2, 5, 8) for sequence in range(3)]
    np.testing.assert_allclose(grey(pictures)[:, 0], expected, atol=1e-6)


def test_four_to_six_sequences_are_as_many_channels_and_more_are_refused():
    names = (*THREE, "PDw", "T2star", "angio", "UNIT1")
    four, six = (cut(volume_of(count), names[:count]) for count in (4, 6))
    assert (four.images.shape, six.images.shape) == ((7, 4, 32, 32), (7, 6, 32, 32))
    np.testing.assert_allclose(grey(six)[0], [min(value(number, 2), 1) for number in range(6)], atol=1e-6)
    assert len(cut(volume_of(4), names[:4], channels="each").images) == 28
    with pytest.raises(InputError, match=r"pictures\.sequences: found 7 \(T1w, .*at most 6.*name 6 of them"):
        cut(volume_of(7), names)
    assert cut(volume_of(4), names[:4], sequences=("PDw", "T1w", "T2w")).images.shape == (7, 3, 32, 32)


@pytest.mark.parametrize("plane", AXES)
def test_neighbours_are_the_slices_before_and_after_in_the_volume(plane):
    pictures = cut(volume_of(2, plane=plane), ("T1w", "FLAIR"), channels="neighbours", every=2)
    assert pictures.images.shape == (8, 3, 32, 32)
    assert pictures.slices.tolist() == [2, 2, 4, 4, 6, 6, 8, 8]
    assert pictures.sequences == ("T1w", "FLAIR") * 4
    last = SHAPE[AXES[plane][0]] - 1
    expected = [
        [value(sequence, min(index + step, last)) for step in (-1, 0, 1)]
        for index in (2, 4, 6, 8)
        for sequence in range(2)
    ]
    np.testing.assert_allclose(grey(pictures), expected, atol=1e-6)


def test_the_middle_channel_is_the_slice_itself_and_the_outer_ones_are_other_pictures_middle():
    rng = np.random.default_rng(0)
    volume = volume_of(1, kept=range(3, 8))
    volume = PreparedVolume(
        rng.random((1, *SHAPE), dtype=np.float32), volume.brain_mask, volume.affine, volume.kept
    )
    alone = cut(volume, ("T1w",), channels="each").images[:, 0]
    images = cut(volume, ("T1w",), channels="neighbours").images
    np.testing.assert_array_equal(images[:, 1], alone)
    np.testing.assert_array_equal(images[1:, 0], alone[:-1])
    np.testing.assert_array_equal(images[:-1, 2], alone[1:])


def test_at_the_volumes_ends_the_end_slice_stands_for_the_one_beyond():
    pictures = cut(volume_of(1, kept=range(11)), ("T1w",), channels="neighbours", every=10)
    expected = [[value(0, 0), value(0, 0), value(0, 1)], [value(0, 9), value(0, 10), value(0, 10)]]
    np.testing.assert_allclose(grey(pictures), expected, atol=1e-6)
    single = volume_of(1, kept=[0])
    single = PreparedVolume(single.images[..., :1], single.brain_mask[..., :1], single.affine, single.kept)
    np.testing.assert_allclose(grey(cut(single, ("T1w",), channels="neighbours")), [[0.2] * 3], atol=1e-6)


def test_sequences_that_were_not_prepared_are_named_with_those_there_are():
    with pytest.raises(
        InputError, match=r"pictures\.sequences: found PDw, dwi; expected some .*prepared: T1w, T2w, FLAIR"
    ):
        choose_sequences(THREE, ("T1w", "PDw", "dwi"), "each")
    assert choose_sequences(THREE, None, "sequences") == THREE


def test_a_sequence_named_twice_or_none_is_refused():
    with pytest.raises(ValueError, match="every sequence must be named once"):
        PictureSettings(sequences=("T1w", "T1w"))
    with pytest.raises(ValueError, match="at least 1 item"):
        PictureSettings(sequences=())


def test_of_a_scan_on_disk_only_the_sequences_that_are_seen_are_read(tmp_path):
    volume, scan = volume_of(3), PreparedScan(tmp_path, "01", None, THREE)
    for name, image in zip(THREE, volume.images, strict=True):
        write_nifti(scan.image(name), image, volume.affine)
    write_nifti(scan.brain_mask, volume.brain_mask, volume.affine)
    areas = slice_areas(volume.brain_mask, volume.affine)
    write_slices_table(scan.slices_table, areas, volume.kept, volume.affine, SHAPE)
    scan.record.write_text(json.dumps({"Sequences": THREE}))
    settings = PictureSettings(size=32, width_mm=16, sequences=("FLAIR", "T1w"))
    scan.image("T2w").write_bytes(b"damaged")
    pictures = cut_scan(scan, settings)
    np.testing.assert_allclose(grey(pictures)[:, 0], [value(2, index) for index in range(2, 9)], atol=1e-6)
    assert set(pictures.sequences) == {"FLAIR+T1w"}
    with pytest.raises(InputError, match="sub-01 is not complete"):
        cut_scan(scan, PictureSettings(size=32, width_mm=16))
    with pytest.raises(InputError, match=r"pictures\.sequences: found PDw"):
        cut_scan(scan, PictureSettings(size=32, width_mm=16, sequences=("PDw",)))
