"""Several networks of one architecture as one, whose maps are the consensus of theirs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stratacam import cam
from stratacam.cam.layers import candidate_layers
from stratacam.cam.views import ZERO_GRADIENT, blank_cause
from stratacam.errors import InputError
from stratacam.maps.fused import fuse, parts_of, wanted
from stratacam.maps.heat import Heat, heat_of, scale_of
from stratacam.maps.slice_maps import SliceMaps
from stratacam.networks import SideBySide, count_shared, inputs_of, place_of, takes_brain

AGREES = 0.5
"""A network agrees where its heat is at least this share of its scale."""

Classes = int | Literal["predicted", "all"]
"""What is explained: a class, of each slice the one of the highest mean logit, or all classes."""


@dataclass(frozen=True, eq=False)
class LayerConsensus:
    """What M networks show in one layer, for one class of one scan.

    Attributes:
        mean: (n, h, w), the mean of their raw maps, each divided by its scale; signed.
        spread: (n, h, w), their standard deviation (of a sample: M - 1).
        agreement: (n, h, w), the share of networks whose heat is at least `AGREES` of their scale.
        scales: of each network, see `scale_of`; the map of one that shows no heat in the brain counts as 0.
    """

    mean: Heat
    spread: Heat
    agreement: Heat
    scales: tuple[float, ...]

    @classmethod
    def of(cls, raw: NDArray[np.float32], brain: NDArray[np.bool_]) -> Self:
        """Consensus of raw maps.

        Args:
            raw: (M, n, h, w).
            brain: (n, rows, columns).
        """
        scales = [scale_of(heat_of(one, brain.shape[1:]), brain) for one in raw]
        scaled = in_units(raw, scales)
        return cls(
            scaled.mean(axis=0, dtype=np.float32),
            scaled.std(axis=0, ddof=1, dtype=np.float32),
            (scaled >= AGREES).mean(axis=0, dtype=np.float32),
            tuple(scales),
        )


def in_units(raw: NDArray[np.float32], scales: Sequence[float]) -> NDArray[np.float32]:
    """Raw maps (M, n, h, w), each divided by its scale; 0 where that is 0."""
    factors = np.array([1 / scale if scale > 0 else 0.0 for scale in scales], dtype=np.float32)
    return raw * factors[:, None, None, None]


@dataclass(frozen=True)
class MemberMaps:
    """Maps of M networks for one batch of B slices and C classes.

    Attributes:
        logits: (M, B, K).
        raw: by layer, (M, C, B, h, w), signed.
        unreached: by layer, (M, C, B), where no gradient arrived, so that the map is blank.
    """

    logits: NDArray[np.float32]
    raw: Mapping[str, NDArray[np.float32]]
    unreached: Mapping[str, NDArray[np.bool_]]


class Consensus(nn.Module):
    """Networks of one architecture, as one network.

    Its logits are the mean of theirs; its maps, which it makes itself, the consensus. Layers that all share, since
    they were frozen, are run once. It is read by the layers' names, as a member is: a layer of it is that of all
    members, so that drawing its weights anew draws those of all.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        """Join networks.

        Args:
            members: two or more, in evaluation mode, on one device.

        Raises:
            InputError: there is only one, or they are of different architectures.
        """
        super().__init__()
        shapes = [{name: tensor.shape for name, tensor in one.state_dict().items()} for one in members]
        if len(members) < 2 or any(one != shapes[0] for one in shapes):
            raise InputError(
                f"consensus: found {len(members)} network(s)"
                + (" of different layers" if len(members) > 1 else "")
                + "; expected two or more of one architecture; choose models of one study."
            )
        self.members = tuple(
            members
        )  # a tuple is no module: the layers below are found by their own names alone
        self.shared = count_shared(members)
        self.takes_brain = takes_brain(members[0])
        layers = candidate_layers(members[0])
        for place, (name, child) in enumerate(members[0].named_children()):
            every = [member.get_submodule(name) for member in members]
            self.add_module(name, child if place < self.shared else _together(name, every, layers))
        self.eval()

    def forward(self, pictures: Tensor, *brain: Tensor) -> Tensor:
        """Mean logits (B, K) of pictures (B, C, H, W), and the brain (B, 1, H, W) in them where members take it."""
        logits: Tensor = self._side_by_side(pictures, *brain)
        return logits.reshape(len(logits), len(self.members), -1).mean(dim=1)

    def own_maps(
        self,
        images: NDArray[np.float32],
        brain: NDArray[np.bool_],
        target: int | Literal["predicted"],
        method: str,
        *,
        layers: str | tuple[str, ...],
        batch_size: int,
    ) -> SliceMaps:
        """The consensus of the slices given, see `LayerConsensus.mean`; arguments as for `explain_slices`."""
        inputs = inputs_of(self, torch.from_numpy(images), torch.from_numpy(brain))
        asked = wanted(self.members[0], layers)
        batches = list(
            self.explain_batches(
                inputs, classes=target, method=method, layers=asked.explained, batch_size=batch_size
            )
        )
        plain = list(batches[0].raw)
        maps = {name: np.concatenate([batch.raw[name][:, 0] for batch in batches], axis=1) for name in plain}
        unreached = {
            name: np.concatenate([batch.unreached[name][:, 0] for batch in batches], axis=1) for name in plain
        }
        for name in asked.fused:
            maps[name], unreached[name] = fuse_members(maps, unreached, name, brain)
        kept = [*(name for name in plain if asked.keeps(self.members[0], name)), *asked.fused]
        raw = {name: LayerConsensus.of(maps[name], brain).mean for name in kept}
        blank = {name: why_blank(mean, unreached[name]) for name, mean in raw.items()}
        logits = np.concatenate([batch.logits for batch in batches], axis=1).mean(axis=0)
        return SliceMaps(method, target if isinstance(target, int) else -1, logits, raw, blank)

    def explain_batches(
        self,
        inputs: Sequence[Tensor],
        *,
        classes: Classes,
        method: str,
        layers: str | tuple[str, ...] = "all",
        smooth: int = 0,
        batch_size: int = 8,
    ) -> Iterator[MemberMaps]:
        """Maps of every member, batch by batch, which equal those of each by itself.

        Args:
            inputs: pictures (n, channels, rows, columns), and the brain (n, 1, rows, columns) where members take it.
            classes: what is explained.
            method: see `stratacam.cam.METHODS`; of layers.
            layers: see `stratacam.cam.match_layers`.
            smooth: noisy copies, see `stratacam.explain`.
            batch_size: slices at once.
        """
        joined = self._side_by_side
        count, members = len(inputs[0]), len(self.members)
        given = (layers,) if isinstance(layers, str) else layers
        named = [name for one in given if one != "all" for name in cam.match_layers(self.members[0], one)]
        for found in cam.explain_batches(
            joined,
            list(inputs),
            layers=[
                *(["all"] if "all" in given else []),
                *(one for name in named for one in joined.names_of(name)),
            ],
            classes="all" if classes == "all" else self._columns(inputs, classes, batch_size, count),
            method=method,
            smooth=smooth,
            batch_size=batch_size,
        ):
            yield _by_member(found, members)

    @property
    def _side_by_side(self) -> SideBySide:
        return SideBySide(self.members, self.shared)

    def _columns(
        self, inputs: Sequence[Tensor], classes: int | Literal["predicted"], batch_size: int, count: int
    ) -> list[list[int]]:
        """For each slice, the columns of the members' logits for its class."""
        device = next(self.parameters()).device
        seen = count if classes == "predicted" else 1
        with torch.inference_mode():
            logits = torch.cat(
                [
                    self(*(values.to(device) for values in batch))
                    for batch in zip(*(torch.split(one[:seen], batch_size) for one in inputs), strict=True)
                ]
            )
        wanted = logits.argmax(dim=1).tolist() if classes == "predicted" else [classes] * count
        return [[logits.shape[1] * member + one for member in range(len(self.members))] for one in wanted]


