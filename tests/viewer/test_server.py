"""What the viewer's server answers is what the study holds; and it answers nobody else, and nothing else."""

import asyncio
import base64
import gzip
import json
import re
import shutil
import socket
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from fastapi.testclient import TestClient
from rich.console import Console
from viewed_study import LAYERS, PLANTED, SUBJECT, recommending, write_viewed_study

from stratacam.errors import InputError
from stratacam.maps import ScanMaps, scan_of
from stratacam.study.folders import StudyFolders
from stratacam.viewer import serve, write_page
from stratacam.viewer.application import GONE
from stratacam.viewer.built import read_built_page
from stratacam.viewer.gate import Gate
from stratacam.viewer.names import networks_of
from stratacam.viewer.opening import open_viewed
from stratacam.viewer.serve import guarded, reached_at


@pytest.fixture(scope="module")
def client(viewed, page, token):
    application = guarded(viewed, page, token=token, host="127.0.0.1")
    return TestClient(application, base_url=f"http://127.0.0.1/{token}", raise_server_exceptions=False)


def read(content):
    return nibabel.Nifti1Image.from_bytes(content)


def answer(client, path):
    response = client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
def scan(client):
    """The subject with planted maps."""
    listed = answer(client, "/api/study")["scans"]
    return answer(client, f"/api/scans/{next(one['id'] for one in listed if one['name'] == SUBJECT)}")


@pytest.fixture(scope="module")
def planted(scan):
    """The store of one network's planted maps."""
    return next(store for store in scan["stores"] if store["method"] == "LayerCAM")


def path_of(store, layer, explained=1, part="mean"):
    return f"/api/stores/{store['id']}/layers/{LAYERS.index(layer)}/classes/{explained}/{part}"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_map_lies_where_its_geometry_says_at_the_layers_own_resolution(client, viewed, planted, layer):
    image = read(client.get(path_of(planted, layer)).content)
    maps = viewed.stores[planted["id"]].maps
    raw = maps.of("SPMS").raw(layer)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(image.get_fdata().transpose(2, 1, 0), raw)
    picture, row, column = PLANTED[layer]
    pixels = (np.array([row, column]) + 0.5) * maps.geometry.size[0] / raw.shape[1] - 0.5
    expected = maps.geometry.to_world([picture, *pixels])
    np.testing.assert_allclose(image.affine @ [column, row, picture, 1], [*expected, 1], atol=1e-4)


def test_spread_and_agreement_are_of_several_networks_alone(client, scan, viewed, planted):
    several = next(store for store in scan["stores"] if store["members"] == 3)
    maps = viewed.stores[several["id"]].maps.of("SPMS")
    for part, values in (("spread", maps.spread("fine")), ("agreement", maps.agreement("fine"))):
        found = read(client.get(path_of(several, "fine", part=part)).content).get_fdata()
        np.testing.assert_array_equal(found.transpose(2, 1, 0), values)
        assert client.get(path_of(planted, "fine", part=part)).status_code == 404
    assert several["networks"] == "VGG16, consensus of 3 networks (seeds 0, 1 and 2)"


