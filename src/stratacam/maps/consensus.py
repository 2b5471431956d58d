"""Several networks of one architecture as one, whose maps are the consensus of theirs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stratacam import cam
from stratacam.cam.layers import candidate_layers
from stratacam.cam.views import ZERO_GRADIENT
from stratacam.errors import InputError
from stratacam.maps.fused import wanted
from stratacam.maps.member_maps import LayerConsensus, MemberMaps, fuse_members, why_blank
from stratacam.maps.slice_maps import SliceMaps
from stratacam.maps.volumes import StackNetwork, batches_by_method, sees_together
from stratacam.networks import SideBySide, branches_of, count_shared, inputs_of, place_of, takes_brain

Classes = int | Literal["predicted", "all"]
"""What is explained: a class, of each slice the one of the highest mean logit, or all classes."""


class Consensus(nn.Module):
    """Networks of one architecture, as one network.

    Its logits are the mean of theirs; its maps, which it makes itself, the consensus. Layers that all share, since
    they were frozen, are run once. It is read by the layers' names, as a member is: a layer of it is that of all
    members, so that drawing its weights anew draws those of all.
    """

    maps_made_by = "stratacam.maps.slice_maps.explain_slices"
    """What to call for its maps; `stratacam.explain` refuses it, as it would see the layers of single members."""

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
        self.branches = branches_of(members[0])
        self.sees_together = sees_together(members[0])
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
        methods: Sequence[str],
        *,
        layers: str | tuple[str, ...],
        batch_size: int,
    ) -> dict[str, SliceMaps]:
        """The consensus of the slices given, see `LayerConsensus.mean`; arguments as for `explain_slices_by`."""
        explained = target if isinstance(target, int) else -1

        def of_method(method: str, found: MemberMaps) -> SliceMaps:
            raw = {name: LayerConsensus.of(maps[:, 0], brain).mean for name, maps in found.raw.items()}
            blank = {name: why_blank(mean, found.unreached[name][:, 0]) for name, mean in raw.items()}
            return SliceMaps(method, explained, found.logits.mean(axis=0), raw, blank)

        by_method = self.member_maps(images, brain, target, methods, layers=layers, batch_size=batch_size)
        return {method: of_method(method, found) for method, found in by_method.items()}

    def member_maps(
        self,
        images: NDArray[np.float32],
        brain: NDArray[np.bool_],
        target: int | Literal["predicted"],
        methods: Sequence[str],
        *,
        layers: str | tuple[str, ...],
        batch_size: int = 8,
    ) -> dict[str, MemberMaps]:
        """By method, the maps of every member, fused ones too, of one class; arguments as for `explain_slices_by`."""
        inputs = inputs_of(self, torch.from_numpy(images), torch.from_numpy(brain))
        asked = wanted(self.members[0], layers)
        batches = list(
            self.explain_batches(
                inputs, classes=target, methods=methods, layers=asked.explained, batch_size=batch_size
            )
        )

        def of_method(method: str) -> MemberMaps:
            parts = [batch[method] for batch in batches]
            raw = {name: _over_slices(parts, "raw", name) for name in parts[0].raw}
            unreached = {name: _over_slices(parts, "unreached", name) for name in raw}
            kept = [*(name for name in raw if asked.keeps(self.members[0], name)), *asked.fused]
            for name in asked.fused:
                raw[name], unreached[name] = fuse_members(raw, unreached, name, brain)
            return MemberMaps(
                np.concatenate([part.logits for part in parts], axis=1),
                {name: raw[name] for name in kept},
                {name: unreached[name] for name in kept},
            )

        return {method: of_method(method) for method in methods}

    def explain_batches(
        self,
        inputs: Sequence[Tensor],
        *,
        classes: Classes,
        methods: Sequence[str],
        layers: str | tuple[str, ...] = "all",
        smooth: int = 0,
        batch_size: int = 8,
    ) -> Iterator[dict[str, MemberMaps]]:
        """By method, maps of every member, batch by batch, which equal those of each by itself.

        Args:
            inputs: pictures (n, channels, rows, columns), and the brain (n, 1, rows, columns) where members take it.
            classes: what is explained.
            methods: see `stratacam.cam.METHODS`; of layers.
            layers: see `stratacam.cam.match_layers`.
            smooth: noisy copies, see `stratacam.explain`.
            batch_size: slices at once.
        """
        joined = self._side_by_side
        count, members = len(inputs[0]), len(self.members)
        given = (layers,) if isinstance(layers, str) else layers
        named = [name for one in given if one != "all" for name in cam.match_layers(self.members[0], one)]
        for batch in batches_by_method(
            joined,
            inputs,
            methods,
            layers=[
                *(["all"] if "all" in given else []),
                *(one for name in named for one in self._names_of(name)),
            ],
            classes="all" if classes == "all" else self._columns(inputs, classes, batch_size, count),
            smooth=smooth,
            batch_size=batch_size,
        ):
            yield {method: _by_member(found, members) for method, found in batch.items()}

    @property
    def _side_by_side(self) -> SideBySide | StackNetwork:
        stacks = [one for one in self.members if isinstance(one, StackNetwork)]
        if not stacks:
            return SideBySide(self.members, self.shared)
        return StackNetwork(SideBySide([one.network for one in stacks], 0), max(one.depth for one in stacks))

    def _names_of(self, layer: str) -> list[str]:
        """The names of a layer in the networks side by side."""
        joined = self._side_by_side
        return (joined if isinstance(joined, SideBySide) else cast("SideBySide", joined.network)).names_of(
            layer
        )

    def _columns(
        self, inputs: Sequence[Tensor], classes: int | Literal["predicted"], batch_size: int, count: int
    ) -> list[list[int]]:
        """For each slice, the columns of the members' logits for its class."""
        device = next(self.parameters()).device
        seen = count if classes == "predicted" else 1
        if self.sees_together:
            batch_size = count
        with torch.inference_mode():
            logits = torch.cat(
                [
                    self(*(values.to(device) for values in batch))
                    for batch in zip(*(torch.split(one[:seen], batch_size) for one in inputs), strict=True)
                ]
            )
        wanted = logits.argmax(dim=1).tolist() if classes == "predicted" else [classes] * count
        return [[logits.shape[1] * member + one for member in range(len(self.members))] for one in wanted]


def _over_slices(
    batches: Sequence[MemberMaps], kind: Literal["raw", "unreached"], layer: str
) -> NDArray[Any]:
    """What all batches have of a layer, slices one after the other."""
    return np.concatenate([getattr(batch, kind)[layer] for batch in batches], axis=2)


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
