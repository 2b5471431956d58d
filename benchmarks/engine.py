"""`make bench`: measure the engine of the maps, print the table and write it to benchmarks/results/."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks import peers, starting
from benchmarks.measured import measure
from benchmarks.page import page

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["vgg16", "vgg19"], help="default: vgg16 vgg19")
    parser.add_argument("--size", type=int, default=224, help="pixels, default %(default)s")
    parser.add_argument("--batch", type=int, default=8, help="images, default %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--slow-rounds", type=int, default=2, help="of a pass per layer, default %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default %(default)s")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    others, absent = peers.find_peers()
    found = {architecture: measure(architecture, others, chosen) for architecture in chosen.networks}
    imports = {
        name: [starting.import_seconds(statement) for _ in range(chosen.rounds)]
        for name, statement in starting.IMPORTS.items()
    }
    text = page(chosen, found, imports, absent)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "engine.md").write_text(text)
    raw = {
        "settings": vars(chosen),
        "imports": imports,
        "networks": {name: asdict(one) for name, one in found.items()},
    }
    (RESULTS / "engine.json").write_text(json.dumps(raw, indent=2) + "\n")
    print(text)


if __name__ == "__main__":
    main()