def test_the_image_is_the_prepared_one_to_255_steps(client, viewed, scan):
    image = read(client.get(f"/api/scans/{scan['id']}/images/{scan['sequences'][0]['id']}").content)
    prepared, affine = viewed.scans[scan["id"]].scan.read_image(scan["sequences"][0]["name"])
    np.testing.assert_allclose(image.get_fdata(), prepared, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(image.affine, affine)


def test_the_mask_is_that_of_the_truth(client, scan):
    assert [mask["name"] for mask in scan["masks"]] == ["lesion"]
    mask = read(client.get(f"/api/scans/{scan['id']}/masks/0").content)
    assert mask.get_fdata().sum() == 3 * 4 + 2 * 2


def test_a_range_is_over_all_classes(client, planted):
    found = answer(client, f"/api/stores/{planted['id']}/layers/0/range")
    assert found == {"low": -1.0, "high": 2.0}


def test_without_evidence_the_study_says_that_no_map_was_measured(client, scan):
    study = answer(client, "/api/study")
    assert not study["recommended"]
    assert "run stratacam evidence" in study["in_short"]
    chart = answer(client, f"/api/stores/{scan['stores'][0]['id']}/chart")
    assert chart["measures"] == []
    assert (
        chart["remark"] == "Nothing was measured of these maps: run stratacam evidence on the study's file."
    )
    assert {layer["verdict"] for store in scan["stores"] for layer in store["layers"]} == {"not judged"}


def test_what_a_study_says_of_its_maps_is_not_said_of_maps_by_other_networks(viewed, page, token):
    seen, place = recommending(viewed, chosen=True)
    (own,) = {store.judged for store in viewed.stores if store.maps.method == "gradcam"}
    assert (own, viewed.stores[place].judged) == (True, False)
    for judged, verdict, words in (
        (True, "recommended", "Nothing else was measured"),
        (False, "not judged", "of other networks than the study measured"),
    ):
        stores = [
            replace(one, judged=judged) if number == place else one for number, one in enumerate(seen.stores)
        ]
        client = TestClient(
            guarded(replace(seen, stores=tuple(stores)), page, token=token, host="127.0.0.1"),
            base_url=f"http://127.0.0.1/{token}",
        )
        (store,) = (one for one in answer(client, "/api/scans/0")["stores"] if one["id"] == place)
        assert store["layers"][LAYERS.index("fine")]["verdict"] == verdict
        assert words in answer(client, f"/api/stores/{place}/chart")["remark"]


def test_the_study_says_how_many_prepared_scans_have_no_maps(tmp_path, viewed):
    assert viewed.study().without_maps == viewed.without_maps
    folders, _ = write_viewed_study(tmp_path)
    before = open_viewed(folders).without_maps
    shutil.rmtree(folders.maps / "sub-08")
    found = open_viewed(folders)
    assert found.without_maps == before + 1
    assert found.only(SUBJECT, "Scan").study().without_maps == 0


def test_values_that_are_no_numbers_are_0(viewed, client, planted, monkeypatch):
    raw = viewed.stores[planted["id"]].maps.of("SPMS").raw("fine").copy()
    raw[0, 0, :3] = np.nan, np.inf, -np.inf
    monkeypatch.setattr(ScanMaps, "raw", lambda *_: raw)
    values = read(client.get(path_of(planted, "fine")).content).get_fdata()
    assert np.isfinite(values).all()
    assert values.max() == 2
    assert answer(client, f"/api/stores/{planted['id']}/layers/1/range") == {"low": -1.0, "high": 2.0}


def test_every_scan_says_its_group_and_what_it_was_classified_as(client):
    listed = {one["name"]: one for one in answer(client, "/api/study")["scans"]}
    assert (listed["sub-04"]["group"], listed["sub-04"]["predicted"]) == ("RRMS", "RRMS")
    assert listed["sub-08"]["group"] == "SPMS"


def test_one_network_is_named_with_its_seed_and_fold(viewed):
    store = next(one for one in viewed.stores if one.maps.method == "layercam")
    assert networks_of(store.maps) == "VGG16, seed 7, fold 2"


# security


@pytest.mark.parametrize(
    "start", ["", "/wrong-token-of-the-test", "/t0ken-of-the-test", "/t0ken-of-the-testsX", "//"]
)
def test_without_the_token_nothing_is_answered(viewed, page, token, start):
    client = TestClient(guarded(viewed, page, token=token, host="127.0.0.1"), base_url="http://127.0.0.1")
    for path in ("/", "/api/study", "/viewer.js", "/openapi.json"):
        response = client.get(f"{start}{path}")
        assert response.status_code == 401
        assert "stratacam view" in response.text
        assert token not in response.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:1", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("192.168.0.7", 421),
        ("", 421),
        ("a:b:c", 421),
    ],
)
def test_only_names_of_this_machine_are_answered(client, host, status):
    assert client.get("/api/study", headers={"host": host}).status_code == status


def test_at_another_address_ip_addresses_and_the_machines_name_are_answered(viewed, page, token):
    application = guarded(viewed, page, token=token, host="0.0.0.0")  # noqa: S104
    client = TestClient(application, base_url=f"http://127.0.0.1/{token}")
    for host, status in (("192.168.0.7:80", 200), (socket.gethostname(), 200), ("evil.example", 421)):
        assert client.get("/api/study", headers={"host": host}).status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_the_viewer_only_reads(client, method):
    response = client.request(method, "/api/study")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


