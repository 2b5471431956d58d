"""The whole cohort as a BIDS folder with its truth as a derivative."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, as_completed
from importlib.metadata import version
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import check_writable, read_json, write_json, write_table, write_text
from stratacam.scans.phantom.disease import STRUCTURES
from stratacam.scans.phantom.settings import PhantomSettings, groups, names, stream
from stratacam.scans.phantom.subject import GENERATOR, TRUTH, Row, make_subject
from stratacam.scans.sequences import DEFAULT_SEQUENCES, simulated_sequences
from stratacam.scans.truth import STATEMENT

_ABOUT = """Synthetic brain MRI with multiple sclerosis lesions, made by stratacam {version}.

The groups differ in lesions, black holes and ventricles only: RRMS from controls by lesions; SPMS from both by
lesions, wider ventricles and many black holes. A few tiny spots in every group, controls too, tell nothing.
`derivatives/truth/truth.json` says, for each group, which masks are its truth. Age and sex are drawn without
regard to the group and change nothing in the scans.

`derivatives/truth` holds, on the T1w grid, the true masks of lesions, black holes, lateral ventricles and brain,
the fraction of lesion in every voxel, and the tissue labels; the bias fields (values every 20 mm, linear in
between); the rigid transforms (ITK text, LPS; they map T1w points to points of the other sequences); and
`truth.tsv` with volumes and everything drawn per subject.
"""


def make_cohort(
    out: Path,
    settings: PhantomSettings,
    executor: Executor | None = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write a synthetic cohort with known truth: raw BIDS, and `derivatives/truth`.

    The same settings give the same bytes. Subjects that a killed run finished are not made again.

    Args:
        out: a new or empty folder, or one that holds (a part of) the same cohort.
        settings: of the cohort.
        executor: makes subjects in parallel; one after the other in this process without.
        progress: called with a subject's name when it is done.

    Raises:
        InputError: `out` holds something else, or a cohort of other settings.
    """
    _claim(out, settings)
    rows: dict[int, Row] = {}
    for index, row in _subjects(out, settings, executor):
        rows[index] = row
        if progress is not None:
            progress(names(settings)[index])
    ordered = [rows[index] for index in sorted(rows)]
    _write_tables(out, settings, ordered)


def _subjects(out: Path, settings: PhantomSettings, executor: Executor | None) -> Iterable[tuple[int, Row]]:
    indices = range(len(groups(settings)))
    if executor is None:
        for index in indices:
            yield index, make_subject(out, settings, index)
        return
    futures = {executor.submit(make_subject, out, settings, index): index for index in indices}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def _claim(out: Path, settings: PhantomSettings) -> None:
    """Check that `out` is free or holds this cohort, and note the settings in it."""
    check_writable(out)
    note = out / TRUTH / "phantom.json"
    wanted = {"generator": GENERATOR, **settings.model_dump(mode="json")}
    if note.is_file():
        found = {"sequences": list(DEFAULT_SEQUENCES), **read_json(note)}
        keys = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
        if keys:
            differ = "; ".join(f"{key}: found {found.get(key)}, expected {wanted.get(key)}" for key in keys)
            raise InputError(
                f"{out}: holds a phantom cohort of other settings ({differ}): "
                "choose another folder, or delete this one."
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out}: holds something that is not a phantom cohort; expected a new or empty folder: choose another."
        )
    write_json(note, wanted)


def _write_tables(out: Path, settings: PhantomSettings, rows: list[Row]) -> None:
    """Write what describes the cohort as a whole."""
    made_by = [{"Name": "stratacam", "Version": version("stratacam")}]
    about = {"Name": "stratacam phantom", "BIDSVersion": "1.9.0", "GeneratedBy": made_by}
    write_json(out / "dataset_description.json", {**about, "DatasetType": "raw", "License": "CC0"})
    write_json(
        out / TRUTH / "dataset_description.json",
        {**about, "Name": "stratacam phantom: the truth", "DatasetType": "derivative"},
    )
    write_text(out / "README", _ABOUT.format(version=version("stratacam")))
    for name in settings.sequences:
        timing = simulated_sequences()[name]
        times = {"RepetitionTime": timing.repetition / 1000, "EchoTime": timing.echo / 1000}
        if timing.inversion is not None:
            times["InversionTime"] = timing.inversion / 1000
        thick = settings.thick_slices_mm if name != "T1w" else None
        write_json(
            out / f"{name}.json",
            {"MagneticFieldStrength": 1.5, **times, "SliceThickness": thick or settings.voxel_mm},
        )
    write_table(
        out / "participants.tsv", _lines([_participant(settings, k, row) for k, row in enumerate(rows)])
    )
    write_json(
        out / "participants.json",
        {
            "group": {"Description": "what the subject was drawn as: control, RRMS or SPMS"},
            "age": {"Description": "drawn without regard to the group, shows nowhere", "Units": "year"},
            "sex": {"Description": "drawn without regard to the group, shows nowhere"},
        },
    )
    write_json(out / TRUTH / STATEMENT, {group: list(labels) for group, labels in STRUCTURES.items()})
    write_table(out / TRUTH / "truth.tsv", _lines(rows))
    write_table(out / TRUTH / "desc-tissue_dseg.tsv", [("index", "name"), (1, "GM"), (2, "WM"), (3, "CSF")])


def _participant(settings: PhantomSettings, index: int, row: Row) -> Row:
    random = stream(settings, index, "person")
    age, sex = int(random.integers(22, 63)), "FM"[int(random.random() < 0.35)]
    return {"participant_id": row["participant_id"], "group": row["group"], "age": age, "sex": sex}


def _lines(rows: list[Row]) -> list[Iterable[object]]:
    return [rows[0] if rows else (), *(row.values() for row in rows)]
