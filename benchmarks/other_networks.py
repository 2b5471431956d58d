"""Ten networks that are not of this project, each from its package or its file to evidence and a report.

Seven are named in a study and trained by it, three of them of volumes. Three are trained elsewhere, by Keras and by
plain PyTorch, come as files of Keras, ONNX and `torch.export`, and are audited. What a user writes is ten lines at
most. What comes of it is in OUT/table.md after every network; a network that is done is not done again.

    python -m benchmarks.other_networks COHORT OUT [--only NAME ...]

COHORT is a BIDS folder of two groups, such as `stratacam phantom COHORT --controls 20 --rrms 0 --spms 20 --voxel 3`
makes. It is prepared once, into OUT/prepared. Then an audit takes about 4 CPU minutes, ResNet-18 of slices 12, and
volumes more.
"""

import argparse
import csv
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.trained_elsewhere import MAKERS
from stratacam.files import read_json, write_json, write_text

NAMED = """\
out = "study"
cohort = {{ input = "{cohort}", prepared = "{prepared}" }}
pictures = {{ {pictures} }}
network.architecture = "{name}"
split.folds = 2
training = {{ epochs = {epochs}, patience = 10, augmentation.flip = 0.5 }}
evidence = {{ {evidence} }}
"""
"""study.toml: with what is beside it, ten lines."""

CARD = """\
model.classes = {classes}
model.trained_on = {trained_on}
cohort.prepared = "{prepared}"
pictures = {{ size = 64, every = 4 }}
evidence = {{ {evidence} }}
"""
"""card.toml of an audit."""

EVIDENCE = (
    'methods = ["multiscale_gradcam"], layers = {layers}, fused = {fused}, slices = 2, sanity_slices = 2, '
    "sanity_draws = 1, cascade = false, controls = 2, strangers = 2, surrogates = 0, untrained = 0, "
    'permutations = 0, filled = ["parcels"], donors = 0'
)
"""Short, so that ten networks can be done in an afternoon; without this line everything is measured of every layer."""


@dataclass(frozen=True)
class Recipe:
    """A network, and what a user writes to have it judged.

    Attributes:
        name: as a study names it, or the name of a file whose maker is in `MAKERS`.
        title: in the table.
        extra: of the package, that it needs.
        layers: whose maps are measured, in order of depth; the mean of all is measured, too.
        dimensions: 3 of volumes.
    """

    name: str
    title: str
    extra: str
    layers: str
    dimensions: int = 2

    @property
    def is_file(self) -> bool:
        """Whether it is trained already, and audited."""
        return self.name in MAKERS

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return re.sub(r"[^a-zA-Z0-9]+", "-", f"{self.name}-{self.dimensions}d")

    def settings(self, cohort: "TwoGroups", prepared: Path) -> str:
        """What a user writes: study.toml, or the card of a file."""
        layers = self.layers.split()
        evidence = EVIDENCE.format(layers=_list(layers), fused=_list(["+".join(layers)]))
        if self.is_file:
            return CARD.format(
                classes=_list(cohort.classes),
                trained_on=_list(cohort.first_half),
                prepared=prepared,
                evidence=evidence,
            )
        return NAMED.format(
            cohort=cohort.folder,
            prepared=prepared,
            name=self.name,
            pictures="size = 32, dimensions = 3" if self.dimensions == 3 else "size = 64, every = 4",
            epochs=20,
            evidence=evidence,
        )

    def commands(self, cohort: Path) -> list[list[str]]:
        """The commands that a user gives, in order."""
        package = f"stratacam[{self.extra}]" if self.extra else "stratacam"
        judged = (
            [["audit", self.name, str(cohort), "audit", "--card", "card.toml"]]
            if self.is_file
            else [["run", "study.toml"], ["evidence", "study.toml"]]
        )
        return [["pip", "install", package], *(["stratacam", *one] for one in judged)]


RECIPES = (
    Recipe(
        "timm:resnet18", "ResNet-18, timm", "timm", "maxpool layer1.1.conv2 layer2.1.conv2 layer3.1.conv2"
    ),
    Recipe(
        "timm:convnext_atto",
        "ConvNeXt atto, timm",
        "timm",
        "stages.0.blocks.1.conv_dw stages.1.blocks.1.conv_dw stages.2.blocks.5.conv_dw",
    ),
    Recipe(
        "transformers:resnet",
        "ResNet-50, Transformers",
        "transformers",
        " ".join(
            f"resnet.encoder.stages.{stage}.layers.{layer}.layer.2.convolution"
            for stage, layer in ((0, 2), (1, 3), (2, 5))
        ),
    ),
    Recipe(
        "monai:DenseNet121",
        "DenseNet-121, MONAI",
        "monai",
        "features.pool0 features.transition1.conv features.transition2.conv features.transition3.conv",
    ),
    Recipe(
        "monai:resnet10",
        "ResNet-10 of volumes, MONAI",
        "monai",
        "conv1 layer1.0.conv2 layer2.0.conv2 layer3.0.conv2",
        3,
    ),
    Recipe(
        "monai:DenseNet121",
        "DenseNet-121 of volumes, MONAI",
        "monai",
        "features.conv0 features.pool0 features.transition1.conv features.transition2.conv",
        3,
    ),
    Recipe(
        "monai:efficientnet-b0",
        "EfficientNet-B0 of volumes, MONAI",
        "monai",
        "_conv_stem _blocks.1.2._project_conv _blocks.2.4._project_conv _blocks.4.10._project_conv",
        3,
    ),
    Recipe(
        "mobilenet.keras",
        "MobileNet, a file of Keras 3",
        "keras",
        "conv_pw_1 conv_pw_3 conv_pw_5 conv_pw_11",
    ),
    Recipe(
        "regnet.onnx",
        "RegNet, a file of ONNX",
        "onnx",
        "stem.conv s1.b1.conv3.conv s2.b1.conv3.conv s3.b4.conv3.conv",
    ),
    Recipe(
        "repvgg.pt2",
        "RepVGG, a file of torch.export",
        "",
        "stem.conv_kxk.conv stages.0.1.conv_kxk.conv stages.1.3.conv_kxk.conv stages.2.13.conv_kxk.conv",
    ),
)


