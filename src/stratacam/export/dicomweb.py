"""DICOM files to an archive by DICOMweb (STOW-RS): what is not acknowledged is not called stored."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pydicom
import requests
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from requests.auth import HTTPBasicAuth

from stratacam.errors import InputError
from stratacam.export.bounded import BoundedSession, UnboundedAnswerError

ATTEMPTS = 4
WAIT_SECONDS = 1.0
"""Before the second attempt; each further one waits twice as long."""

TIMEOUT_SECONDS = 120
NOT_UNDERSTOOD = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What the client raises on an answer of another form."""

BUSY = {408, 425, 429, 500, 502, 503, 504}
"""Answers of a server that may do better later."""

AGAIN = "run the same command again (what is stored is not stored twice)"
ASK = "ask those who run the archive, whose log has the reason"
ROOT = "give the root of its DICOMweb service"
SECRETS = ("STRATACAM_DICOMWEB_TOKEN", "STRATACAM_DICOMWEB_USER")
ANSWERS = {
    401: ("wants authentication", f"give {' or '.join(SECRETS)}"),
    403: ("forbids it", "ask those who run the archive for the right to store"),
    404: ("is no DICOMweb service", ROOT),
    413: ("finds it too large", "ask those who run the archive to allow larger requests"),
}
"""What an answer means, and what helps."""

FAULTS = (
    (
        requests.TooManyRedirects,
        "redirects elsewhere, which is not followed, as patients' names would go there",
        "give the address that it leads to, if that is the archive",
    ),
    (
        requests.exceptions.SSLError,
        "has no certificate that is trusted",
        "give the certificates of its authority as --dicomweb-ca or REQUESTS_CA_BUNDLE",
    ),
    (requests.Timeout, f"did not answer within {TIMEOUT_SECONDS} s", AGAIN),
    (
        requests.ConnectionError,
        f"cannot be reached after {ATTEMPTS} attempts",
        f"correct the address, or {AGAIN}",
    ),
)
"""What else goes wrong, and what helps."""

MEBIBYTES = 32
"""That are sent at once, if one file is not larger."""

UNCHUNKED = 2**33
"""Bytes up to which a request is one piece: a piecewise one cannot be sent again."""


@dataclass(frozen=True)
class Service:
    """A DICOMweb service.

    Attributes:
        url: its root.
        token: for bearer authentication, or None.
        user: name and password for basic authentication, or None.
        certificates: file of the authorities that its certificate may come from; those of `requests` if None.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    user: tuple[str, str] | None = field(default=None, repr=False)
    certificates: Path | None = None

    @classmethod
    def of(
        cls,
        url: str,
        *,
        token: str | None = None,
        user: str | None = None,
        certificates: Path | None = None,
    ) -> Self:
        """A service as the command line names it; `user` is "name:password".

        Raises:
            InputError: the URL is none or holds a password, what is given for authentication cannot be sent, both ways
                of it are given, or there is no such file of certificates.
        """
        if "@" in url:
            raise InputError(
                "--to-dicomweb: found a name or password in the URL; expected none, as URLs are written to logs: give "
                f"it as {SECRETS[1]} in the environment."
            )
        root = _root(url)
        if token and not all("!" <= letter <= "~" for letter in token):
            raise InputError(
                "--dicomweb-token: found a blank, a line break or a letter beyond ASCII; expected a token without: "
                "correct it."
            )
        if certificates and not certificates.exists():
            raise InputError(
                f"--dicomweb-ca: found no {certificates}; expected the certificates (PEM) of the authority that "
                "the archive's own comes from: correct the path, or REQUESTS_CA_BUNDLE in the environment."
            )
        if token and user:
            raise InputError(
                "--dicomweb-token: found --dicomweb-user beside it; expected one of both: leave out the other."
            )
        if user and ":" not in user:
            raise InputError("--dicomweb-user: found no colon; expected NAME:PASSWORD: give both.")
        name, _, password = (user or "").partition(":")
        return cls(root, token, (name, password) if user else None, certificates)

    def client(self) -> DICOMwebClient:
        """A client whose requests end, and that does not follow redirections, as patients' names would go with them."""
        session = BoundedSession()
        session.trust_env = False
        if self.user:
            session.auth = HTTPBasicAuth(*(part.encode() for part in self.user))
        if self.certificates:
            session.verify = str(self.certificates)
        client = DICOMwebClient(
            self.url,
            session=session,
            headers={"Authorization": f"Bearer {self.token}"} if self.token else None,
            timeout=TIMEOUT_SECONDS,
            chunk_size=UNCHUNKED,
        )
        client.set_http_retry_params(retry=False)
        return client


