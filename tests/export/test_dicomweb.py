"""DICOM in a real archive: stored, found, read back, in place; and what is said where that fails."""

import base64
import json
import sys
import time

import numpy as np
import pydicom
import pytest
from archive import ABSENT, PLUGINS, PROGRAM, answering, free_port, orthanc, trickling
from dicom_results import places, ras
from dicomweb_client import DICOMwebClient
from imported_study import write_imported
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    ParametricMapStorage,
    SecondaryCaptureImageStorage,
)
from rich.console import Console
from tests.scans.dicom.dicom_files import oblique, write_series

from stratacam import cli
from stratacam.errors import InputError
from stratacam.export import Wanted, bounded, dicomweb, export_study
from stratacam.export.dicomweb import Service, send

needs_orthanc = pytest.mark.skipif(not (PROGRAM and PLUGINS), reason=ABSENT)
WHO = {
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.18",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
}
JSON = {"Content-Type": "application/dicom+json"}
RAW = (("application/octet-stream", ExplicitVRLittleEndian),)
PLAIN = "http://127.0.0.1"


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(dicomweb, "WAIT_SECONDS", 0.01)


@pytest.fixture(scope="module")
def archived(tmp_path_factory):
    """A study with a planted blob and its T1w, both in an archive: client, study, centre (LPS mm), root of the service.

    What was sent was sent twice.
    """
    root = tmp_path_factory.mktemp("archived")
    written = write_series(
        root / "dicom", axes=oblique(), spacing=(2.0, 2.0), step=3.0, slices=12, shape=(40, 36), **WHO
    )
    centre = (written.affine @ [17, 22, 6, 1])[:3]
    study = write_imported(
        root, values=lambda points: 7 * np.exp(-((points - ras(centre)) ** 2).sum(axis=-1) / 288) - 0.5
    )
    done = export_study(
        study.folders, root / "out", Wanted(), ["dicom"], link=study.link, console=Console(quiet=True)
    )
    with orthanc(root / "orthanc") as url:
        send(written.paths, Service(url))
        said = [send(done.files["dicom"], Service(url)) for _ in range(2)]
        assert said == [f"Sent: 14 DICOM files, all acknowledged by {url}"] * 2
        yield DICOMwebClient(url), done.files["dicom"], centre, written


@needs_orthanc
def test_everything_is_found_under_the_study_of_the_source_and_once(archived):
    client, files, _, written = archived
    source = pydicom.dcmread(written.paths[0])
    series = [pydicom.Dataset.from_json(one) for one in client.search_for_series(source.StudyInstanceUID)]
    assert len({one.SeriesInstanceUID for one in series}) == len(series) == 4
    assert sorted(one.Modality for one in series) == ["MR", "OT", "OT", "SR"]
    described = [one.get("SeriesDescription", "") for one in series if one.Modality != "MR"]
    assert all(one.startswith("RESEARCH ONLY") for one in described)
    found = [
        pydicom.Dataset.from_json(one)
        for one in client.search_for_instances(source.StudyInstanceUID, limit=1000)
    ]
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in (*files, *written.paths)}
    assert {one.SOPInstanceUID for one in found} == uids
    assert len(found) == len(uids)


