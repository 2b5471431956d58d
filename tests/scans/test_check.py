"""What `stratacam check` says of a cohort, and its exit code."""

import gzip
import json
import shutil
import sys
from itertools import chain

import nibabel
import numpy as np
import pytest
from synthetic_head import write

from stratacam import cli
from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.cohort.check import check_images
from stratacam.scans.cohort.duplicates import find_duplicates, voxels_hash
from stratacam.scans.volume import write_nifti

SEQUENCES = ("T1w", "T2w", "FLAIR")
LPS = np.diag([-1.0, -1.5, 3.0, 1.0])
GROUPS = {"01": "RRMS", "02": "RRMS", "03": "RRMS", "04": "control", "05": "control", "06": "control"}


def noise(seed):
    return np.random.default_rng(seed).normal(500, 50, (8, 9, 10)).astype(np.float32)


def image(folder, subject, sequence, session=None):
    name = f"sub-{subject}" + (f"_ses-{session}" if session else "")
    inside = f"sub-{subject}/ses-{session}/anat" if session else f"sub-{subject}/anat"
    return folder / inside / f"{name}_{sequence}.nii.gz"


@pytest.fixture
def cohort(tmp_path):
    """Six sound subjects in a folder whose name has spaces and letters of another language."""
    folder = tmp_path / "Köhorte 1"
    for subject in GROUPS:
        for place, sequence in enumerate(SEQUENCES):
            write_nifti(image(folder, subject, sequence), noise(10 * int(subject) + place), LPS)
    rows = "".join(f"sub-{subject}\t{group}\n" for subject, group in GROUPS.items())
    (folder / "participants.tsv").write_text("participant_id\tgroup\n" + rows)
    return folder


def check(monkeypatch, source, *options):
    """Run the command in this process; return its exit code and the JSON report."""
    report = source.parent / "report.json"
    arguments = ["check", source, "--workers", "1", "--json", report, *options]
    monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code or 0, json.loads(report.read_text())


def test_a_sound_cohort_is_described_and_ends_with_0(cohort, monkeypatch, capsys):
    code, report = check(monkeypatch, cohort)
    assert code == 0
    assert report["usable"]
    assert report["complete"]
    assert report["subjects"] == {"RRMS": 3, "control": 3}
    assert report["sample_size"]["held_out"] == {"RRMS": 3, "control": 3}
    assert report["sample_size"]["evidence"]["smallest_effect"] is None
    assert [scan["name"] for scan in report["scans"]] == [f"sub-{subject}" for subject in GROUPS]
    found = report["scans"][0]["images"][2]
    assert found["path"] == "sub-01/anat/sub-01_FLAIR.nii.gz"
    assert (found["shape"], found["voxel_mm"], found["orientation"]) == ([8, 9, 10], [1, 1.5, 3], "LPS")
    assert (found["sform_code"], found["qform_code"]) == (1, 1)
    assert found["forms_disagree_mm"] < 1e-5
    said = capsys.readouterr().out
    assert "Sound" in said
    assert "8 x 9 x 10" in said or "8x9x10" in said  # the terminal may be narrow
    assert "RRMS 3, control 3" in said
    assert (
        "Confounds (does the group follow from what should not matter?): nothing was flagged; cannot say:"
        in said
    )
    assert "Without --config the default split is assumed" in said
    assert "every verdict will be “cannot say” (6 subjects; 10 are needed)" in " ".join(said.split())


def test_every_fault_is_listed_and_ends_with_3(cohort, monkeypatch, capsys):
    image(cohort, "01", "T2w").unlink()
    cut = image(cohort, "02", "T1w")
    cut.write_bytes(cut.read_bytes()[:500])
    write_nifti(image(cohort, "02", "FLAIR"), np.zeros((8, 9, 10), np.float32), LPS)
    with (cohort / "participants.tsv").open("a") as table:
        table.write("sub-07\tn/a\n" + "".join(f"sub-{more}\tRRMS\n" for more in (8, 9, 10)))
    for more in ("07", "8", "9", "10"):
        for place, sequence in enumerate(SEQUENCES):
            write_nifti(image(cohort, more, sequence), noise(10 * int(more) + place), LPS)
    mask = cohort / "derivatives/masks/sub-03/anat/sub-03_desc-brain_mask.nii.gz"
    write_nifti(mask, np.ones((8, 9, 9), np.uint8) * np.arange(9, dtype=np.uint8), LPS)
    twisted = nibabel.load(image(cohort, "04", "T1w"))
    twisted.header["qoffset_x"] += 7
    twisted.to_filename(image(cohort, "04", "T1w"))
    code, report = check(monkeypatch, cohort)
    assert code == 3
    assert [one["name"] for one in report["left_out"]] == ["sub-01"]
    problems = {scan["name"]: scan["problems"] for scan in report["scans"] if scan["problems"]}
    assert set(problems) == {"sub-02", "sub-03", "sub-07"}
    assert "cannot be read as NIfTI" in problems["sub-02"][0]
    assert "all voxels are zero" in problems["sub-02"][1]
    assert "differs from that of the T1w" in problems["sub-03"][0]
    assert "no value for sub-07 in column group" in problems["sub-07"][0]
    assert any("sub-04, T1w: sform" in warning and "7.0 mm" in warning for warning in report["warnings"])
    said = capsys.readouterr().out
    told = [*chain(*problems.values()), *report["warnings"], report["left_out"][0]["reason"]]
    assert all(sentence in said for sentence in told)


