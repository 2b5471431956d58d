"""Networks of other packages, named by package and network: timm, torchvision, Transformers, MONAI."""

from stratacam.networks.elsewhere.build import build_elsewhere, config_of, structure_of
from stratacam.networks.elsewhere.sources import SOURCES, is_elsewhere, name_in_source, source_named
from stratacam.networks.elsewhere.weights import FoundWeights, find_weights

__all__ = [
    "SOURCES",
    "FoundWeights",
    "build_elsewhere",
    "config_of",
    "find_weights",
    "is_elsewhere",
    "name_in_source",
    "source_named",
    "structure_of",
]