@needs_orthanc
def test_what_is_read_back_is_what_was_sent(archived):
    client, files, _, _ = archived
    for path in files:
        sent = pydicom.dcmread(path)
        back = client.retrieve_instance(sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
        del back[0x0008, 0x0005], sent[0x0008, 0x0005]
        assert {one.tag: str(one.value) for one in back if one.VR != "SQ"} == {
            one.tag: str(one.value) for one in sent if one.VR != "SQ"
        }


def of_kind(files, kind):
    return [one for one in map(pydicom.dcmread, files) if one.SOPClassUID == kind]


@needs_orthanc
def test_a_frame_is_found_by_its_position_with_its_values(archived):
    client, files, centre, written = archived
    (sent,) = of_kind(files, ParametricMapStorage)
    back = client.retrieve_instance(sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    shared = back.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    normal = np.cross(np.array(orientation, float)[:3], np.array(orientation, float)[3:])
    positions = [
        one.PlanePositionSequence[0].ImagePositionPatient for one in back.PerFrameFunctionalGroupsSequence
    ]
    nearest = int(np.abs((np.array(positions, float) - centre) @ normal).argmin())
    values = np.frombuffer(back.FloatPixelData, "<f4").reshape(-1, back.Rows, back.Columns)[nearest]
    points = places(positions[nearest], orientation, spacing, values.shape)
    row, column = np.unravel_index(np.linalg.norm(points - centre, axis=2).argmin(), values.shape)
    assert values[row, column] == pytest.approx(6.5, abs=0.3)
    assert values[row, column] >= values.max() - 0.05
    there = pydicom.dcmread(written.paths[6])
    np.testing.assert_allclose(
        np.array(positions[nearest], float), np.array(there.ImagePositionPatient, float)
    )


@needs_orthanc
def test_captures_lie_over_the_slices_of_the_t1w_that_the_archive_has(archived):
    client, files, centre, _ = archived
    captures = of_kind(files, SecondaryCaptureImageStorage)
    study = captures[0].StudyInstanceUID
    (series,) = {one.SeriesInstanceUID for one in captures}
    (source,) = {one.ReferencedSeriesSequence[0].SeriesInstanceUID for one in captures}
    slices = {one.SOPInstanceUID: one for one in client.retrieve_series(study, source)}
    brightest = None
    for capture in client.retrieve_series(study, series):
        t1w = slices.pop(capture.SourceImageSequence[0].ReferencedSOPInstanceUID)
        assert capture.FrameOfReferenceUID == t1w.FrameOfReferenceUID
        pixels = capture.pixel_array
        first = places(t1w.ImagePositionPatient, t1w.ImageOrientationPatient, t1w.PixelSpacing, (40, 36))
        over = places(
            capture.ImagePositionPatient, capture.ImageOrientationPatient, capture.PixelSpacing, (640, 576)
        )
        assert (
            np.abs(first[20:22, 20:22].mean(axis=(0, 1)) - over[335:337, 335:337].mean(axis=(0, 1))).max()
            < 0.2
        )
        colour = np.ptp(pixels[:640, :576].astype(float), axis=2)
        if brightest is None or colour.sum() > brightest[0]:
            strong = colour > 0.8 * colour.max()
            brightest = colour.sum(), over[strong].mean(axis=0)
    assert slices == {}
    assert np.linalg.norm(brightest[1] - centre) < 3


@needs_orthanc
def test_the_archive_unpacks_a_capture(archived):
    client, files, *_ = archived
    sent = of_kind(files, SecondaryCaptureImageStorage)[5]
    (frame,) = client.retrieve_instance_frames(
        sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID, [1], media_types=RAW
    )
    pixels = np.frombuffer(frame, np.uint8)[: sent.pixel_array.size]
    np.testing.assert_array_equal(pixels.reshape(sent.pixel_array.shape), sent.pixel_array)


@needs_orthanc
def test_the_report_is_read_back_whole(archived):
    client, files, _, _ = archived
    (sent,) = of_kind(files, ComprehensiveSRStorage)
    back = client.retrieve_instance(sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    assert [one.get("TextValue") for one in back.ContentSequence] == [
        one.get("TextValue") for one in sent.ContentSequence
    ]


@needs_orthanc
def test_an_archive_with_a_password_is_given_it_and_refuses_without(tmp_path, dicom_files):
    with orthanc(tmp_path / "orthanc", users={"alice": "sesame"}) as url:
        with pytest.raises(
            InputError, match=r"wants authentication \(HTTP 401\).*give STRATACAM_DICOMWEB_TOKEN"
        ) as caught:
            send(dicom_files, Service.of(url))
        assert "0 of 14 files are known to be stored there" in str(caught.value)
        with pytest.raises(InputError, match="wants authentication") as caught:
            send(dicom_files, Service.of(url, user="alice:wrong"))
        assert "wrong" not in str(caught.value)
        assert send(dicom_files, Service.of(url, user="alice:sesame")).startswith("Sent: 14 DICOM files")


def stored(*uids):
    return json.dumps(
        {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [one]}} for one in uids]}}
    )


