"""The map that passed the rule, made of every scan."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stratacam.evidence.pick import JudgedFiles, pick, read_judged
from stratacam.evidence.tables import Tables
from stratacam.files import read_json, write_json
from stratacam.maps import maps_in, remove_other_maps
from stratacam.scans.prepared import PreparedScan
from stratacam.study.map_reliability import RELIABILITY, write_reliability
from stratacam.study.planning import Planned
from stratacam.study.recommended import EXPLAIN_RECOMMENDED
from stratacam.study.steps.explain import explain_scans
from stratacam.study.steps.judged import Judged
from stratacam.study.study import Study
from stratacam.study.trained import trained_model


@dataclass(frozen=True)
class Recommend:
    """Of all maps that passed the rule, the one that is recommended."""

    judged: tuple[JudgedFiles, ...]
    seed: int
    out: Path
    given: bool = False

    @property
    def outputs(self) -> tuple[Path]:
        return (self.out,)

    def do(self) -> None:
        write_json(
            self.out,
            pick([read_judged(one) for one in self.judged], seed=self.seed, given=self.given).as_json(),
        )


def recommend_map(
    study: Study,
    judged: Sequence[tuple[Judged, Tables]],
    scans: Sequence[PreparedScan],
    planned: Sequence[Planned],
) -> None:
    """Pick among the maps of the first network and of its consensus, and make the map that passed of every scan.

    Args:
        study: whose evidence is measured.
        judged: what evidence was measured of, with its tables; of the first network what comes first.
        scans: whose maps are made.
        planned: every run, trained.
    """
    folders, configuration = study.folders, study.configuration
    first = [(one, tables) for one, tables in judged if one.network == judged[0][0].network]
    study.work.once(
        "recommend",
        Recommend(
            tuple(JudgedFiles.of(tables) for _, tables in first),
            configuration.seed,
            folders.recommended,
            given=configuration.given is not None,
        ),
    )
    recommended = read_json(folders.recommended)["recommended"]
    if recommended is None:
        shutil.rmtree(folders.recommended_maps, ignore_errors=True)
        return
    chosen = next(one for one, _ in first if one.name == recommended["name"])
    layer = (recommended["layer"],)
    settings = configuration.explain.of_scans().model_copy(
        update={"method": recommended["method"], "layers": layer, "nifti_layers": layer, "smooth": 0}
    )
    done = explain_scans(
        study.work,
        {scan: tuple(trained_model(study, run) for run in chosen.runs_for(scan, planned)) for scan in scans},
        out=folders.recommended_maps,
        settings=settings,
        step=EXPLAIN_RECOMMENDED,
    )
    remove_other_maps(folders.recommended_maps, done)
    write_reliability(
        folders.recommended_maps / RELIABILITY,
        [maps for maps in maps_in(folders.recommended_maps) if maps.members],
    )
