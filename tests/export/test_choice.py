"""Which maps are exported, and how the command line says so."""

import shutil
import sys

import pydicom
import pytest
from imported_study import change_attributes, stored_geometry
from rich.console import Console

from stratacam import cli
from stratacam.errors import InputError
from stratacam.export import Wanted, export_study
from stratacam.export.choose import choose_maps
from stratacam.files import write_json


def chosen(study, **wanted):
    found, *_ = choose_maps(study.folders, Wanted(**wanted))
    return [(one.maps.name, one.maps.explained, one.layer) for one in found]


def test_without_a_recommended_map_that_of_the_last_convolution_is_taken_and_said_so(oblique_study):
    found, remark, _ = choose_maps(oblique_study.folders, Wanted())
    assert [one.layer for one in found] == ["block5_conv3"]
    assert remark.startswith("No map is recommended, so that of the last convolution is exported.")


def test_layers_are_named_or_matched(oblique_study):
    assert [layer for *_, layer in chosen(oblique_study, layers=("block5_*",))] == [
        "block5_conv3",
        "block5_pool",
    ]
    assert len(chosen(oblique_study, layers=("all",))) == 3
    assert chosen(oblique_study, subjects=("sub-01",), classes=("all",), layers=("block4_conv3",)) == [
        ("sub-01", "SPMS", "block4_conv3")
    ]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"subjects": ("sub-9",)}, "--subject: found sub-9; expected sub-01"),
        ({"methods": ("layercam",)}, "--method: found layercam; expected gradcam"),
        ({"layers": ("block9",)}, "--layer: found block9"),
        ({"classes": ("MS",)}, "--class: found MS; expected RRMS, SPMS, control"),
        ({"classes": ("RRMS",)}, "holds maps of SPMS, none of RRMS"),
        ({"recommended": True}, "so no map is recommended"),
        (
            {"recommended": True, "layers": ("block5_conv3",)},
            "--recommended: found --method or --layer beside it",
        ),
    ],
)
def test_what_is_not_there_is_named_with_what_there_is(oblique_study, wanted, words):
    with pytest.raises(InputError, match=words):
        choose_maps(oblique_study.folders, Wanted(**wanted))


def test_results_are_never_written_into_the_study_or_the_cohort(oblique_study):
    for place in (oblique_study.folders.root / "out", oblique_study.bids, oblique_study.bids / "sub-01"):
        with pytest.raises(InputError, match="expected a place of its own"):
            export_study(oblique_study.folders, place, Wanted(), ["png"], console=Console(quiet=True))


@pytest.fixture
def two_scans(oblique_study, tmp_path):
    """A copy of the study with a second scan, which tests may spoil: folders, and the store of the second scan."""
    root = tmp_path / "study"
    shutil.copytree(oblique_study.folders.root, root)
    for place in ("prepared/sub-02", "maps/sub-02"):
        shutil.copytree(root / place.replace("02", "01"), root / place)
        for path in sorted((root / place).rglob("sub-01*"), reverse=True):
            path.rename(path.with_name(path.name.replace("sub-01", "sub-02")))
    store = root / "maps/sub-02/anat/sub-02_gradcam.zarr"
    change_attributes(store, name="sub-02")
    return type(oblique_study.folders)(root), store


def lacks_the_layer(store):
    shutil.rmtree(store / "layers" / "block5_conv3")
    layers = [path.name for path in (store / "layers").iterdir() if path.is_dir()]
    change_attributes(store, layers=layers, blank={layer: [{}] for layer in layers})


def lacks_the_class(store):
    change_attributes(store, explained=["RRMS"])


def lacks_the_sequence(store):
    geometry = stored_geometry(store)
    geometry["delivered"] = {"FLAIR": geometry["delivered"]["T1w"]}
    change_attributes(store, geometry=geometry)


def is_damaged(store):
    (store / "zarr.json").write_text("{")


def lacks_the_prepared_scan(store):
    shutil.rmtree(store.parents[3] / "prepared/sub-02")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lacks_the_layer, "--layer: found block5_conv3"),
        (lacks_the_class, "none of SPMS"),
        (lacks_the_sequence, "--sequence: found T1w; expected one of FLAIR"),
        (is_damaged, "cannot be read"),
        (lacks_the_prepared_scan, "lacks sub-02, of which there are maps"),
    ],
)
def test_a_scan_that_lacks_what_is_wanted_is_left_out_and_the_others_go_on(
    run, two_scans, tmp_path, spoil, words
):
    folders, store = two_scans
    spoil(store)
    options = ("--format", "nifti", "--layer", "block5_conv3", "--class", "SPMS")
    code, said = run(folders.root, tmp_path / "out", *options)
    assert code == cli.LEFT_OUT
    assert "sub-02" in said
    assert words in said
    assert [path.name for path in (tmp_path / "out/nifti").iterdir()] == ["sub-01"]
    code, said = run(folders.root, tmp_path / "one", *options, "--subject", "sub-02")
    assert code == cli.UNUSABLE
    assert words in said


