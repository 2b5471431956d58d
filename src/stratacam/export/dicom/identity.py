"""What results take over from the header of their source, as far as the standard allows it.

An archive files a result by UIDs and PatientID. These are taken over exactly or not at all: another value would file it
elsewhere. Other values that the standard does not allow are left empty, as archives refuse files for them.
"""

import re
from datetime import datetime

from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.valuerep import TM, validate_value

from stratacam.errors import InputError
from stratacam.scans.dicom.link import LinkedSeries

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPClassUID")
UID = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)+\Z")
"""Leading zeros are not allowed either, but an archive that has the source takes them."""

CARETS = 4
"""Between the parts of a name: family, given, middle, prefix, suffix."""

SEXES = {"M", "F", "O"}
CORRECT = "have the header corrected where the series comes from, and import it again."


def check_identity(series: LinkedSeries, name: str) -> None:
    """Raise InputError unless results of a series can be filed beside it; `name` is that of the scan."""
    for keyword in UIDS:
        if not (value := series.header[keyword]):
            raise InputError(
                f"{name}: its DICOM series has no {keyword}; expected one, as results have to name it: export the "
                "series again from the archive."
            )
        _check_uid(value, keyword, name)
    for image in series.images:
        _check_uid(image.uid, "SOPInstanceUID", name)
    patient = series.header["PatientID"]
    if valid("PatientID", patient) != patient:
        raise InputError(
            f"{name}: its DICOM series has a PatientID that the standard does not allow ({len(patient)} characters); "
            f"expected at most 64 without backslash or line break: {CORRECT}"
        )


def _check_uid(value: str, keyword: str, name: str) -> None:
    if not UID.match(value):
        raise InputError(
            f"{name}: its DICOM series has a {keyword} that the standard does not allow ({len(value)} characters); "
            f"expected at most 64, which are digits with points between them: {CORRECT}"
        )


def valid(keyword: str, value: str) -> str:
    """The value of a header, or "" where it is none that the standard knows: scanners write others, archives refuse."""
    if keyword == "PatientSex":
        return value.upper() if value.upper() in SEXES else ""
    kind = dictionary_VR(keyword)
    if kind == "UI":
        return value  # see `check_identity`
    if kind == "PN" and any(group.count("^") > CARETS for group in value.split("=")):
        return ""
    if kind == "DA":
        value = value.replace(".", "")  # ACR-NEMA had points
    try:
        validate_value(kind, value, RAISE)
        if kind == "DA" and value:
            datetime.strptime(value, "%Y%m%d")  # noqa: DTZ007 - a day, not a moment
        elif kind == "TM":
            TM(value)
    except ValueError:
        return ""
    return "" if "\\" in value or not value.isprintable() else value
