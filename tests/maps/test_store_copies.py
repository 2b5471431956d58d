"""Maps at a URL: copied whole or not at all, read by layer and slice, checked; what cannot be reached says so."""

import re
import shutil
from pathlib import Path

import fsspec
import numpy as np
import pytest
from stored import SIZES, path_of, raw_maps, write_one, write_three
from typer.testing import CliRunner

from stratacam.cli import LEFT_OUT, app
from stratacam.errors import InputError
from stratacam.maps import find_maps, read_maps
from stratacam.maps.store import check_store, copy_maps, stores_at


@pytest.fixture(autouse=True)
def nothing_where_the_program_runs(tmp_path_factory, monkeypatch):
    """Copies to URLs leave nothing in the working directory."""
    here = tmp_path_factory.mktemp("working")
    monkeypatch.chdir(here)
    yield
    assert not [*here.iterdir()]


@pytest.fixture
def study(tmp_path):
    """The folder of a study with two scans, one of them with recommended maps."""
    root = tmp_path / "study"
    for number in (1, 2):
        name = f"sub-0{number}"
        write_one(
            path_of(root / "maps", name), {one: raw_maps(20, one, seed=number) for one in SIZES}, name=name
        )
    write_three(path_of(root / "recommended"))
    (root / "maps" / "dataset_description.json").write_text("{}")
    (root / "prepared").mkdir()
    (root / "prepared" / "scan.nii.gz").write_text("large")
    return root


@pytest.fixture(scope="session")
def s3():
    """The URL of a bucket at a local server of S3."""
    for name in ("s3fs", "flask_cors"):
        pytest.importorskip(name, reason="maps at an S3 URL are tested with the extras cloud and dev")
    moto = pytest.importorskip("moto.server", reason="maps at an S3 URL are tested with moto's server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def url(request, tmp_path):
    """A place for copies that no other test has."""
    return f"{request.getfixturevalue('s3') if request.param == 's3' else 'memory:/'}/{tmp_path.name}"


def test_maps_at_a_url_are_those_that_were_copied_there(study, url):
    assert [one.copied for one in copy_maps(study, f"{url}/study")] == [True] * 3
    assert len(stores_at(f"{url}/study/")) == 3
    for one in stores_at(f"{url}/study"):
        assert check_store(one) == []
    own, there = find_maps(study / "maps"), find_maps(f"{url}/study/maps")
    assert [maps.name for maps in there] == ["sub-01", "sub-02"]
    for here, far in zip(own, there, strict=True):
        np.testing.assert_array_equal(far.of("a").raw("fine"), here.of("a").raw("fine"))
        np.testing.assert_array_equal(far.raw("fine", slice(4, 6)), here.raw("fine", slice(4, 6)))
        with pytest.raises(InputError, match=r"lies at a URL; .* copy it with `stratacam store copy`"):
            _ = far.path
    system, root = fsspec.url_to_fs(f"{url}/study")
    assert system.cat_file(f"{root}/maps/dataset_description.json") == b"{}"
    assert not system.exists(f"{root}/prepared")


def test_a_copy_is_not_made_again_unless_it_differs_and_comes_back_the_same(study, url, tmp_path):
    list(copy_maps(study, url))
    write_one(path_of(study / "maps"), {"fine": raw_maps(8, "fine")})
    assert {one.name: one.copied for one in copy_maps(study, url)} == {
        "maps/sub-01/anat/sub-01_gradcam.zarr": True,
        "maps/sub-02/anat/sub-02_gradcam.zarr": False,
        "recommended/sub-01/anat/sub-01_gradcam.zarr": False,
    }
    assert check_store(f"{url}/maps/sub-01/anat/sub-01_gradcam.zarr") == []
    list(copy_maps(url, tmp_path / "back"))
    names = [
        path.relative_to(study) for part in ("maps", "recommended") for path in (study / part).rglob("*")
    ]
    for name in (name for name in names if (study / name).is_file()):
        assert (tmp_path / "back" / name).read_bytes() == (study / name).read_bytes()


def test_a_copy_that_was_broken_off_is_no_store_and_is_completed(study, url, monkeypatch):
    store = study / "maps/sub-01/anat/sub-01_gradcam.zarr"
    list(copy_maps(store, f"{url}/one.zarr"))
    write_one(store, {"fine": raw_maps(8, "fine")})
    copyfileobj = shutil.copyfileobj

    def broken(read, written):
        if "fine/c/" in str(getattr(written, "path", getattr(written, "key", ""))):
            raise OSError("the connection was lost")
        copyfileobj(read, written)

    monkeypatch.setattr(shutil, "copyfileobj", broken)
    with pytest.raises(InputError, match=r"cannot be used .*the connection was lost"):
        list(copy_maps(store, f"{url}/one.zarr"))
    with pytest.raises(InputError, match="holds no maps"):
        read_maps(f"{url}/one.zarr")
    monkeypatch.undo()
    list(copy_maps(store, f"{url}/one.zarr"))
    assert check_store(f"{url}/one.zarr") == []


def test_damage_at_a_url_is_found(study, url):
    list(copy_maps(study, url))
    system, root = fsspec.url_to_fs(f"{url}/maps/sub-02/anat/sub-02_gradcam.zarr")
    content = bytearray(system.cat_file(f"{root}/layers/fine/c/0/0/0/0"))
    content[50] ^= 1
    system.pipe_file(f"{root}/layers/fine/c/0/0/0/0", bytes(content))
    system.rm_file(f"{root}/layers/coarse/c/0/0/0/0")
    done = CliRunner().invoke(app, ["store", "check", url])
    assert done.exit_code == LEFT_OUT
    assert "2 of 3 stores are as they were written" in done.output
    assert "layers/coarse/c/0/0/0/0 is missing" in done.output
    assert "layers/fine, class a, slices 10 to 29 cannot be read" in done.output
    maps = read_maps(f"{url}/maps/sub-02/anat/sub-02_gradcam.zarr", "a")
    with pytest.raises(InputError, match="fine is damaged"):
        maps.raw("fine")
    with pytest.raises(InputError, match="maps of coarse are missing"):
        maps.raw("coarse")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("memory://nowhere", "holds no maps; expected a store, a folder of maps or a study"),
        ("memory://nowhere/one.zarr", "holds no maps, as zarr.json is missing; make them"),
        (
            "cloud9://bucket/maps",
            "cannot be used (ValueError: Protocol not known: cloud9); expected a URL that fsspec",
        ),
        ("nowhere", "holds no maps; expected a store, a folder of maps or a study"),
    ],
)
def test_a_place_without_maps_says_what_was_expected(place, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(words)):
        [read_maps(one) for one in stores_at(place)]