def test_one_image_under_two_subjects_ends_with_2_whatever_header_compression_or_turn(
    cohort, monkeypatch, capsys
):
    data = nibabel.load(image(cohort, "01", "T1w")).get_fdata(dtype=np.float32)
    other = image(cohort, "04", "FLAIR")
    other.unlink()
    other = other.with_suffix("")
    write(other, data[::-1].transpose(2, 0, 1).astype(np.float64), np.diag([2.0, 2.0, 2.0, 1.0]))
    code, report = check(monkeypatch, cohort)
    assert code == 2
    (problem,) = report["problems"]
    assert "sub-01 T1w and sub-04 FLAIR are the same image under two subjects" in problem
    assert problem in capsys.readouterr().out


def test_one_image_twice_under_one_subject_ends_with_3(cohort, monkeypatch):
    for sequence in SEQUENCES:
        source = image(cohort, "05", sequence)
        for session in ("1", "2"):
            target = image(cohort, "05", sequence, session)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        source.unlink()
    write_nifti(image(cohort, "05", "T2w", "2"), noise(99), LPS)
    write_nifti(image(cohort, "05", "FLAIR", "2"), noise(98), LPS)
    (cohort / "sub-05/anat").rmdir()
    code, report = check(monkeypatch, cohort)
    assert code == 3
    assert report["duplicates"] == [
        (
            "sub-05_ses-1 T1w and sub-05_ses-2 T1w are the same image; find out which it is, "
            "and replace the other"
        )
    ]


def test_a_cohort_without_groups_can_be_prepared_but_not_studied(cohort, monkeypatch, tmp_path, capsys):
    (cohort / "participants.tsv").write_text(
        "participant_id\tgroup\n" + "".join(f"sub-{subject}\tn/a\n" for subject in GROUPS)
    )
    code, report = check(monkeypatch, cohort)
    assert code == 0
    assert "no scan has a group: the scans can be prepared" in report["warnings"][0]
    said = capsys.readouterr().out
    assert "Sound" not in said
    assert "no study can be run on them" in said
    (tmp_path / "study.toml").write_text('out = "out"\n[cohort]\ninput = "elsewhere"\n')
    code, report = check(monkeypatch, cohort, "--config", tmp_path / "study.toml")
    assert code == 2
    assert "no scan can be used" in report["problems"][0]


def test_a_table_of_groups_that_cannot_be_read_ends_with_2_and_the_images_are_told_all_the_same(
    cohort, monkeypatch
):
    (cohort / "participants.tsv").write_text("participant_id,group\nsub-01,RRMS\n")
    code, report = check(monkeypatch, cohort)
    assert code == 2
    assert "separated by ','" in report["problems"][0]
    assert all(scan["images"][0]["orientation"] == "LPS" for scan in report["scans"])


def test_the_study_says_which_cohort_is_checked(cohort, monkeypatch, tmp_path):
    (tmp_path / "study.toml").write_text(
        f'out = "out"\n[cohort]\ninput = "{cohort}"\ngroups = ["control", "RRMS"]\n'
    )
    report = tmp_path / "found.json"
    arguments = ["check", "--config", tmp_path / "study.toml", "--workers", "1", "--json", report]
    monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    assert list(json.loads(report.read_text())["sample_size"]["held_out"]) == ["control", "RRMS"]


