"""`python -m benchmarks.preparation DATA`: measure the preparation on real scans and print the tables."""

import sys
from pathlib import Path

import torch

from benchmarks.preparation import bias, checks, intensity, registration, whole
from benchmarks.preparation.data import sessions


def main() -> None:
    """Measure and print, section by section."""
    data = Path(sys.argv[1])
    torch.set_num_threads(1)
    every = sessions(data)
    print("## Registration\n\n" + registration.against_reference(every), flush=True)
    for sequence in registration.SEQUENCES:
        print("\n" + registration.displaced(every[0], sequence), flush=True)
    print("\n" + registration.orientation(every[0]), flush=True)
    print("\n" + checks.table(every), flush=True)
    print("\n## Bias field\n", flush=True)
    for session in every:
        print(bias.planted_field(session), flush=True)
    print("\n## Intensities\n\n" + intensity.table(every), flush=True)
    print("\n## Whole preparation\n\n" + whole.each_alone(data, every), flush=True)


if __name__ == "__main__":
    main()