def test_the_same_method_among_the_maps_and_the_recommended_has_files_of_its_own(oblique_study, tmp_path):
    root = tmp_path / "study"
    shutil.copytree(oblique_study.folders.root, root)
    shutil.copytree(root / "maps", root / "recommended")
    folders = type(oblique_study.folders)(root)
    wanted = Wanted(methods=("gradcam",), layers=("block5_conv3",))
    steps = {"explain": "2026-03-04", "explain recommended": "2026-05-06"}
    write_json(
        folders.provenance, {"steps": {step: {"finished": f"{day}T05:06:07"} for step, day in steps.items()}}
    )
    formats = ["nifti", "dicom"]
    done = export_study(
        folders, tmp_path / "out", wanted, formats, link=oblique_study.link, console=Console(quiet=True)
    )
    for found in done.files.values():
        assert len(set(found)) == len(found)
        assert len([path for path in found if "recommended" in path.parts]) * 2 == len(found)
    days = {
        "recommended" in path.parts: pydicom.dcmread(path, stop_before_pixels=True).ContentDate
        for path in done.files["dicom"]
    }
    assert days == {False: "20260304", True: "20260506"}
    write_json(folders.provenance, {"steps": {"explain": {"finished": "2026-03-04T05:06:07"}}})
    again = export_study(
        folders, tmp_path / "out", wanted, ["dicom"], link=oblique_study.link, console=Console(quiet=True)
    )
    (reason,) = again.left_out.values()
    assert "does not say when its step explain recommended ended" in reason
    assert not [path for path in again.files["dicom"] if "recommended" in path.parts]


def test_a_link_below_the_results_that_leads_into_the_study_is_refused(oblique_study, tmp_path):
    inside = oblique_study.folders.maps
    before = sorted(inside.rglob("*"))
    for place in ("gif", "nifti/sub-01"):
        out = tmp_path / place.replace("/", "-")
        (out / place).parent.mkdir(parents=True)
        (out / place).symlink_to(inside)
        with pytest.raises(InputError, match="expected a place of its own"):
            export_study(oblique_study.folders, out, Wanted(), ["gif", "nifti"], console=Console(quiet=True))
    assert sorted(inside.rglob("*")) == before


def test_a_link_in_the_place_of_a_map_is_replaced_and_what_it_leads_to_stays(oblique_study, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    folder = tmp_path / "out/png/sub-01_space-T1w_desc-block5conv3_gradcam"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(kept)
    export_study(oblique_study.folders, tmp_path / "out", Wanted(), ["png"], console=Console(quiet=True))
    assert not folder.is_symlink()
    assert list(kept.iterdir()) == []


def test_a_sequence_over_which_no_map_can_be_laid_is_refused(oblique_study, tmp_path):
    wanted = Wanted(sequences=("FLAIR",))
    for name in ("png", "dicom", "nifti"):
        with pytest.raises(InputError, match="--sequence: found FLAIR; expected one of T1w"):
            export_study(
                oblique_study.folders,
                tmp_path,
                wanted,
                [name],
                link=oblique_study.link,
                console=Console(quiet=True),
            )


@pytest.fixture
def run(monkeypatch, capsys):
    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["stratacam", "export", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, " ".join("".join(capsys.readouterr()).split())

    return command


def test_the_command_writes_a_folder_for_each_format(run, oblique_study, tmp_path):
    code, said = run(
        oblique_study.folders.root,
        tmp_path / "out",
        "--format",
        "nifti",
        "--format",
        "gif",
        "--layer",
        "block5_pool",
    )
    assert code == 0
    assert "sub-01 T1w: nifti, gif" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"nifti", "gif"}
    assert [path.name for path in (tmp_path / "out/gif").iterdir()] == [
        "sub-01_space-T1w_desc-block5pool_gradcam.gif"
    ]
    assert len(list((tmp_path / "out/nifti").rglob("*.nii.gz"))) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "png", "--to-dicomweb", "http://localhost:1"), "found no --format dicom beside it"),
        (("--format", "dicom", "--to-dicomweb", "localhost"), "expected the root of a DICOMweb service"),
        (
            ("--format", "dicom", "--to-dicomweb", "http://a:secret@localhost"),
            "found a name or password in the URL",
        ),
        (("--format", "dicom"), "--link: found none"),
        (("--format", "tiff"), "tiff"),
        ((), "--format"),
    ],
)
def test_wrong_options_are_named_and_nothing_is_written(run, oblique_study, tmp_path, options, words):
    code, said = run(oblique_study.folders.root, tmp_path / "out", *options)
    assert code == cli.UNUSABLE
    assert words in said
    assert "secret" not in said
    assert not (tmp_path / "out").exists()


def test_the_recommended_map_is_taken_from_where_the_study_keeps_it(oblique_study, tmp_path):
    root = tmp_path / "study"
    shutil.copytree(oblique_study.folders.root, root)
    shutil.move(root / "maps", root / "recommended")
    found = {
        "name": "vgg16", "networks": 1, "method": "gradcam", "layer": "block4_conv3", "verdict": "recommended",
        "faults": [], "reasons": [],
    }  # fmt: skip
    write_json(root / "evidence/recommended.json", {"recommended": found, "nearest": None, "judged": [found]})
    write_json(root / "evidence/vgg16/about.json", {"trained": {"vgg16_seed-0": "key"}})
    write_json(root / ".stratacam/train/vgg16_seed-0.json", {"key": "key"})
    folders = type(oblique_study.folders)(root)
    for wanted in (Wanted(), Wanted(recommended=True)):
        (one,), remark, _ = choose_maps(folders, wanted)
        assert (one.maps.method, one.layer) == ("gradcam", "block4_conv3")
        assert one.trust.sentence == "Evidence: meets every criterion of the rule."
        assert remark == (
            "" if wanted.recommended else "The recommended map is exported: gradcam, block4_conv3."
        )
