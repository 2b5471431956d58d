"""The built-in study: a synthetic cohort, and the whole study on it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from stratacam.cam import match_layers
from stratacam.cam.layers import pools_among
from stratacam.errors import InputError
from stratacam.evidence.claims import last_convolution
from stratacam.files import check_writable, write_text
from stratacam.maps.fused import JOIN
from stratacam.networks import DEFAULT_ARCHITECTURE, build, by_block
from stratacam.scans.phantom import PhantomSettings, make_cohort
from stratacam.study.configuration import read_configuration
from stratacam.study.execution import Workers, tidied
from stratacam.study.progress import step_progress
from stratacam.study.run import measure_evidence, run_study
from stratacam.study.study import Outcome

STUDY = """\
# The built-in study. `stratacam run` on this file does again what has changed, and only that.
name = "Synthetic cohort"
out = "study"
seed = {seed}
repeats = 3  # one network's map is one draw: maps are also the consensus of three

[cohort]
input = "cohort"
groups = ["control", "RRMS", "SPMS"]

[pictures]
size = 128
part = [0.4, 0.65]  # at the level of the lateral ventricles, where the disease shows

[split]  # a small cohort: as many to test on as verdicts need, ten at least
train = 0.4
validation = 0.1
test = 0.5
repeats = "same"  # so that all three held out the same people

[training]
copies = 2

[training.augmentation]
flip = 0.5

[explain]
every = 2
models = "all"

[evidence]  # a short form: one slice of each scan, some layers, few draws
networks = ["consensus"]
methods = ["gradcam", "multiscale_gradcam"]
layers = {layers}
fused = {fused}
every = 4
slices = 1
sanity_slices = 1
sanity_draws = 1
cascade = false
fractions = [0.3]
controls = 2
strangers = 1
filled = ["structures", "parcels"]
surrogates = 0  # claims over depth are not tested here
untrained = 0
permutations = 0
"""


def make_phantom(out: Path, settings: PhantomSettings, *, workers: Workers, console: Console) -> None:
    """Make a synthetic cohort in `out`, and show how far it is."""
    total = sum(settings.subjects.values())
    finished = 0
    with tidied(out), workers.place() as place, step_progress(console, "phantom") as advance:

        def count(name: str) -> None:
            nonlocal finished
            finished += 1
            advance(finished, total, name)

        make_cohort(out, settings, place.executor, count)


def _short_form() -> tuple[list[str], list[str]]:
    """The last convolutions of the default network's blocks, and the mean of all but the last."""
    model = build(DEFAULT_ARCHITECTURE, 2, weights="none")
    layers = match_layers(model)
    pools = pools_among(model, layers)
    plain = [last_convolution(block, pools) for block in by_block(layers).values()]
    return plain, [JOIN.join(plain[:-1])]


def run_demo(
    folder: Path, phantom: PhantomSettings, console: Console, *, force: Sequence[str] = ()
) -> Outcome:
    """Make the synthetic cohort in `folder`/cohort, write `folder`/study.toml, run the study, and measure its maps.

    The folder may exist from an earlier run, whose work is kept. The seed of the phantom is also the study's.
    """
    cohort, file = folder / "cohort", folder / "study.toml"
    check_writable(folder)
    if file.exists() and not file.read_text(encoding="utf-8").startswith(STUDY.splitlines()[0]):
        raise InputError(
            f"{file}: is not of a demonstration; expected a new folder, or one of an earlier: choose another"
        )
    with Workers() as workers:
        make_phantom(cohort, phantom, workers=workers, console=console)
        layers, fused = map(json.dumps, _short_form())
        write_text(file, STUDY.format(seed=phantom.seed, layers=layers, fused=fused))
        configuration = read_configuration(file)
        studied = run_study(configuration, console, workers=workers, force=force)
        measured = measure_evidence(configuration, console, workers=workers)
    return replace(studied, left_out=tuple(dict.fromkeys((*studied.left_out, *measured.left_out))))
