"""One forward that keeps what layers gave, with a graph that starts at the shallowest of them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from stratacam.cam.compact_graph import CompactGraph
from stratacam.cam.feature_map import TokensToGrid
from stratacam.cam.inputs import Inputs
from stratacam.cam.origin import KnownOrigin, Origins
from stratacam.cam.plain import PlainRun, Shown, shown_by, signature_of
from stratacam.cam.recorder import Recorder
from stratacam.cam.tap import Tap
from stratacam.cam.twin import Twin


@dataclass
class Captured:
    """What one forward gave."""

    output: Any  # of the model
    anchor: Tensor  # where a backward has to end to reach every tap: the input of `torch.autograd.grad`
    taps: dict[str, Tap]  # by name, in the order given
    refused: dict[str, str]  # layers matched by a pattern that have no map, and why
    by_image: bool  # each image's part of the output is known to be made of that image alone
    origins: Origins | KnownOrigin  # of the output
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
    twin: Twin, inputs: Inputs, layers: Mapping[str, bool], tokens_to_grid: TokensToGrid | None
) -> Captured:
    """Run a twin once and keep what `layers` gave.

    With gradients enabled the graph ends at an anchor that the shallowest layers
    are tied to, so that nothing before them is differentiated, and on a CPU it is a `CompactGraph`.

    Args:
        twin: of any network.
        inputs: one batch.
        layers: names of modules, and whether each was named, as `choose` gives them.
        tokens_to_grid: for layers whose output is not on the image as it is.

    Raises:
        LayerError: if a layer that was named does not give a feature map. One that was only matched by a pattern,
            or was not run on this batch, is left out and listed in `refused`.
    """
    memory, signature = twin.memory, None
    if memory is not None and tokens_to_grid is None:
        signature = signature_of(inputs, layers)
        shown = memory.recall(signature)
        captured = _captured_again(twin, inputs, shown) if shown else None
        if captured:
            return captured
    recorder = Recorder(twin.model, inputs, layers, tokens_to_grid, twin.protected)
    with recorder.observing(), _graph(inputs):
        output = inputs.run(twin.model)
    origins = recorder.origins
    by_image = origins.is_by_image(output)
    taps, refused = recorder.select()
    if memory is not None:
        memory.watched = True
        shown = shown_by(recorder, output, taps, by_image=by_image) if signature else None
        if shown:
            memory.remember(signature, shown)
    return Captured(output, recorder.anchor, taps, refused, by_image, origins, inputs.positions)


def _captured_again(twin: Twin, inputs: Inputs, shown: Shown) -> Captured | None:
    """A forward like one that was watched; None if it is not."""
    plain = PlainRun(shown)
    with _graph(inputs):
        output = plain.run(twin.model, inputs)
    if output is None:
        return None
    origin = KnownOrigin(shown.kind)
    return Captured(output, plain.anchor, plain.taps, {}, True, origin, inputs.positions)


def _graph(inputs: Inputs) -> AbstractContextManager[object]:
    """A compact graph, but on a graphics card, which would wait for what makes it compact."""
    return nullcontext() if inputs.image.is_cuda else CompactGraph()