def fuse_members(
    raw: Mapping[str, NDArray[np.float32]],
    unreached: Mapping[str, NDArray[np.bool_]],
    layer: str,
    brain: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The fused maps (M, n, h, w) of every member, and where no gradient arrived at any part, (M, n).

    Args:
        raw: by part, (M, n, h, w).
        unreached: by part, (M, n).
        layer: name of the fused map.
        brain: (n, rows, columns).
    """
    parts = parts_of(layer)
    members = range(len(raw[parts[0]]))
    fused = [fuse({part: raw[part][member] for part in parts}, layer, brain) for member in members]
    return np.stack(fused), np.logical_and.reduce([unreached[part] for part in parts])


def why_blank(raw: Heat, unreached: NDArray[np.bool_]) -> tuple[str, ...]:
    """For each slice "" or why a consensus (n, h, w) shows nothing; `unreached` as in `MemberMaps`, (M, n)."""
    nowhere = torch.from_numpy(unreached.all(axis=0))
    return tuple(cause for (cause,) in blank_cause(torch.from_numpy(raw)[:, None], nowhere[:, None]))


def _by_member(found: cam.Explanation, members: int) -> MemberMaps:
    """Maps of networks side by side, by member; those of a layer that is not shared are of its own member's classes."""
    own = found.classes.shape[1] // members
    raw: dict[str, NDArray[np.float32]] = {}
    unreached: dict[str, NDArray[np.bool_]] = {}
    for maps in found:
        member, layer = place_of(maps.name)
        raw_of_all = maps.raw.movedim(0, 1)
        values = raw_of_all.reshape(members, own, *raw_of_all.shape[1:]).numpy()
        zero = np.array(maps.blank).T.reshape(members, own, -1) == ZERO_GRADIENT
        if layer not in raw:
            raw[layer], unreached[layer] = np.zeros_like(values), np.ones_like(zero)
        its = slice(None) if member is None else slice(member, member + 1)
        raw[layer][its], unreached[layer][its] = values[its], zero[its]
    return MemberMaps(
        found.logits.reshape(len(found.logits), members, -1).movedim(1, 0).numpy(), raw, unreached
    )


class _Together(nn.Module):
    """The same layer of every member, under its name; only read and drawn anew, never run itself."""

    def __init__(self, *, is_layer: bool) -> None:
        super().__init__()
        self.is_layer = is_layer


def _together(name: str, every: Sequence[nn.Module], layers: Mapping[str, nn.Module]) -> nn.Module:
    """One module for those of all members, with the parts of the same names; the first where none has weights."""
    first = every[0]
    if not first.state_dict():
        return first
    joined = _Together(is_layer=name in layers)
    parts = {} if name in layers else dict(first.named_children())
    for part in parts:
        joined.add_module(
            part, _together(f"{name}.{part}", [one.get_submodule(part) for one in every], layers)
        )
    if not parts:
        for member, module in enumerate(every):
            joined.add_module(str(member), module)
    return joined
