import numpy as np
import pytest
import torch
from small_cohort import CLASSES, brain_of, make_scans, make_set

from stratacam.errors import InputError
from stratacam.learning import ScanPictures, make_dataset, save_pictures
from stratacam.networks import build


def test_slices_come_back_as_they_were_saved_with_scan_subject_label_and_index(tmp_path):
    first, second = np.random.default_rng(0).random((2, 3, 3, 8, 8), dtype=np.float32)
    save_pictures(tmp_path / "b.npy", first, brain_of(first), [4, 5, 6])
    save_pictures(tmp_path / "a.npy", second[:2], brain_of(second[:2]), [7, 9])
    scans = [
        ScanPictures(tmp_path / "b.npy", "sub-2", "sub-2", "patient"),
        ScanPictures(tmp_path / "a.npy", "sub-1", "sub-1", "control"),
    ]
    dataset = make_dataset(scans, CLASSES)
    assert dataset.subjects == ("sub-1", "sub-2")
    assert dataset.slice_index.tolist() == [7, 9, 4, 5, 6]
    assert dataset.label.tolist() == [0, 0, 1, 1, 1]
    assert dataset.subject.tolist() == [0, 0, 1, 1, 1]
    expected = np.stack([first[2], second[1], first[0]])
    np.testing.assert_allclose(dataset.read([4, 1, 2]).numpy(), expected, atol=2.0**-12)


def test_the_brain_comes_back_with_the_slices_for_a_network_that_takes_it(tmp_path):
    images, brain = np.zeros((3, 3, 32, 32), np.float32), np.zeros((3, 32, 32), bool)
    brain[2, 4] = True
    save_pictures(tmp_path / "a.npy", images, brain, [4, 5, 6])
    dataset = make_dataset([ScanPictures(tmp_path / "a.npy", "sub-1", "sub-1", "patient")], CLASSES)
    found = dataset.read_brain([2, 0])
    assert found.dtype == torch.float32
    assert torch.equal(found[:, 0], torch.from_numpy(brain[[2, 0]]).float())
    assert len(dataset.read_for(build("small_cnn", 2), [2])) == 1
    _, given = dataset.read_for(build("small_cnn", 2, brain="features"), [2, 0])
    assert torch.equal(given, found)


def test_some_slices_are_a_dataset_of_their_own(tmp_path):
    dataset = make_set(tmp_path, 3)  # six subjects with four slices each
    rows = [20, 1, 2, 23]
    taken = dataset.take(rows)
    assert taken.subjects == ("sub-00", "sub-05")
    assert [scan.scan for scan in taken.scans] == ["sub-00_ses-0", "sub-05_ses-0"]
    assert taken.subject.tolist() == [1, 0, 0, 1]
    assert taken.label.tolist() == dataset.label[rows].tolist()
    assert taken.slice_index.tolist() == dataset.slice_index[rows].tolist()
    assert torch.equal(taken.read(range(4)), dataset.read(rows))


def test_pictures_of_one_channel_are_given_three_times(tmp_path):
    images = np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32)
    save_pictures(tmp_path / "a.npy", images, brain_of(images), [0, 1])
    dataset = make_dataset([ScanPictures(tmp_path / "a.npy", "sub-1", "sub-1", "patient")], CLASSES)
    read = dataset.read([0, 1])
    assert read.shape == (2, 3, 8, 8)
    assert torch.equal(read[:, 0], read[:, 2])
    np.testing.assert_allclose(read[:, 1].numpy(), images[:, 0], atol=2.0**-12)


def test_an_unknown_group_is_named(tmp_path):
    scans = make_scans(tmp_path, {"sub-1": "stroke"})
    with pytest.raises(
        InputError, match=r'sub-1_ses-0, group: found "stroke"; expected one of control, patient'
    ):
        make_dataset(scans, CLASSES)


def test_every_session_has_its_own_group_and_the_subject_that_of_the_first(tmp_path):
    scans = make_scans(tmp_path, {"sub-1": "control", "sub-2": "patient"})
    scans.append(ScanPictures(tmp_path / "sub-1_ses-0.npy", "sub-1", "sub-1_ses-1", "patient"))
    dataset = make_dataset(scans, CLASSES)
    of_scan = {scan.scan: set(dataset.label[dataset.scan == k]) for k, scan in enumerate(dataset.scans)}
    assert of_scan == {"sub-1_ses-0": {0}, "sub-1_ses-1": {1}, "sub-2_ses-0": {1}}
    assert dataset.subjects == ("sub-1", "sub-2")
    assert dataset.subject_labels().tolist() == [0, 1]


def test_pictures_of_another_size_are_named(tmp_path):
    scans = make_scans(tmp_path, {"sub-1": "control"}, size=16) + make_scans(
        tmp_path, {"sub-2": "patient"}, size=20
    )
    with pytest.raises(InputError, match=r"sub-2_ses-0.npy: found pictures of shape \(4, 3, 20, 20\)"):
        make_dataset(scans, CLASSES)


def test_reading_a_batch_maps_the_files_and_does_not_load_them(tmp_path, monkeypatch):
    dataset = make_set(tmp_path, 2)
    load, modes = np.load, []
    monkeypatch.setattr(
        np, "load", lambda file, mmap_mode=None: modes.append(mmap_mode) or load(file, mmap_mode)
    )
    dataset.read([0, 5, 6])
    assert modes == ["r", "r"]
