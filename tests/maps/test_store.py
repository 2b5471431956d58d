"""A store holds what was written, in few files; one that is damaged says so and never shows other maps."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from stored import CLASSES, SIZES, path_of, raw_maps, write_one, write_three

from stratacam.errors import InputError
from stratacam.maps import find_maps, read_all, read_maps
from stratacam.maps.store import check_store, list_store
from stratacam.maps.store.arrays import CHUNK_BYTES
from stratacam.maps.store.root import write_root

SLICES = 20


@pytest.fixture
def store(tmp_path):
    """A store of two layers and two classes, below a folder of maps; the last four maps of one are blank."""
    raw = {layer: raw_maps(SLICES, layer) for layer in SIZES}
    raw["fine"][16:] = 0
    return write_one(path_of(tmp_path / "maps"), raw).path


def files(place):
    return {path.relative_to(place).as_posix(): path for path in sorted(place.rglob("*")) if path.is_file()}


def shard(store, layer="fine"):
    (found,) = [path for name, path in files(store).items() if name.startswith(f"layers/{layer}/c/")]
    return found


def test_maps_are_read_as_they_were_written_whole_or_slice_by_slice(store):
    maps = read_maps(store, "b")
    expected = raw_maps(SLICES, "fine")[:, 1].numpy()
    expected[16:] = 0
    np.testing.assert_array_equal(maps.raw("fine"), expected)
    np.testing.assert_array_equal(maps.raw("fine", slice(7, 9)), expected[7:9])
    assert maps.raw("fine").dtype == np.float32
    assert maps.size("coarse") == SIZES["coarse"]
    assert maps.blank["fine"] == [""] * 16 + ["zero gradient"] * 4
    assert maps.spread("fine") is None
    assert maps.of_members("fine") is None


def test_a_layer_takes_two_files_and_its_dimensions_have_names(store, tmp_path):
    assert len(files(store)) == 2 * len(SIZES) + 4  # logits, the root, and the group of layers
    stored, _ = write_three(path_of(tmp_path, method="three"), keep_members=True)
    assert len(files(stored.path)) == 4 * len(SIZES) + 5
    of_one, of_three = (zarr.open_group(place, mode="r") for place in (store, stored.path))
    assert of_one["layers/fine"].metadata.dimension_names == ("class", "slice", "height", "width")
    assert of_three["layers/fine"].metadata.dimension_names == (
        "statistic",
        "class",
        "slice",
        "height",
        "width",
    )
    assert of_three["members/fine"].metadata.dimension_names == ("model", "class", "slice", "height", "width")
    assert of_one["layers/fine"].shards == (2, SLICES, 32, 24)


def test_only_the_chunks_of_the_slices_wanted_are_decoded(tmp_path, monkeypatch):
    slices = 3 * CHUNK_BYTES // (32 * 24 * 4)
    maps = write_one(path_of(tmp_path), {"fine": raw_maps(slices, "fine", classes=("a",))})
    decoded = []
    decode = zarr.codecs.ZstdCodec._decode_single

    async def counted(self, *arguments):
        decoded.append(arguments)
        return await decode(self, *arguments)

    monkeypatch.setattr(zarr.codecs.ZstdCodec, "_decode_single", counted)
    maps.raw("fine", slice(0, 1))
    assert len(decoded) == 1
    maps.raw("fine")
    assert len(decoded) == 1 + 4


def test_a_consensus_has_mean_spread_agreement_and_if_wanted_its_members(tmp_path):
    stored, raw = write_three(path_of(tmp_path), keep_members=True)
    scaled = raw["coarse"][:, 1] / np.array(stored.scales["coarse"][1])[:, None, None, None]
    maps = stored.of("b")
    np.testing.assert_allclose(maps.raw("coarse"), scaled.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(maps.spread("coarse"), scaled.std(axis=0, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(maps.agreement("coarse"), (scaled >= 0.5).mean(axis=0))
    np.testing.assert_array_equal(maps.of_members("coarse", slice(3, 5)), raw["coarse"][:, 1, 3:5])
    assert write_three(path_of(tmp_path))[0].of_members("coarse") is None


def test_attributes_say_model_method_geometry_and_what_is_known_of_calibration(store):
    known = zarr.open_group(store, mode="r").attrs
    assert known["method"] == "gradcam"
    assert known["model"] == {"run": "one"}
    assert known["geometry"]["slices"] == list(range(10, 30))
    assert known["calibration"]["temperatures"] == [None]
    assert check_store(store) == []


def test_two_runs_write_the_same_bytes(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path\n"
        "from stored import path_of, write_three\n"
        "write_three(path_of(Path(sys.argv[1])), keep_members=True, dtype='float16')"
    )
    found = []
    for place in (tmp_path / "one", tmp_path / "two"):
        subprocess.run([sys.executable, "-c", code, place], check=True)  # noqa: S603
        found.append({name: path.read_bytes() for name, path in files(path_of(place)).items()})
    assert found[0] == found[1]


def cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda store: cut(shard(store)), "fine is damaged"),
        (lambda store: flip(shard(store), 9), "fine is damaged"),
        (lambda store: flip(shard(store), -9), "fine is damaged"),
        (lambda store: shard(store).write_bytes(b""), "fine is damaged"),
        (lambda store: shard(store).unlink(), "maps of fine are missing"),
        (lambda store: shutil.rmtree(store / "layers" / "fine"), "maps of fine are missing"),
        (lambda store: cut(store / "zarr.json"), "zarr.json is damaged"),
        (lambda store: (store / "zarr.json").unlink(), "holds no maps"),
        (lambda store: cut(store / "logits" / "c" / "0" / "0"), "logits is damaged"),
        (lambda store: (store / "logits" / "c" / "0" / "0").unlink(), "logits are missing"),
    ],
)
def test_damage_is_named_with_the_store_and_found_by_the_check(store, harm, words):
    harm(store)
    with pytest.raises(InputError, match=f"{store.name}: .*{words}"):
        [find_maps(store.parents[2])[0].of(explained).raw("fine") for explained in CLASSES]
    assert check_store(store)


@pytest.mark.parametrize(
    "name", ["zarr.json", "layers/zarr.json", "layers/fine/zarr.json", "layers/coarse", "logits/c/0/0"]
)
def test_every_byte_that_is_changed_is_found_by_the_check(store, name):
    path = shard(store, "coarse") if name == "layers/coarse" else store / name
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if name == "zarr.json" and json_of(path.read_bytes()) == json_of(whole):
            continue  # white space
        assert check_store(store), f"byte {place} of {name}"
    path.write_bytes(whole)
    assert check_store(store) == []


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_no_byte_that_is_changed_outside_the_chunks_changes_what_is_read(tmp_path, dtype):
    """The root file is refused; files of the arrays' metadata are not needed."""
    store = write_one(path_of(tmp_path), {"fine": raw_maps(SLICES, "fine")}, dtype=dtype).path
    expected = read_maps(store).raw("fine")
    for name in ("layers/fine/zarr.json", "logits/zarr.json", "zarr.json"):
        whole = (store / name).read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 60)):
            (store / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            if name == "zarr.json" and json_of((store / name).read_bytes()) != json_of(whole):
                with pytest.raises(InputError):
                    read_maps(store)
            else:
                np.testing.assert_array_equal(read_maps(store).raw("fine"), expected)
        (store / name).write_bytes(whole)


def test_a_changed_attribute_and_a_changed_scale_are_never_read(tmp_path):
    store = write_one(path_of(tmp_path), {"fine": 100 * raw_maps(SLICES, "fine")}, dtype="float16").path
    expected = read_maps(store).raw("fine")
    metadata = store / "layers/fine/zarr.json"
    metadata.write_text(metadata.read_text().replace('"scale_factor": 64.0', '"scale_factor": 32.0'))
    np.testing.assert_array_equal(read_maps(store).raw("fine"), expected)
    assert check_store(store) == ["layers/fine/zarr.json was changed after it was written"]
    content = json.loads((store / "zarr.json").read_text())
    content["attributes"]["explained"].reverse()
    (store / "zarr.json").write_text(json.dumps(content))
    for read in (read_maps, list_store):
        with pytest.raises(InputError, match=r"zarr\.json was changed after it was written"):
            read(store)


def json_of(content):
    try:
        return json.loads(content)
    except ValueError:
        return None


def test_the_check_names_class_and_slices_of_a_damaged_chunk(tmp_path):
    slices = 3 * CHUNK_BYTES // (32 * 24 * 4)
    path = write_one(path_of(tmp_path), {"fine": raw_maps(slices, "fine")}).path
    flip(shard(path), 100)
    faults = check_store(path)
    assert faults[0].endswith("/c/0/0/0/0 was changed after it was written")
    assert len(faults) == 2
    assert "layers/fine, class a, slices 10 to 350 cannot be read (Stored and computed checksum" in faults[1]
    assert check_store(path, quick=True) == []


def test_the_check_finds_what_was_exchanged_added_or_contradicts_the_attributes(store, tmp_path):
    other = write_one(
        path_of(tmp_path, "sub-02"), {layer: raw_maps(SLICES, layer, seed=1) for layer in SIZES}
    )
    shutil.copyfile(shard(other.path), shard(store))
    assert any("fine/c/0/0/0/0 was changed" in one or "expected" in one for one in check_store(store))
    (other.path / "notes.txt").write_text("mine")
    assert check_store(other.path) == ["notes.txt does not belong to the store"]
    (other.path / "notes.txt").unlink()
    attributes = json.loads((other.path / "zarr.json").read_text())["attributes"]
    (other.path / "zarr.json").unlink()
    write_root(other.path, {**attributes, "explained": ["a"]})
    assert any("has the shape" in one for one in check_store(other.path))


def test_a_damaged_store_does_not_hide_the_others(store):
    for number in (2, 3, 4):
        other = path_of(store.parents[2], f"sub-0{number}")
        shutil.copytree(store, other)
    cut(path_of(store.parents[2], "sub-02") / "zarr.json")
    shard(path_of(store.parents[2], "sub-03")).unlink()
    found = read_all(store.parents[2])
    assert len(found.maps) == 2
    assert [place.parent.parent.name for place in found.damaged] == ["sub-02", "sub-03"]
    assert [*found.damaged.values()][1].startswith(
        "layers/fine/c/0/0/0/0 is missing; expected it as it was written"
    )
    with pytest.raises(InputError, match="sub-02"):
        find_maps(store.parents[2])


def test_a_store_of_version_05_says_so(store):
    content = json.loads((store / "zarr.json").read_text())
    del content["attributes"]["format"]
    (store / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"written by version 0\.5 of stratacam, or one before; .* make it again"
    ):
        read_maps(store)


def test_maps_that_are_no_numbers_and_one_slice_of_one_class_are_kept(tmp_path):
    raw = {"fine": torch.full((1, 1, 32, 24), torch.nan), "coarse": torch.full((1, 1, 4, 3), torch.inf)}
    for dtype in ("float32", "float16"):
        maps = write_one(path_of(tmp_path), raw, dtype=dtype)
        assert np.isnan(maps.raw("fine")).all()
        assert np.isposinf(maps.raw("coarse")).all()
        assert check_store(maps.path) == []


def test_nothing_is_left_of_a_store_that_could_not_be_written_and_what_was_there_stays(store, monkeypatch):
    before = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files(store).items()}

    def broken(*_arguments, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stratacam.maps.store.group.write_root", broken)
    with pytest.raises(InputError, match="cannot be written"):
        write_one(store, {"fine": raw_maps(SLICES, "fine")})
    assert {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files(store).items()
    } == before
    assert [path.name for path in store.parent.iterdir()] == [store.name]


def test_a_listing_says_type_bytes_and_compression_of_each_layer(store):
    listed = list_store(store)
    assert (listed.name, listed.classes, listed.networks) == ("sub-01", CLASSES, 1)
    assert listed.bytes == sum(path.stat().st_size for path in files(store).values())
    assert listed.files == len(files(store))
    fine = listed.arrays[0]
    assert (fine.name, fine.dtype, fine.shape) == ("layers/fine", "float32", (2, SLICES, 32, 24))
    assert fine.bytes == sum(
        path.stat().st_size for path in (store / "layers/fine").rglob("*") if path.is_file()
    )
    assert fine.raw_bytes == 2 * SLICES * 32 * 24 * 4
