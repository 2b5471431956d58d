"""From scans as delivered to what is learnt from: the steps before any training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stratacam.files import write_text
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.prepared import PreparedScan
from stratacam.study import baseline_steps, planning, scan_steps
from stratacam.study.execution import local_executor
from stratacam.study.study import Study


@dataclass(frozen=True)
class Gathered:
    """The scans of a study, as delivered and as prepared, and the cohort that is learnt from.

    Attributes:
        scans: as delivered.
        prepared: those that could be prepared.
        cohort: pictures, groups and classes.
    """

    scans: Sequence[Scan]
    prepared: Sequence[PreparedScan]
    cohort: planning.Cohort


def gather(study: Study) -> Gathered:
    """Find, prepare and cut the scans of a study; leave out and list what cannot be used.

    Raises:
        InputError: if the split cannot be made, which is found before any scan is prepared; if nothing can be learnt
            from what is there, or one image is there under two subjects.
    """
    configuration, folders, work = study.configuration, study.folders, study.work
    write_text(folders.configuration, configuration.model_dump_json(indent=2) + "\n")
    scans, groups = scan_steps.find(work, configuration.cohort)
    clusters = baseline_steps.read_clusters(study, scans)
    planning.check_split(
        configuration, {f"sub-{scan.subject}": groups[scan.name] for scan in scans[::-1]}, clusters
    )
    with local_executor(configuration.run.workers) as executor:
        prepared = scan_steps.prepare_scans(
            work,
            scans,
            folders.prepared,
            configuration.prepare,
            executor,
            groups=groups,
            shared=configuration.cohort.prepared is not None,
        )
        scan_steps.refuse_copies(prepared)
        pictures = scan_steps.cut_scans(
            work,
            {scan: groups[scan.name] for scan in prepared},
            out=folders.pictures,
            settings=configuration.pictures,
            executor=executor,
        )
    cohort = planning.make_cohort(study, pictures, clusters)
    edges = list(zip(*(scan.voxel_mm for scan in prepared), strict=True))
    cohort = replace(cohort, voxels_mm=(tuple(map(min, edges)), tuple(map(max, edges))))
    return Gathered(scans, prepared, cohort)
