"""The settings of the benchmark with truth."""

from dataclasses import dataclass

from stratacam.evidence.planting.plant import Difference
from stratacam.networks import DEFAULT_ARCHITECTURE, BrainUse


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is planted, learnt and scored.

    Attributes:
        difference: what tells the two classes apart, "shape" or "place".
        architecture: of the network.
        brain: what the network does with the brain, see `stratacam.networks.build`.
        methods: whose maps are scored, besides SmoothGrad.
        size: pixels along the longer side of a picture.
        width_mm: of square pictures; None: pictures are cut to the brain.
        every: take every n-th slice.
        part: of the kept slices.
        area: pixels of a lesion.
        lesions: targets in a slice, and as many decoys.
        copies: of each slice, with other lesions, in each class.
        shuffled: a control: classes are swapped at random, so that there is nothing to learn.
        epochs: of training.
        scored: maximum number of slices of each scan and class that are scored.
        seed: of everything random.
    """

    difference: Difference = "shape"
    architecture: str = DEFAULT_ARCHITECTURE
    brain: BrainUse = "off"
    methods: tuple[str, ...] = ("gradcam", "layercam")
    size: int = 128
    width_mm: float | None = None
    every: int = 2
    part: tuple[float, float] = (0.3, 0.85)
    area: int = 40
    lesions: int = 3
    copies: int = 4
    shuffled: bool = False
    epochs: int = 12
    scored: int = 40
    seed: int = 0
