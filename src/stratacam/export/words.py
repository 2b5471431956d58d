"""What is written of a map wherever it leaves the study."""

from stratacam.cam.methods import REGISTRY
from stratacam.export.choose import ChosenMap
from stratacam.export.laid import LaidMap
from stratacam.maps.fused import fused_title
from stratacam.maps.nifti import HELD_OUT

RESEARCH = "RESEARCH USE ONLY - NOT FOR DIAGNOSIS"

CAUTION = (
    "Research use only, not for diagnosis. A map shows what raised a network's score. It does not show that the "
    "network is right, nor that the place matters in the disease."
)

SCALE = "scale of a network"
"""Unit of the maps of several networks, each divided by its scale before the mean."""


def unit_of(chosen: ChosenMap) -> str:
    """The unit of the raw map, in a few words."""
    return SCALE if chosen.maps.members else REGISTRY[chosen.maps.method].unit


def title_of(chosen: ChosenMap) -> str:
    """Class, method and layer: where there is not room for all, the layer is cut off."""
    return f"class {chosen.maps.explained}, {chosen.maps.method}, {fused_title(chosen.layer)}"


def networks_of(chosen: ChosenMap) -> str:
    """Which network or networks made the map, and whether they were trained with the scan."""
    maps = chosen.maps
    run = str(maps.model.get("run") or maps.model.get("architecture", "one network"))
    who = f"mean of {len(maps.members)} networks" if maps.members else run
    held_out = {
        True: "scan held out of training",
        False: "TRAINED WITH THIS SCAN",
        None: "held out? not known",
    }
    return f"{who}; {held_out[HELD_OUT.get(maps.in_training)]}"


def prediction_of(chosen: ChosenMap) -> str:
    """The class that the scan is given, and the probability of every class."""
    shares = ", ".join(f"{name} {share:.2f}" for name, share in chosen.maps.scan_probabilities.items())
    return f"Predicted {chosen.maps.predicted} ({shares})"


def coverage_of(laid: LaidMap) -> str:
    """Which slices were explained, where those are not all; otherwise ""."""
    if laid.every == 1:
        return ""
    return f"1 slice in {laid.every} was explained; between these slices the map is interpolated."


def printable(text: str) -> str:
    """A text of names that anybody may have chosen, without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def number(value: float) -> str:
    """Three digits, as a legend has them."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
