"""Random numbers that decide nothing outside: every global source seeded, and put back after."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every global source of random numbers, and put it back after."""
    python, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002 - what users' code may draw from
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)  # noqa: NPY002