def test_a_file_system_that_is_not_installed_names_the_extra(monkeypatch):
    def absent(_url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "url_to_fs", absent)
    with pytest.raises(
        InputError, match=r"Install s3fs to access S3\); .* `pip install '\.\[cloud\]'` in a clone"
    ):
        read_maps("s3://bucket/one.zarr")


def test_a_bucket_that_is_not_there_says_so(s3):  # noqa: ARG001 - the server runs
    with pytest.raises(InputError, match=r"s3://other/one\.zarr: holds no maps"):
        read_maps("s3://other/one.zarr")


def contents(place):
    return {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_a_copy_onto_into_or_around_its_source_is_refused_whatever_the_form_of_the_address(study):
    before = contents(study)
    for target in (
        study / "copy",
        f"file://{study}",
        f"local://{study}/../study/maps/copy",
        f"simplecache::file://{study}",
        f"file://{study.parent}",
    ):
        with pytest.raises(InputError, match="the input"):
            list(copy_maps(study, target))
        with pytest.raises(InputError, match="the input"):
            list(copy_maps(f"file://{study}", target))
    assert contents(study) == before


def test_a_copy_onto_its_source_at_a_url_is_refused(study, url):
    list(copy_maps(study, f"{url}/study"))
    for target in (f"{url}/study/", f"{url}/other/../study", f"{url}/study/maps", url):
        with pytest.raises(InputError, match="the input"):
            list(copy_maps(f"{url}/study", target))
    assert all(not check_store(one) for one in stores_at(f"{url}/study"))


@pytest.mark.parametrize(
    "given", ["s3:/bucket/study", "memory:/x", "file:/x", Path("s3://bucket"), "file://study"]
)
def test_what_is_neither_a_url_nor_a_path_is_refused(study, given):
    with pytest.raises(InputError, match=r"expected \w+://"):
        list(copy_maps(study, given))
    assert len(stores_at(f"file://{study}")) == 3


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_copy_is_replaced_and_a_damaged_source_is_named_and_not_copied(study, tmp_path):
    run, target = CliRunner().invoke, tmp_path / "copy"
    run(app, ["store", "copy", str(study), str(target)])
    one = "maps/sub-01/anat/sub-01_gradcam.zarr/layers/fine/c/0/0/0/0"
    flip(target / one)
    assert "Copied 1 stores" in run(app, ["store", "copy", str(study), str(target)]).output
    whole = contents(target)
    assert whole == {
        name: content for name, content in contents(study).items() if name.parts[0] != "prepared"
    }
    flip(study / one)
    for place in (target, tmp_path / "new"):
        done = run(app, ["store", "copy", str(study), str(place)])
        assert done.exit_code == LEFT_OUT
        assert "sub-01_gradcam.zarr: layers/fine/c/0/0/0/0 was changed" in done.output
        assert not check_store(place / "maps/sub-02/anat/sub-02_gradcam.zarr")
    assert contents(target) == whole
    assert not (tmp_path / "new/maps/sub-01").exists()


def test_damage_at_a_url_is_not_copied_to_a_folder_or_another_url(study, url, tmp_path):
    list(copy_maps(study, f"{url}/one"))
    system, root = fsspec.url_to_fs(f"{url}/one/maps/sub-02/anat/sub-02_gradcam.zarr/layers/fine/c/0/0/0/0")
    content = system.cat_file(root)
    system.pipe_file(root, content[:50] + bytes([content[50] ^ 1]) + content[51:])
    for target in (f"{url}/two", tmp_path / "two"):
        faults = {one.name: one.fault for one in copy_maps(f"{url}/one", target)}
        assert "was changed" in faults.pop("maps/sub-02/anat/sub-02_gradcam.zarr")
        assert not any(faults.values())
        assert len(stores_at(target)) == 2
        assert all(not check_store(one) for one in stores_at(target))


def test_a_file_beside_the_stores_is_copied_whole_or_not_at_all(study, url, tmp_path, monkeypatch):
    name = "maps/dataset_description.json"
    for target in (url, f"file://{tmp_path}/copy"):
        list(copy_maps(study, target))
    (study / name).write_text('{"Name": "new"}')
    copyfileobj = shutil.copyfileobj

    def broken(_read, written):
        written.write(b'{"Na')
        raise OSError("the connection was lost")

    monkeypatch.setattr(shutil, "copyfileobj", broken)
    for target in (url, f"file://{tmp_path}/copy"):
        with pytest.raises((InputError, OSError), match="the connection was lost"):
            list(copy_maps(study, target))
        system, root = fsspec.url_to_fs(target)
        assert system.cat_file(f"{root}/{name}") == b"{}"
        assert not [path for path in system.find(root) if "unfinished" in path]
    monkeypatch.setattr(shutil, "copyfileobj", copyfileobj)
    list(copy_maps(study, url))
    system, root = fsspec.url_to_fs(url)
    assert system.cat_file(f"{root}/{name}") == b'{"Name": "new"}'


def test_maps_of_people_who_left_the_study_are_named_and_removed_if_wanted(study, url, tmp_path):
    run = CliRunner().invoke
    (study / "maps/sub-02/anat/sub-02_space-T1w_gradcam.nii.gz").write_text("a map")
    for target in (url, str(tmp_path / "copy")):
        list(copy_maps(study, target))
        system, root = fsspec.url_to_fs(target)
        system.pipe_file(f"{root}/maps/sub-02/anat/sub-02_T1w.nii.gz", b"no map")
    shutil.rmtree(study / "maps/sub-02")
    for target in (url, str(tmp_path / "copy")):
        done = run(app, ["store", "copy", str(study), target])
        assert done.exit_code == 0
        assert "maps/sub-02/anat/sub-02_gradcam.zarr; remove them with --remove" in done.output
        assert len(stores_at(target)) == 3
        assert (
            "sub-02_gradcam.zarr; removed"
            in run(app, ["store", "copy", "--remove", str(study), target]).output
        )
        system, root = fsspec.url_to_fs(target)
        assert [path.rpartition("/")[2] for path in system.find(f"{root}/maps/sub-02")] == [
            "sub-02_T1w.nii.gz"
        ]
        assert len(stores_at(target)) == 2
        assert "--remove" not in run(app, ["store", "copy", str(study), target]).output


def test_the_command_lists_by_store_and_by_layer_and_copies(study, tmp_path):
    run = CliRunner().invoke
    rows = [line.split("\t") for line in run(app, ["store", "ls", str(study)]).output.splitlines()]
    assert rows[0][:4] == ["scan", "method", "networks", "classes"]
    assert [row[0] for row in rows[1:]] == ["sub-01", "sub-02", "sub-01", "total"]
    rows = [
        line.split("\t") for line in run(app, ["store", "ls", "--layers", str(study)]).output.splitlines()
    ]
    assert rows[1][:5] == ["sub-01", "gradcam", "layers/fine", "2x20x32x24", "float32"]
    assert "Copied 3 stores" in run(app, ["store", "copy", str(study), str(tmp_path / "copy")]).output
    assert "Copied 0 stores" in run(app, ["store", "copy", str(study), str(tmp_path / "copy")]).output
    assert "3 of 3 stores" in run(app, ["store", "check", "--quick", str(tmp_path / "copy")]).output
    (tmp_path / "copy/maps/sub-01/anat/sub-01_gradcam.zarr/zarr.json").write_text("{")
    done = run(app, ["store", "ls", str(tmp_path / "copy")])
    assert done.exit_code == LEFT_OUT
    assert "zarr.json is damaged" in done.output