def failed(*uids):
    return json.dumps(
        {"00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [one]}} for one in uids]}}
    )


def found(*uids):
    return json.dumps([{"00080018": {"vr": "UI", "Value": [one]}} for one in uids])


@pytest.fixture
def two(dicom_files):
    files = dicom_files[-2:]
    return files, [str(pydicom.dcmread(path).SOPInstanceUID) for path in files]


def test_a_busy_service_is_tried_again_with_the_whole_content(two):
    files, uids = two
    with answering((503, {}, ""), (429, {}, ""), (200, JSON, stored(*uids))) as (url, asked):
        assert send(files, Service.of(url)).startswith("Sent: 2 DICOM files")
    assert len(asked) == 3
    assert len({content for *_, content in asked}) == 1
    assert len(asked[0][-1]) > sum(path.stat().st_size for path in files)


def test_a_token_goes_in_the_header(two):
    files, uids = two
    with answering((200, JSON, stored(*uids))) as (url, asked):
        send(files, Service.of(url, token="s3cret"))  # noqa: S106
    assert asked[0][2]["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("status", "answer", "count"),
    [
        (202, lambda uids: stored(uids[0]), 1),
        (202, lambda uids: failed(*uids), 0),
        (200, lambda _: "[]", 0),
        (200, lambda _: stored("1.2", "1.3"), 0),
    ],
)
def test_what_is_not_acknowledged_is_not_called_stored(two, status, answer, count):
    files, uids = two
    with (
        answering((status, JSON, answer(uids)), (200, JSON, "[]")) as (url, _),
        pytest.raises(InputError, match=f"{count} of 2 files are known to be stored there; expected all: "),
    ):
        send(files, Service.of(url))


def test_an_answer_that_names_nothing_is_checked_by_asking(two):
    files, uids = two
    with answering((200, {}, ""), (200, JSON, found(*uids))) as (url, asked):
        assert send(files, Service.of(url)).startswith("Sent: 2 DICOM files")
    assert [one[0] for one in asked] == ["POST", "GET", "GET"]


def test_an_archive_that_finds_another_instance_has_not_stored_this_one(two):
    files, uids = two
    with (
        answering((200, {}, ""), (200, JSON, found("9.9.9", uids[0]))) as (url, _),
        pytest.raises(InputError, match="1 of 2 files are known to be stored there"),
    ):
        send(files, Service.of(url))


def test_where_there_is_nothing_to_send_the_archive_is_not_called():
    with answering((200, JSON, "[]")) as (url, asked):
        assert send([], Service.of(url)).startswith("Sent: nothing")
    assert asked == []


def test_a_name_and_a_password_in_any_script_are_sent(two):
    files, uids = two
    with answering((200, JSON, stored(*uids))) as (url, asked):
        send(files, Service.of(url, user="\u5c71:\u2192"))
    sent = base64.b64decode(asked[0][2]["Authorization"].removeprefix("Basic "))
    assert sent.decode() == "\u5c71:\u2192"


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://h:99999999/",
        "http://h:abc/",
        "http://h/\n",
        "http:///x",
        "ftp://h",
        "h",
        "http://h/?a",
    ],
)
def test_a_url_that_cannot_be_one_is_refused_before_anything_is_sent(url):
    with pytest.raises(InputError, match="expected the root of a DICOMweb service"):
        Service.of(url)


