"""One forward that keeps what layers gave, with a graph that starts at the shallowest of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from stratacam.cam.compact_graph import CompactGraph
from stratacam.cam.feature_map import TokensToGrid
from stratacam.cam.inputs import Inputs
from stratacam.cam.origin import Origins
from stratacam.cam.recorder import Recorder
from stratacam.cam.tap import Tap


@dataclass
class Captured:
    """What one forward gave."""

    output: Any  # of the model
    anchor: Tensor  # where a backward has to end to reach every tap: the input of `torch.autograd.grad`
    taps: dict[str, Tap]  # by name, in the order given
    refused: dict[str, str]  # layers matched by a pattern that have no map, and why
    by_image: bool  # each image's part of the output is known to be made of that image alone
    origins: Origins  # of the output
    positions: Tensor  # (B,) of the images of the batch among all that the caller gave

    @property
    def images(self) -> int:
        """How many there are in the batch."""
        return len(self.positions)

    @property
    def unique_taps(self) -> list[Tap]:
        """Each tap once, whatever the names of its module."""
        return list({id(tap): tap for tap in self.taps.values()}.values())

    def by_name(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What was found for taps, in the order given, under every name that was given."""
        return {name: found[tap.name] for name, tap in self.taps.items() if tap.name in found}


def capture(
    model: nn.Module,
    inputs: Inputs,
    layers: Mapping[str, bool],
    tokens_to_grid: TokensToGrid | None,
    shared: Mapping[int, str],
) -> Captured:
    """Run `model`, a twin, once and keep what `layers` gave.

    With gradients enabled the graph ends at an anchor that the shallowest layers
    are tied to, so that nothing before them is differentiated, and it is a `CompactGraph`.

    Args:
        model: any network.
        inputs: one batch.
        layers: names of modules, and whether each was named, as `choose` gives them.
        tokens_to_grid: for layers whose output is not on the image as it is.
        shared: parameters, by storage, that the caller's model shares and that must not be written to.

    Raises:
        LayerError: if a layer that was named does not give a feature map. One that was only matched by a pattern,
            or was not run on this batch, is left out and listed in `refused`.
    """
    recorder = Recorder(model, inputs, layers, tokens_to_grid, shared)
    with recorder.observing(), CompactGraph():
        output = inputs.run(model)
    origins = recorder.origins
    by_image = origins.is_by_image(output)
    return Captured(output, recorder.anchor, *recorder.select(), by_image, origins, inputs.positions)
