"""Lock what a container installs: versions as pinned in constraints.txt, with the hashes of PyPI's files.

Torch and what it needs for NVIDIA cards are in a file of their own, which an image without cards leaves out.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
PYTHON = "3.11"  # of the base image
PLATFORM = "x86_64-manylinux_2_28"
FOR_CARDS = re.compile(r"(torch|triton|cuda-.*|nvidia-.*)==")
LEFT_OUT = {
    "dev",
    "docs",
    "keras",
    "mlflow",
    "monai",
    "notebook",
    "onnx",
    "tensorboard",
    "timm",
    "transformers",
}
"""Extras of no use in a container, or that are installed beside: networks, files and trackers of other packages."""
HEAD = "# Made by `make lock` from pyproject.toml and constraints.txt.\n"


def main() -> None:
    """Write requirements.txt and torch.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [f"--extra={name}" for name in project["optional-dependencies"] if name not in LEFT_OUT]
    compiler = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header"]
    target = [f"--python-version={PYTHON}", f"--python-platform={PLATFORM}", "--only-binary=:all:"]
    command = [
        *compiler,
        *target,
        "--generate-hashes",
        "--constraints=constraints.txt",
        *extras,
        "pyproject.toml",
    ]
    compiled = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
    packages = re.split(r"^(?=\S)", compiled, flags=re.MULTILINE)[1:]
    cards = [package for package in packages if FOR_CARDS.match(package)]
    rest = [package for package in packages if package not in cards]
    for name, held in (("torch.txt", cards), ("requirements.txt", rest)):
        (HERE / name).write_text(HEAD + "".join(held), encoding="utf-8")


if __name__ == "__main__":
    main()
