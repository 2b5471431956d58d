"""What the registry says of an architecture."""

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from stratacam.networks.formats import State
from stratacam.networks.layers import Dimensions


@dataclass(frozen=True)
class Packaged:
    """A weights file inside an installed package of the extra `imagenet`; the package itself is never imported."""

    package: str
    version: str
    file: str
    sha256: str
    read: Callable[[Path], State]


@dataclass(frozen=True)
class Download:
    """The official weights file. The MD5 is the one that keras.applications checks."""

    url: str
    md5: str


@dataclass(frozen=True)
class Architecture:
    """A network that ends in global average pooling (GAP) and a linear layer.

    Attributes:
        name: by which a study names it.
        title: for readers.
        body: makes the layers from the picture or volume to GAP for a number of channels and of spatial axes, with
            random weights. A layer is named `<block>_<layer>`.
        features: channels of the last layer.
        blocks: shallow to deep. Of pretrained networks all but the last are frozen by default; the maps of the last
            are written as NIfTI by default.
        minimum_size: pixels along the shortest side of a picture or volume, so that the last block's maps have
            several cells.
        formats: endings of the weights files that it can take; none: it has no pretrained weights.
        rename: from the names in such files, which may hold a classifier too, to those of the network.
        imagenet: where its ImageNet weights are found if no file is named; None: a file has to be named.
        cited_as: key of the paper that it is from, in the report's references; empty: there is none.
    """

    name: str
    title: str
    body: Callable[[int, Dimensions], OrderedDict[str, nn.Module]]
    features: int
    blocks: tuple[str, ...]
    minimum_size: int
    formats: tuple[str, ...] = ()
    rename: Callable[[State], State] = dict
    imagenet: tuple[Packaged, Download] | None = None
    cited_as: str = ""

    @property
    def frozen(self) -> tuple[str, ...]:
        """Patterns of the layers that are frozen by default where the weights are pretrained."""
        return tuple(f"{block}_*" for block in self.blocks[:-1])


def renaming(*rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> Callable[[State], State]:
    """A function that renames weights by regular expressions and their replacements, one after the other."""

    def rename(name: str) -> str:
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name

    return lambda state: {rename(name): value for name, value in state.items()}


def by_block(layers: Sequence[str], branches: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Group layers by their block: their name, after that of the branch, up to its first part with a number.

    Parts are what `_` and `.` separate. The last part is no block; where no other has a number, the first part is. A
    layer of an earlier block that comes after another block is one by itself.

    Args:
        layers: in the order of depth.
        branches: of the network, each with all its layers after one another.

    Example:
        >>> by_block(["block1_conv1", "block1_pool", "block2_conv1"])
        {'block1': ('block1_conv1', 'block1_pool'), 'block2': ('block2_conv1',)}
        >>> by_block(["layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1"])
        {'layer1': ('layer1.0.conv1', 'layer1.0.conv2'), 'layer2': ('layer2.0.conv1',)}
        >>> list(by_block(["conv_stem", "stages.0.conv", "stages.1.conv1", "stages.1.conv2", "conv_head"]))
        ['conv', 'stages.0', 'stages.1', 'conv_head']
        >>> by_block(["T1w.block1_conv1", "FLAIR.block1_conv1"], ("T1w", "FLAIR"))
        {'T1w.block1': ('T1w.block1_conv1',), 'FLAIR.block1': ('FLAIR.block1_conv1',)}
    """
    blocks: dict[str, tuple[str, ...]] = {}
    for layer in layers:
        branch = f"{layer.partition('.')[0]}." if branches else ""
        block = branch + _block(layer.removeprefix(branch))
        if block in blocks and block != next(reversed(blocks)):
            block = layer
        blocks[block] = (*blocks.get(block, ()), layer)
    return blocks


def _block(layer: str) -> str:
    numbered = re.match(r"(?:[^._]*[._])*?[^._]*\d[^._]*(?=[._])", layer)
    return numbered[0] if numbered else re.split("[._]", layer.lstrip("_"))[0]