def test_without_a_cohort_and_a_study_nothing_is_checked(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stratacam", "check"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "INPUT: found none, nor --config" in " ".join(capsys.readouterr().err.split())


def test_a_study_says_which_files_and_groups_it_wants(cohort, monkeypatch, tmp_path):
    write_nifti(image(cohort, "01", "acq-fast_T1w"), noise(99), LPS)
    (tmp_path / "study.toml").write_text(
        'out = "out"\n[cohort]\ninput = "elsewhere"\ngroups = ["RRMS", "SPMS"]\nchoose.T1w = {acq = "fast"}\n'
    )
    code, report = check(monkeypatch, cohort, "--config", tmp_path / "study.toml")
    assert code == 2
    assert "found usable subjects of RRMS (1)" in report["problems"][0]
    (scan,) = report["scans"]
    assert scan["images"][0]["path"] == "sub-01/anat/sub-01_acq-fast_T1w.nii.gz"
    assert "T1w with acq-fast: took sub-01_acq-fast_T1w.nii.gz" in scan["notes"][0]
    assert len(report["left_out"]) == 5


def test_a_table_is_checked_like_a_folder(cohort, monkeypatch):
    rows = [
        f"{subject},{sequence},{image(cohort, subject, sequence).relative_to(cohort.parent)},{group}"
        for subject, group in GROUPS.items()
        for sequence in SEQUENCES
    ]
    table = cohort.parent / "scans.csv"
    table.write_text("\n".join(["subject,sequence,path,group", *rows]) + "\n", encoding="utf-8")
    code, report = check(monkeypatch, table)
    assert code == 0
    assert report["scans"][0]["images"][0]["path"] == "Köhorte 1/sub-01/anat/sub-01_T1w.nii.gz"


def test_no_cohort_is_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stratacam", "check", str(tmp_path / "absent")])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_hash_sees_any_value_that_differs_and_no_order():
    values = noise(1)
    assert voxels_hash(values) == voxels_hash(values[:, ::-1].T) == voxels_hash(values.astype(np.float64))
    changed = values.copy()
    changed[3, 4, 5] += 0.01
    assert voxels_hash(changed) != voxels_hash(values)
    assert voxels_hash(np.float32([0.0, 1.0])) == voxels_hash(np.float32([-0.0, 1.0]))


def test_three_copies_are_one_finding():
    places = [("sub-1", "sub-1", "T1w"), ("sub-1", "sub-1", "T2w"), ("sub-2", "sub-2", "T1w")]
    across, within = find_duplicates({**dict.fromkeys(places, "same"), ("sub-3", "sub-3", "T1w"): "other"})
    assert len(across) == 1
    assert not within
    assert "sub-1 T1w and sub-1 T2w and sub-2 T1w" in across[0]


def test_the_header_of_a_file_whose_voxels_cannot_be_read_is_still_told(cohort):
    path = image(cohort, "01", "T1w")
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[: len(content) // 2]))
    (checked, *_) = check_images(find_scans(cohort)[0][0])
    assert checked.shape == (8, 9, 10)
    assert checked.problem is not None
    assert checked.voxels_sha256 is None


def test_fewer_sequences_and_a_file_by_name_can_be_asked_for(cohort, monkeypatch, capsys):
    image(cohort, "01", "T2w").unlink()
    image(cohort, "02", "T1w").rename(image(cohort, "02", "acq-postGd_T1w"))
    code, report = check(monkeypatch, cohort)
    assert code == 2  # one subject of a group is left
    assert "(--sequences, cohort.sequences)" in report["left_out"][0]["reason"]
    code, report = check(monkeypatch, cohort, "--sequences", "T1w, FLAIR")
    assert [absent["name"] for absent in report["left_out"]] == ["sub-02"]
    assert "in --choose or cohort.choose.T1w" in report["left_out"][0]["reason"]
    assert [found["sequence"] for found in report["scans"][0]["images"]] == ["T1w", "FLAIR"]
    code, report = check(monkeypatch, cohort, "--sequences", "T1w,FLAIR", "--choose", "acq-postGd_T1w")
    assert [scan["name"] for scan in report["scans"]] == ["sub-02"]
    for options, message in (
        (["--sequences", "FLAIR"], "expected T1w among them"),
        (["--sequences", "T1w,T1w"], "expected each once"),
        (["--sequences", "T1w,"], "expected names with commas between"),
        (["--choose", "mprage_T1w"], "expected BIDS entities, and one of T1w, T2w, FLAIR or nothing"),
        (["--choose", "acq-a_T2star"], "expected BIDS entities"),
    ):
        capsys.readouterr()
        check(monkeypatch, cohort, *options)
        assert message in capsys.readouterr().err


def test_groups_in_two_spellings_are_not_sound(cohort, monkeypatch, capsys):
    table = cohort / "participants.tsv"
    table.write_text(table.read_text().replace("control", "Control", 1))
    code, report = check(monkeypatch, cohort)
    assert code == 2
    assert (
        "column group: has 'control' (2), 'Control' (1) for what seems to be one value"
        in report["problems"][0]
    )
    assert "Sound" not in capsys.readouterr().out


def test_groups_that_differ_in_site_or_number_of_slices_are_warned_of(cohort, monkeypatch, capsys):
    rows = []
    for number in range(1, 13):
        group, site = ("RRMS", "A") if number <= 6 else ("control", "B")
        for place, sequence in enumerate(SEQUENCES):
            path = image(cohort, f"{number:02}", sequence)
            write_nifti(path, noise(10 * number + place)[..., : 10 - (number > 6)], LPS)
        rows.append(f"sub-{number:02}\t{group}\t{site}\t{30 + number % 6}\n")
    (cohort / "participants.tsv").write_text("participant_id\tgroup\tsite\tage\n" + "".join(rows))
    code, report = check(monkeypatch, cohort)
    assert code == 0
    verdicts = {found["name"]: found["verdict"] for found in report["confounds"]}
    assert verdicts == {
        "age": "not flagged", "sex": "cannot say", "site": "flagged", "voxels of T1w": "not tested",
        "voxels of T2w": "not tested", "voxels of FLAIR": "not tested", "number of slices": "flagged",
    }  # fmt: skip
    assert "the groups differ in site (RRMS: A (6 of 6); control: B (6 of 6)" in " ".join(report["warnings"])
    assert "the groups differ in number of slices" in " ".join(capsys.readouterr().out.split())