def ask(application, path):
    """Status and body of a request whose path no client has tidied."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "root_path": "", "scheme": "http",
    }  # fmt: skip
    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize(
    "path",
    [
        "/../study.json",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/static/viewer.js",
        "/api/scans/../../study.json",
        "/api/scans/0/images/../../study.json",
        "/api/scans/0/images/..%2fstudy.json",
        "/viewer.js/../../content.py",
        "/etc/passwd",
        "/api/scans/\0",
    ],
)
def test_no_path_leads_to_a_file(viewed, page, token, path):
    application = guarded(viewed, page, token=token, host="127.0.0.1")
    status, body = ask(application, f"/{token}{path}")
    assert status in {404, 422}
    assert len(body) < 500
    assert ask(application, f"/../{token}{path}")[0] == 401


@pytest.mark.parametrize(
    "path",
    [
        "/api/scans/99",
        "/api/scans/0/images/3",
        "/api/scans/0/masks/7",
        "/api/scans/0/regions",
        "/api/stores/99/chart",
        "/api/stores/0/layers/99/range",
        "/api/stores/0/layers/0/classes/5/mean",
    ],
)
def test_a_place_that_there_is_not_is_not_found(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/api/scans/-1", "/api/scans/sub-01", "/api/stores/0/layers/0/classes/0/raw"]
)
def test_what_is_no_place_is_refused(client, path):
    assert client.get(path).status_code == 422


def test_every_answer_forbids_other_hosts_scripts_and_frames(client):
    for path in ("/", "/viewer.js", "/api/study", "/nothing", "/api/scans/99"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


def test_no_answer_names_a_folder_of_this_machine(client, study, scan):
    folders, _ = study
    paths = ["/", "/api/study", "/openapi.json", *(f"/api/scans/{place}" for place in range(3))]
    for path in [*paths, *(f"/api/stores/{store['id']}/chart" for store in scan["stores"])]:
        assert str(folders.root.parent) not in client.get(path).text


def test_a_file_that_has_gone_is_said_to_have_gone_without_its_name(tmp_path, page, token, caplog):
    folders, _ = write_viewed_study(tmp_path)
    viewed = open_viewed(folders)
    viewed.scans[0].scan.image("T1w").unlink()
    client = TestClient(
        guarded(viewed, page, token=token, host="127.0.0.1"), base_url=f"http://127.0.0.1/{token}"
    )
    response = client.get("/api/scans/0/images/0")
    assert response.status_code == 410
    assert str(tmp_path) not in response.text
    assert "sub-03_space-T1w" in caplog.text  # for whoever started the viewer


def test_maps_that_were_written_again_are_not_taken_for_those_that_were_found(tmp_path, page, token, caplog):
    folders, planted = write_viewed_study(tmp_path)
    viewed = open_viewed(folders, [planted])
    client = TestClient(
        guarded(viewed, page, token=token, host="127.0.0.1"), base_url=f"http://127.0.0.1/{token}"
    )
    path = "/api/stores/0/layers/0/classes/0/mean"
    assert client.get(path).status_code == 200
    store = viewed.stores[0].maps.path / "zarr.json"
    content = store.read_bytes()
    store.unlink()
    store.write_bytes(content)
    response = client.get(path)
    assert (response.status_code, response.json()["detail"]) == (410, GONE)
    assert "was written again since the viewer was started" in caplog.text


def test_an_address_without_its_last_slash_leads_to_the_page(viewed, page, token):
    client = TestClient(guarded(viewed, page, token=token, host="127.0.0.1"), base_url="http://127.0.0.1")
    response = client.get(f"/{token}", follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (307, f"{token}/")
    assert client.get(f"/{token}").text == page.html
    assert client.get(f"/{token}X", follow_redirects=False).status_code == 401


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("::1", "[::1]"),
        ("0.0.0.0", socket.gethostname()),  # noqa: S104
        ("::", socket.gethostname()),
    ],
)
def test_the_address_that_is_printed_can_be_opened(host, name):
    assert reached_at(host) == name


def test_a_websocket_is_closed(token):
    sent = []

    async def send(message):
        sent.append(message)

    gate = Gate(None, token=token, host="127.0.0.1")
    asyncio.run(gate({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "0.0.0.0"}, "--host: 0.0.0.0 can be reached from other machines; expected a token"),  # noqa: S104
        ({"token": "short"}, "--token: found 5 characters; expected 16 or more"),
        ({"token": "with a slash / in it, and long"}, "--token: found 30 characters"),
        ({"host": "192.0.2.1", "token": "t" * 20}, "cannot be listened at"),
    ],
)
def test_a_server_that_would_be_open_or_cannot_be_is_refused(viewed, page, options, words):
    with pytest.raises(InputError, match=re.escape(words)):
        serve(viewed, page, Console(), **options)


def test_a_checkout_without_the_page_says_how_to_build_it(tmp_path):
    with pytest.raises(InputError, match="build it with `make viewer`"):
        read_built_page(tmp_path)


# one file


def blocks_of(text):
    return dict(re.findall(r'<script type="[^"]+" data-path="([^"]+)">([^<]*)</script>', text))


@pytest.fixture(scope="module")
def exported(viewed, page, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "page.html"
    write_page(viewed, page, SUBJECT, out)
    return out


def test_a_file_holds_one_scan_without_its_name_or_any_folder(exported, study):
    folders, _ = study
    text = exported.read_text(encoding="utf-8")
    blocks = blocks_of(text)
    assert json.loads(blocks["api/study"])["scans"][0]["name"] == "Scan"
    unpacked = [
        gzip.decompress(base64.b64decode(one)) for path, one in blocks.items() if one.startswith("H4sI")
    ]
    assert len(unpacked) >= 3 + 1 + 4 * 2
    for content in (text.encode(), *unpacked):
        for name in ("sub-", str(folders.root)):
            assert name.encode() not in content


def test_maps_in_a_file_have_127_steps_from_0(exported, viewed):
    blocks = blocks_of(exported.read_text(encoding="utf-8"))
    scan = json.loads(blocks["api/scans/0"])
    store = next(store for store in scan["stores"] if store["method"] == "LayerCAM")
    image = read(gzip.decompress(base64.b64decode(blocks[path_of(store, "fine").removeprefix("/")])))
    assert image.get_data_dtype() == np.int8
    maps = next(one.maps for one in viewed.stores if one.maps.method == "layercam").of("SPMS")
    np.testing.assert_allclose(image.get_fdata().transpose(2, 1, 0), maps.raw("fine"), atol=1 / 127)


def test_nothing_in_a_file_may_run_or_be_fetched_but_its_own_script(exported):
    text = exported.read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'; img-src data: blob:; "
        r"base-uri 'none'; form-action 'none'",
        policy,
    )
    assert not re.search(r'(src|href)="(?!data:)', text)


def test_what_has_no_room_is_left_out_and_named(viewed, page, tmp_path):
    whole = write_page(viewed, page, SUBJECT, tmp_path / "whole.html")
    assert not whole.left_out
    size = (tmp_path / "whole.html").stat().st_size
    some = write_page(viewed, page, SUBJECT, tmp_path / "some.html", maximum=size - 4_000)
    assert (tmp_path / "some.html").stat().st_size <= size - 4_000
    assert some.left_out
    kept = [layer.parts for store in some.stores for layer in store.layers]
    assert sum(map(len, kept)) < sum(len(layer.parts) for store in whole.stores for layer in store.layers)
    bare = sum(map(len, (page.html, page.script, page.style)))
    with pytest.raises(InputError, match="have no room for an image"):
        write_page(viewed, page, SUBJECT, tmp_path / "none.html", maximum=bare + 6_000)


def test_a_scan_that_there_is_not_is_named_with_those_that_there_are(viewed, page, tmp_path):
    with pytest.raises(InputError, match=r"sub-77: names 0 scans with maps; expected one of sub-03, sub-04"):
        write_page(viewed, page, "sub-77", tmp_path / "page.html")


def test_a_damaged_store_is_named_and_the_other_scans_are_shown(study, tmp_path):
    folders = StudyFolders(shutil.copytree(study[0].root, tmp_path / "study"))
    stores = sorted(folders.maps.rglob("*.zarr"))
    (stores[0] / "zarr.json").write_text("{")
    next(path for path in stores[1].rglob("0") if path.is_file()).unlink()
    seen = open_viewed(folders)
    assert len(seen.scans) == len(stores) - 2
    first, second = seen.study().damaged
    assert first.startswith(f"{stores[0].name}: zarr.json is damaged")
    assert second.startswith(f"{stores[1].name}: ")
    assert " is missing" in second
    assert str(tmp_path) not in first + second
    left_out = [(row["name"], row["step"]) for row in seen.content.left_out]
    assert [(scan_of(store), "maps") for store in stores[:2]] == left_out[-2:]
