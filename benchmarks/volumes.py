"""Networks of volumes against networks of slices: the same scans, split, layers and measures, in one table.

    python -m benchmarks.volumes COHORT PREPARED OUT

COHORT is a BIDS folder with the groups control, RRMS and SPMS, such as `stratacam phantom COHORT --controls 19
--rrms 10 --spms 9 --voxel 2` makes, and PREPARED is where its scans are prepared, or will be. Three networks of each
kind are trained, which differ in their seed alone; the measures are of the maps of the first. With 38 people it takes
about 55 CPU minutes.
"""

import argparse
import csv
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stratacam.files import read_json, write_text

LAYERS = ("block1_conv2", "block2_conv2", "block3_conv2", "block4_conv2")
FUSED = "+".join(LAYERS[:3])
KINDS = {"slices": 2, "volumes": 3}
NETWORK = "small_cnn"

STUDY = """\
name = "{kind}"
out = "{kind}"
repeats = 3
[cohort]
input = "{cohort}"
prepared = "{prepared}"
groups = ["control", "RRMS", "SPMS"]
[pictures]
dimensions = {dimensions}
size = 96
part = [0.32, 0.72]
[network]
architecture = "{network}"
brain = "features"
[split]
train = 0.5
validation = 0.1
test = 0.4
repeats = "same"
[training]
epochs = 30
patience = 10
augmentation = {{ flip = 0.5 }}
[explain]
models = "all"
[evidence]
networks = ["single"]
methods = ["layercam"]
layers = {layers}
fused = ["{fused}"]
slices = 4
sanity_slices = 2
sanity_draws = 1
cascade = false
controls = 2
strangers = 1
filled = ["structures", "parcels"]
surrogates = 0
untrained = 0
permutations = 0
"""

MEASURES = (
    ("average precision on what tells the class", "average_precision", ""),
    ("the same, less that of noise of its resolution", "average_precision", "above noise"),
    ("ROAD, less that of random maps", "road", "above control"),
    ("ROAD, less that of other people's maps", "road", "above others"),
    ("agreement with what regions are worth", "region_agreement", ""),
    ("likeness with all above the layer randomised", "above_rank", ""),
    ("likeness under shifts", "repeat_rank", "shift"),
    ("likeness under noise", "repeat_rank", "noise"),
    ("likeness with another seed", "repeat_rank", "seed"),
)
"""Title, measure and what it is held against, as in `layers.tsv`."""

Row = Mapping[str, str]


def run(kind: str, cohort: Path, prepared: Path, out: Path) -> Path:
    """Train, explain and measure; the folder of the study."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{kind}.toml"
    write_text(
        file,
        STUDY.format(
            kind=kind,
            cohort=cohort.resolve(),
            prepared=prepared.resolve(),
            dimensions=KINDS[kind],
            network=NETWORK,
            layers=list(LAYERS),
            fused=FUSED,
        ),
    )
    for command in ("run", "evidence"):
        subprocess.run([sys.executable, "-m", "stratacam", command, str(file)], check=True)
    return out / kind


def rows_of(file: Path) -> list[Row]:
    """The rows of a table (.tsv)."""
    with file.open(encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def accuracy(study: Path, name: str) -> str:
    """Balanced accuracy of the people held out, with its interval where the study gives one."""
    found = read_json(study / f"evaluation/{NETWORK}_{name}/metrics.json")["subjects"]["balanced_accuracy"]
    interval = found["interval"]
    return f"{found['value']:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def best(study: Path, measure: str, against: str) -> str:
    """The largest value of any layer, its interval, and the layer; the smallest of what should be small."""
    choose: Callable[..., Row] = min if measure == "above_rank" else max
    found = [
        row
        for row in rows_of(study / f"evidence/{NETWORK}_seed-0/layers.tsv")
        if row["method"] == "layercam" and (row["measure"], row["against"]) == (measure, against)
        if row["value"] not in {"", "n/a"}
    ]
    if not found:
        return "not measured"
    row = choose(found, key=lambda one: float(one["value"]))
    layer = "mean of three" if row["layer"] == FUSED else row["layer"]
    return f"{float(row['value']):.2f} ({float(row['low']):.2f} to {float(row['high']):.2f}), {layer}"


def cost(study: Path, step: str) -> str:
    """CPU minutes and memory of a task of a step: medians."""
    rows = [row for row in rows_of(study / "resources.tsv") if row["step"].split()[0] == step]
    minutes = statistics.median(float(row["cpu_seconds"]) for row in rows) / 60
    memory = statistics.median(float(row["memory_mb"]) for row in rows) / 1000
    return f"{minutes:.1f} min, {memory:.1f} GB"


def recommended(study: Path) -> str:
    """The layers that the rule recommends."""
    (method,) = read_json(study / f"evidence/{NETWORK}_seed-0/recommendation.json")["methods"]
    return ", ".join(method["recommended"]) or "none"


def compare(studies: Mapping[str, Path]) -> str:
    """The table, in Markdown."""
    lines: list[tuple[str, Callable[[Path], str]]] = [
        *(
            (f"balanced accuracy, seed {seed}", lambda study, seed=seed: accuracy(study, f"seed-{seed}"))
            for seed in range(3)
        ),
        ("balanced accuracy, consensus of the three", lambda study: accuracy(study, "consensus")),
        *(
            (title, lambda study, measure=measure, against=against: best(study, measure, against))
            for title, measure, against in MEASURES
        ),
        ("recommended by the rule", recommended),
        ("a training", lambda study: cost(study, "train")),
        ("evidence of a scan", lambda study: cost(study, "evidence")),
    ]
    return _markdown(
        ["", *studies], [[title, *(cell(study) for study in studies.values())] for title, cell in lines]
    )


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def main() -> None:
    """Run both studies, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("cohort", "prepared", "out"):
        parser.add_argument(name, type=Path)
    asked = parser.parse_args()
    studies = {kind: run(kind, asked.cohort, asked.prepared, asked.out) for kind in KINDS}
    table = compare(studies)
    write_text(asked.out / "table.md", table)
    print(table, end="")


if __name__ == "__main__":
    main()
