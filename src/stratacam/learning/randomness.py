"""Seeded random numbers, a stream for each purpose: a resumed run draws the same numbers."""

import numpy as np
import torch


def torch_generator(seed: int, *stream: int) -> torch.Generator:
    """Return a generator on the CPU that depends only on `seed` and the numbers of its stream."""
    state = np.random.SeedSequence([seed, *stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
