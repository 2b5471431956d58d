"""Random numbers of the evidence: an independent stream for every subject, slice, layer and purpose."""

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A stream of random numbers that depends only on the seed and the names.

    What serves a cohort in common (a draw of a network's weights) leaves the subject out of its names; everything else
    has it in them, so that the draws of two subjects are independent.

    Args:
        seed: of the study.
        names: the purpose first, such as `"control", "sub-01", 3, "layer4"`.

    Example:
        >>> draw = generator(0, "control", "sub-01").random()
        >>> bool(draw == generator(0, "control", "sub-01").random() != generator(0, "control", "sub-02").random())
        True
    """
    words = "\0".join(map(str, names)).encode()
    return np.random.default_rng(np.random.SeedSequence([seed, len(words), *words]))


def torch_seed(seed: int, *names: str | int) -> int:
    """A seed for `torch.manual_seed` from the same stream."""
    return int(generator(seed, *names).integers(2**63))