class TwoGroups:
    """A cohort of two groups.

    Attributes:
        folder: in BIDS.
        group_of: for each subject, in order.
        classes: the groups.
        first_half: of the subjects of each group, whom networks from elsewhere are trained on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        with (folder / "participants.tsv").open(encoding="utf-8") as table:
            rows = list(csv.DictReader(table, delimiter="\t"))
        self.group_of = {row["participant_id"]: row["group"] for row in rows}
        self.classes = sorted(set(self.group_of.values()))
        self.first_half = [
            subject
            for group in self.classes
            for members in [[name for name, of in self.group_of.items() if of == group]]
            for subject in members[: len(members) // 2]
        ]


def judge(recipe: Recipe, cohort: TwoGroups, out: Path) -> dict[str, object]:
    """Do what the recipe says, and return its row of the table."""
    folder, prepared = out / recipe.folder, out.resolve() / "prepared"
    folder.mkdir(parents=True, exist_ok=True)
    settings = recipe.settings(cohort, prepared)
    write_text(folder / ("card.toml" if recipe.is_file else "study.toml"), settings)
    if recipe.is_file and not (folder / recipe.name).exists():
        _make(recipe, cohort, out)
    start = time.monotonic()
    commands = recipe.commands(cohort.folder)
    for command in commands[1:]:
        _stratacam(command[1:], folder)
    minutes = (time.monotonic() - start) / 60
    return {
        "network": recipe.title,
        "lines": len(settings.splitlines()) + len(commands),
        "minutes": round(minutes),
        **_found(folder / ("audit/study" if recipe.is_file else "study")),
    }


def _list(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _make(recipe: Recipe, cohort: TwoGroups, out: Path) -> None:
    """Train the network of a file as its makers would, on pictures of the first half of the cohort."""
    shown = out / "pictures"
    shown.mkdir(exist_ok=True)
    write_text(shown / "study.toml", RECIPES[0].settings(cohort, out.resolve() / "prepared"))
    for step in ("prepare", "pictures"):
        _stratacam(["run", "study.toml", "--step", step], shown)
    stacks = [np.load(shown / f"study/pictures/{subject}.npy") for subject in cohort.first_half]
    labels = [
        np.full(len(stack), cohort.classes.index(cohort.group_of[subject]))
        for subject, stack in zip(cohort.first_half, stacks, strict=True)
    ]
    file = out / recipe.folder / recipe.name
    MAKERS[recipe.name](np.concatenate(stacks).astype(np.float32), np.concatenate(labels), file)


def _stratacam(command: Sequence[str], folder: Path) -> None:
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        subprocess.run(
            [sys.executable, "-m", "stratacam", *command], cwd=folder, check=True, stdout=log, stderr=log
        )


def _found(study: Path) -> dict[str, str]:
    """What the study says of accuracy and of maps."""
    first = read_json(study / "evaluation/comparison.json")["rows"][0]["balanced_accuracy"]
    low, high = first["interval"]
    (recommendation,) = study.glob("evidence/*/recommendation.json")
    methods = read_json(recommendation)["methods"]
    recommended = [f"{one['method']} at {layer}" for one in methods for layer in one["recommended"]]
    if not (study / "report.html").is_file():
        raise FileNotFoundError(study / "report.html")
    return {
        "balanced accuracy": f"{first['value']:.2f} ({low:.2f} to {high:.2f})",
        "maps measured": str(sum(len(one["layers"]) for one in methods)),
        "recommended": "; ".join(recommended) or "none",
    }


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    names = list(rows[0]) if rows else []
    lines = [names, ["---"] * len(names), *([str(row[name]) for name in names] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Judge the networks, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohort", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="titles, or parts of them")
    asked = parser.parse_args()
    cohort = TwoGroups(asked.cohort)
    asked.out.mkdir(parents=True, exist_ok=True)
    _stratacam(["prepare", str(cohort.folder), "prepared"], asked.out)
    for recipe in RECIPES:
        row = asked.out / f"{recipe.folder}.json"
        wanted = not asked.only or any(part in recipe.title for part in asked.only)
        if wanted and not row.is_file():
            write_json(row, judge(recipe, cohort, asked.out))
        files = [asked.out / f"{one.folder}.json" for one in RECIPES]
        write_text(asked.out / "table.md", _table([read_json(file) for file in files if file.is_file()]))
    print((asked.out / "table.md").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