def _root(url: str) -> str:
    """The root of a service in one spelling."""
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
        )
    except ValueError:  # such as a port that is no number
        usable = False
    if not usable or parts.query or parts.fragment or not all("!" <= letter <= "~" for letter in url):
        raise InputError(
            f"--to-dicomweb: found {url!r}; expected the root of a DICOMweb service, such as "
            "https://archive.example.org/dicom-web: give that."
        )
    return parts.geturl().rstrip("/")


def send(files: Sequence[Path], service: Service) -> str:
    """Send DICOM files; every one is acknowledged when this returns.

    UIDs follow from the content, so that what is sent again is not stored twice.

    Returns:
        A sentence on what was stored.

    Raises:
        InputError: the service refuses, cannot be reached, or does not acknowledge every file; says how many it did.
    """
    if not files:
        return f"Sent: nothing to {service.url}, as nothing was exported as DICOM."
    client = service.client()
    stored: set[str] = set()
    wanted: list[str] = []
    try:
        for batch in _batches(files):
            datasets = [pydicom.dcmread(path) for path in batch]
            wanted += [str(one.SOPInstanceUID) for one in datasets]
            answer = _patiently(lambda sent=datasets: client.store_instances(sent))
            stored |= _acknowledged(client, answer, datasets)
    except (requests.RequestException, *NOT_UNDERSTOOD) as fault:
        reason, remedy = _reason(fault)
        raise InputError(
            f"--to-dicomweb: {service.url} {reason}; {_count(len(stored), len(files))}: {remedy}."
        ) from fault
    missing = len(set(wanted) - stored)
    if missing:
        raise InputError(
            f"--to-dicomweb: {service.url} did not acknowledge {missing} files; {_count(len(stored), len(files))}: "
            f"{ASK}; then {AGAIN}."
        )
    return f"Sent: {len(stored)} DICOM files, all acknowledged by {service.url}"


def _count(stored: int, files: int) -> str:
    return f"{stored} of {files} files are known to be stored there; expected all"


def _batches(files: Sequence[Path]) -> list[list[Path]]:
    """Files in batches of a limited size."""
    batches: list[list[Path]] = [[]]
    size = 0
    for path in files:
        length = path.stat().st_size
        if batches[-1] and size + length > MEBIBYTES * 2**20:
            batches.append([])
            size = 0
        batches[-1].append(path)
        size += length
    return batches


def _patiently(request: Any) -> Any:  # noqa: ANN401 - whatever the client returns
    """Do a request, again after a while if the service is not there or busy."""
    for attempt in range(ATTEMPTS):
        try:
            return request()
        except requests.TooManyRedirects:
            raise
        except (requests.ConnectionError, requests.Timeout):
            if attempt + 1 == ATTEMPTS:
                raise
        except requests.HTTPError as fault:
            if fault.response is None or fault.response.status_code not in BUSY or attempt + 1 == ATTEMPTS:
                raise
        time.sleep(WAIT_SECONDS * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _acknowledged(client: DICOMwebClient, answer: Dataset | None, sent: Sequence[Dataset]) -> set[str]:
    """UIDs of what the service says that it stored; where its answer names nothing, of what it finds."""
    named = {
        str(one.ReferencedSOPInstanceUID) for one in (answer or Dataset()).get("ReferencedSOPSequence", ())
    }
    failed = {str(one.ReferencedSOPInstanceUID) for one in (answer or Dataset()).get("FailedSOPSequence", ())}
    if named or failed:
        return (named - failed) & {str(one.SOPInstanceUID) for one in sent}
    return {str(one.SOPInstanceUID) for one in sent if _finds(client, one)}


def _finds(client: DICOMwebClient, dataset: Dataset) -> bool:
    """Whether the service has an instance (QIDO-RS); some answer with others than were asked for."""
    found = _patiently(
        lambda: client.search_for_instances(
            study_instance_uid=dataset.StudyInstanceUID,
            search_filters={"SOPInstanceUID": str(dataset.SOPInstanceUID)},
        )
    )
    uids = {str(Dataset.from_json(one).get("SOPInstanceUID", "")) for one in found}
    return str(dataset.SOPInstanceUID) in uids


def _reason(fault: Exception) -> tuple[str, str]:
    """What went wrong and what helps, without secrets or names of patients, which a message of the library may hold."""
    if isinstance(fault, requests.HTTPError) and fault.response is not None:
        code = fault.response.status_code
        found, remedy = ANSWERS.get(code, ("answers with an error", AGAIN if code in BUSY else ASK))
        return f"{found} (HTTP {code})", remedy
    if isinstance(fault, UnboundedAnswerError):
        return str(fault), f"{ASK}; then {AGAIN}"
    return next(
        ((found, remedy) for kind, found, remedy in FAULTS if isinstance(fault, kind)),
        ("gives an answer that cannot be understood", ROOT),
    )
