"""Networks to train: the registry of architectures, custom ones; their weights; what is frozen; models on disk."""

from stratacam.networks.architecture import Architecture, by_block
from stratacam.networks.brain import BRAIN_USES, BrainUse, inputs_of, takes_brain
from stratacam.networks.build import build
from stratacam.networks.cards import ModelCard
from stratacam.networks.custom import load_network, source_file
from stratacam.networks.elsewhere import SOURCES, build_elsewhere, config_of, is_elsewhere, source_named
from stratacam.networks.files import OpenedFile, open_model
from stratacam.networks.freeze import freeze, frozen_prefix, matching, train_mode
from stratacam.networks.fusion import (
    BRANCH_CHANNELS,
    Fusion,
    LateFusion,
    branch_shown,
    branches_of,
    by_branch,
    check_branches,
    in_branches,
)
from stratacam.networks.given import GivenCard, read_given
from stratacam.networks.head import find_head, find_heads
from stratacam.networks.layers import Dimensions
from stratacam.networks.make import made_of, make_network
from stratacam.networks.pretrained import Pretrained, initial_weights
from stratacam.networks.registry import (
    ARCHITECTURES,
    DEFAULT_ARCHITECTURE,
    RANDOM,
    WEIGHTS,
    card_of,
    cited_as,
    default_frozen,
    default_weights,
    find_architecture,
    is_given,
    is_reference,
    last_block,
    network_title,
    short_name,
)
from stratacam.networks.saved import load_model, save_model
from stratacam.networks.side_by_side import SideBySide, count_shared, place_of

__all__ = [
    "ARCHITECTURES",
    "BRAIN_USES",
    "BRANCH_CHANNELS",
    "DEFAULT_ARCHITECTURE",
    "RANDOM",
    "SOURCES",
    "WEIGHTS",
    "Architecture",
    "BrainUse",
    "Dimensions",
    "Fusion",
    "GivenCard",
    "LateFusion",
    "ModelCard",
    "OpenedFile",
    "Pretrained",
    "SideBySide",
    "branch_shown",
    "branches_of",
    "build",
    "build_elsewhere",
    "by_block",
    "by_branch",
    "card_of",
    "check_branches",
    "cited_as",
    "config_of",
    "count_shared",
    "default_frozen",
    "default_weights",
    "find_architecture",
    "find_head",
    "find_heads",
    "freeze",
    "frozen_prefix",
    "in_branches",
    "initial_weights",
    "inputs_of",
    "is_elsewhere",
    "is_given",
    "is_reference",
    "last_block",
    "load_model",
    "load_network",
    "made_of",
    "make_network",
    "matching",
    "network_title",
    "open_model",
    "place_of",
    "read_given",
    "save_model",
    "short_name",
    "source_file",
    "source_named",
    "takes_brain",
    "train_mode",
]
