"""The settings of the benchmark with truth."""

from dataclasses import dataclass

from stratacam.errors import InputError
from stratacam.evidence.planting.plant import Difference
from stratacam.learning import TrainSettings
from stratacam.networks import BrainUse, find_architecture
from stratacam.networks.settings import DEFAULT_BRAIN, NetworkSettings

NETWORK, TRAINING = NetworkSettings(), TrainSettings()
"""Of a study that says nothing of them."""


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is planted, learnt and scored.

    Attributes:
        difference: what tells the two classes apart: "shape", "place", or "presence" of the targets.
        architecture: of the networks.
        brain: what networks do with the brain, see `stratacam.networks.build`.
        relevance: weight of the share of heat outside the brain in the loss.
        trained: number of blocks that are trained, the last ones; None: as in a study.
        networks: number of networks for each fold, of seeds from `seed` on; of several the consensus is scored too.
        folds: at most; fewer where there are fewer people.
        methods: whose maps are scored.
        smoothgrad: whether SmoothGrad is scored too, of the first network.
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
    architecture: str = NETWORK.architectures[0]
    brain: BrainUse = DEFAULT_BRAIN
    relevance: float = TRAINING.relevance
    trained: int | None = None
    networks: int = 1
    folds: int = 5
    methods: tuple[str, ...] = ("gradcam", "layercam")
    smoothgrad: bool = True
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

    @property
    def frozen(self) -> tuple[str, ...] | None:
        """Patterns of the layers that are frozen: of the blocks that are not trained; None: as in a study.

        Raises:
            InputError: there are not so many blocks.
        """
        if self.trained is None:
            return None
        blocks = find_architecture(self.architecture).blocks
        if not 0 < self.trained <= len(blocks):
            raise InputError(
                f"--trained: found {self.trained}; expected 1 to {len(blocks)}, the number of blocks of "
                f"{self.architecture}: choose one of these."
            )
        return tuple(f"{block}_*" for block in blocks[: -self.trained])
