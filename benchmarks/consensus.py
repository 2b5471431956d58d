"""What the consensus of six networks costs, against six separate runs.

VGG16 whose first four blocks are frozen, and so shared; all 18 layers. Medians of rounds in which both take turns, in
CPU seconds of one thread:

- maps: of every layer for the same slices and class, by the engine alone;
- run: as `explain_scan` does it, with the class of the scan first; the consensus with scales, spread and agreement.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import torch
from torch import nn

import stratacam as sc
from stratacam import cam
from stratacam.maps import Consensus, LayerConsensus
from stratacam.networks import matching

METHODS = ("gradcam", "layercam")
FROZEN = ("block1_*", "block2_*", "block3_*", "block4_*")


def networks(count: int, architecture: str = "vgg16") -> Sequence[nn.Module]:
    """Networks whose frozen layers are the same."""
    made = [sc.build(architecture, classes=3, weights="none", seed=seed).eval() for seed in range(count)]
    for other in made[1:]:
        for name, module in matching(other, FROZEN).items():
            module.load_state_dict(made[0].get_submodule(name).state_dict())
    return made


def classify(model: nn.Module, images: torch.Tensor, batch_size: int) -> int:
    """The class of the scan."""
    with torch.inference_mode():
        logits = [
            model(batch)
            for batch in torch.split(images.contiguous(memory_format=torch.channels_last), batch_size)
        ]
    return int(torch.cat(logits).softmax(dim=1).mean(dim=0).argmax())


def cpu_seconds(run: Callable[[], None]) -> float:
    """CPU seconds of one call: of one thread, they are its work, however busy the machine is."""
    start = time.process_time()
    run()
    return time.process_time() - start


def separate(
    members: Sequence[nn.Module], images: torch.Tensor, method: str, batch_size: int, *, whole: bool
) -> None:
    """Six separate runs."""
    for member in members:
        target = classify(member, images, batch_size) if whole else 0
        cam.explain(member, images, classes=target, method=method, batch_size=batch_size)


def together(joined: Consensus, images: torch.Tensor, method: str, batch_size: int, *, whole: bool) -> None:
    """One run of the consensus."""
    target = classify(joined, images, batch_size) if whole else 0
    batches = list(joined.explain_batches([images], classes=target, method=method, batch_size=batch_size))
    brain = np.ones((len(images), *images.shape[2:]), dtype=bool)
    for layer in batches[0].raw if whole else ():
        LayerConsensus.of(np.concatenate([batch.raw[layer][:, 0] for batch in batches], axis=1), brain)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=6)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    members = networks(options.networks)
    joined = Consensus(members)
    images = torch.rand(
        options.slices, 3, options.size, options.size, generator=torch.Generator().manual_seed(0)
    )
    print("| what | method | separate, s | consensus, s | share | bar |\n|---|---|---|---|---|---|")
    for whole in (False, True):
        for method in METHODS:
            given = (images, method, options.slices)
            times: dict[str, list[float]] = {"separate": [], "consensus": []}
            for _ in range(options.rounds):
                times["separate"].append(cpu_seconds(lambda: separate(members, *given, whole=whole)))  # noqa: B023
                times["consensus"].append(cpu_seconds(lambda: together(joined, *given, whole=whole)))  # noqa: B023
            apart, one = median(times["separate"]), median(times["consensus"])
            share = median(b / a for a, b in zip(times["separate"], times["consensus"], strict=True))
            name = "run" if whole else "maps"
            print(f"| {name} | {method} | {apart:.2f} | {one:.2f} | {share:.2f} | 0.60 |", flush=True)


if __name__ == "__main__":
    main()