@pytest.mark.parametrize(
    "url", ["http://u:s3cret@", "ftp://u:s3cret@h", "http://u:s3cret@h:x/?y", "http://:s3cret@[::1"]
)
def test_a_password_in_a_url_is_never_said(url):
    with pytest.raises(InputError, match="found a name or password in the URL") as caught:
        Service.of(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("token", ["s3cret\nX", "s3cret \u2192"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_said(token):
    with pytest.raises(InputError, match="--dicomweb-token: found a blank") as caught:
        Service.of(PLAIN, token=token)
    assert "s3cret" not in str(caught.value)


def test_a_scheme_in_capitals_is_one():
    assert Service.of("HTTP://127.0.0.1:1/dw/").url == "http://127.0.0.1:1/dw"


def test_a_private_authority_is_trusted_where_its_certificates_are_given(tmp_path):
    bundle = tmp_path / "authority.pem"
    with pytest.raises(InputError, match="--dicomweb-ca: found no"):
        Service.of(PLAIN, certificates=bundle)
    bundle.touch()
    assert Service.of(PLAIN, certificates=bundle).client()._session.verify == str(bundle)
    assert Service.of(PLAIN).client()._session.verify is True


def test_only_what_may_pass_by_itself_is_to_be_run_again(two):
    files, _ = two
    for status, again in ((500, True), (403, False), (409, False), (413, False), (401, False)):
        with answering((status, {}, "")) as (url, _), pytest.raises(InputError) as caught:
            send(files, Service.of(url))
        assert ("run the same command again" in str(caught.value)) == again


def test_a_redirection_is_not_followed(two):
    files, uids = two
    with (
        answering((200, JSON, stored(*uids))) as (elsewhere, asked),
        answering((307, {"Location": f"{elsewhere}/studies"}, "")) as (url, _),
        pytest.raises(InputError, match="redirects elsewhere, which is not followed"),
    ):
        send(files, Service.of(url, token="s3cret"))  # noqa: S106
    assert asked == []


BEGINS = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (BEGINS, b"X-Many: a\r\n"),
        (BEGINS + b"Content-Length: 1000000\r\n\r\n", b"["),
        (BEGINS + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n"),
    ],
    ids=["a header that does not end", "headers that do not end", "a slow answer", "an answer in pieces"],
)
def test_a_server_that_drips_ends_the_command_in_time_and_is_not_tried_again(two, pieces, monkeypatch):
    monkeypatch.setattr(bounded, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(bounded, "BYTES_A_SECOND", 2**30)
    began = time.monotonic()
    with (
        trickling(*pieces) as url,
        pytest.raises(InputError, match="did not answer whole within 0 s; 0 of 2 files are known"),
    ):
        send(two[0], Service.of(url))
    assert time.monotonic() - began < 5


def test_an_answer_without_end_is_not_read_into_memory(two, monkeypatch):
    monkeypatch.setattr(bounded, "ANSWER_BYTES", 2**20)
    with (
        trickling(BEGINS + b"\r\n", b" " * 2**16, seconds=0) as url,
        pytest.raises(InputError, match="answers with more than 1 MiB; 0 of 2 files are known"),
    ):
        send(two[0], Service.of(url))


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "forbids it"), (404, "is no DICOMweb service"), (409, "HTTP 409"), (500, "HTTP 500")],
)
def test_an_error_says_what_the_service_said_and_no_secret(two, status, words):
    files, _ = two
    with (
        answering((status, {}, "Doe^Jane was refused")) as (url, _),
        pytest.raises(InputError, match=words) as caught,
    ):
        send(files, Service.of(url, token="s3cret"))  # noqa: S106
    assert "s3cret" not in str(caught.value)
    assert "Doe" not in str(caught.value)
    assert "0 of 2 files are known to be stored there" in str(caught.value)


def test_where_nothing_listens_that_is_said(two):
    with pytest.raises(InputError, match="cannot be reached after 4 attempts"):
        send(two[0], Service.of(f"{PLAIN}:{free_port()}/dicom-web"))


def test_secrets_are_not_shown():
    assert "s3cret" not in repr(Service.of(PLAIN, token="s3cret"))  # noqa: S106
    assert "sesame" not in repr(Service.of(PLAIN, user="alice:sesame"))


def test_the_command_takes_the_password_from_the_environment_and_says_what_was_stored(
    oblique_study, tmp_path, monkeypatch, capsys
):
    with answering((200, JSON, echo)) as (url, asked):
        monkeypatch.setenv("STRATACAM_DICOMWEB_USER", "alice:sesame")
        arguments = [
            "export", oblique_study.folders.root, tmp_path / "out", "--format", "dicom", "--link", oblique_study.link,
            "--to-dicomweb", url,
        ]  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    said = " ".join(capsys.readouterr().out.split())
    assert not caught.value.code, said
    assert f"Sent: 14 DICOM files, all acknowledged by {url}" in said
    assert "sesame" not in said
    assert asked[0][2]["Authorization"].startswith("Basic ")


def echo(content):
    """Acknowledge every instance of a request."""
    parts = [part.partition(b"\r\n\r\n")[2] for part in content.split(b"--0f3cf5c0")[1:-1]]
    uids = [str(pydicom.dcmread(pydicom.filebase.DicomBytesIO(part)).SOPInstanceUID) for part in parts]
    return stored(*uids)
