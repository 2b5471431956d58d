"""How scans were acquired: from headers, and from sidecars that are beside or above the image."""

import json

import numpy as np
from synthetic_head import write

from stratacam.scans.cohort.acquisition import read_acquisition
from stratacam.scans.cohort.bids import find_scans


def sidecar(path, **content):
    path.write_text(json.dumps(content))


def test_sidecars_above_count_and_those_nearer_go_before_them(tmp_path):
    for subject, edges in (("01", (1.0, 1.0, 1.0)), ("02", (1.0, 1.0, 3.0))):
        data = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
        write(tmp_path / f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz", data, np.diag([*edges, 1.0]))
    sidecar(tmp_path / "T1w.json", MagneticFieldStrength=1.5, RepetitionTime=2.3, EchoTime=0.00298)
    sidecar(tmp_path / "T2w.json", Manufacturer="another sequence's")
    sidecar(tmp_path / "sub-02/anat/sub-02_T1w.json", MagneticFieldStrength=3, Manufacturer="Maker")
    scans, _ = find_scans(tmp_path, ["T1w"])
    protocol = "RepetitionTime 2.3, EchoTime 0.00298"
    assert read_acquisition(scans) == {
        "sub-01": {"field strength": "1.5", "protocol of T1w": protocol, "voxels of T1w": "1 x 1 x 1 mm"},
        "sub-02": {
            "manufacturer": "Maker", "field strength": "3", "protocol of T1w": protocol,
            "voxels of T1w": "1 x 1 x 3 mm",
        },
    }  # fmt: skip


def test_without_sidecars_the_headers_alone_speak(tmp_path):
    data = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
    write(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz", data, np.diag([0.94, 0.94, 1.2, 1.0]))
    scans, _ = find_scans(tmp_path, ["T1w"])
    assert read_acquisition(scans) == {"sub-01": {"voxels of T1w": "0.94 x 0.94 x 1.2 mm"}}
