"""Maps as results: raw and signed, with views of them chosen by name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from stratacam.cam.layers import split_call
from stratacam.cam.views import NOT_RUN, Fusion, Normalisation, fuse, view


@dataclass(frozen=True)
class LayerMaps:
    """Maps of one layer.

    Attributes:
        name: the layer.
        raw: (B, C, *spatial), signed float32, at the layer's own resolution.
        blank: for each image and class "" or why its map shows nothing: "zero gradient", "all negative",
            "constant", "not finite", or "not run" where the model ran other layers for this image.
    """

    name: str
    raw: Tensor
    blank: tuple[tuple[str, ...], ...]

    def heatmap(
        self, *, size: int | Sequence[int] | None = None, relu: bool = True, normalise: Normalisation = "map"
    ) -> Tensor:
        """A view of the raw maps, see `view`: (B, C, *size)."""
        return view(self.raw, size=size, relu=relu, normalise=normalise)

    def __repr__(self) -> str:
        return f"LayerMaps({self.name}, {tuple(self.raw.shape)})"


@dataclass(frozen=True)
class Explanation:
    """Maps of several layers for one batch.

    Attributes:
        logits: (B, K); the scores where a function gave them.
        classes: (B, C) indices of the classes explained.
        maps: by layer name, in the order given.
        method: the name of the method.
        left_out: layers that a pattern matched but that have no map, and why.
    """

    logits: Tensor
    classes: Tensor
    maps: Mapping[str, LayerMaps]
    method: str = "gradcam"
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order given."""
        return tuple(self.maps)

    def __getitem__(self, layer: str) -> LayerMaps:
        if layer not in self.maps:
            raise KeyError(f"{layer!r} was not explained; the layers are: {', '.join(self.maps)}.")
        return self.maps[layer]

    def __len__(self) -> int:
        return len(self.maps)

    def __repr__(self) -> str:
        images, classes = self.classes.shape
        maps = ", ".join(f"{name} {tuple(one.raw.shape[2:])}" for name, one in self.maps.items())
        return f"Explanation({self.method}, {images} image(s), {classes} class(es): {maps})"

    def _repr_html_(self) -> str:
        from stratacam.cam.notebook import html_of  # noqa: PLC0415 - which draws, where a notebook asks for it

        return html_of(self)

    def __iter__(self) -> Iterator[LayerMaps]:
        return iter(self.maps.values())

    def chosen(self, layers: str | Sequence[str] | None = None) -> tuple[LayerMaps, ...]:
        """Maps of a layer or of layers by name; of all if absent.

        Raises:
            KeyError: if one was not explained.
            ValueError: if `layers` is empty.
        """
        names = [layers] if isinstance(layers, str) else self.layers if layers is None else layers
        if not names:
            raise ValueError("layers is empty; name at least one, or leave it out for all.")
        return tuple(self[name] for name in names)

    def fused(
        self, *, size: int | Sequence[int], how: Fusion = "mean", layers: str | Sequence[str] | None = None
    ) -> Tensor:
        """One map from those of several layers, each rectified, upsampled and divided by its own maximum.

        Args:
            size: spatial size of the result.
            how: see `fuse`.
            layers: a name or names; all if absent.

        Returns:
            (B, C, *size).
        """
        return fuse([maps.heatmap(size=size) for maps in self.chosen(layers)], how)


def join(parts: Sequence[Explanation]) -> Explanation:
    """One explanation of all images from those of consecutive batches.

    A layer that some batches did not run is blank there.
    """
    if len(parts) == 1:
        return parts[0]
    parts = _numbered_alike(parts)
    names = dict.fromkeys(name for part in parts for name in part.maps)
    left_out = {name: reason for part in parts for name, reason in part.left_out.items() if name not in names}
    return Explanation(
        logits=torch.cat([part.logits for part in parts]),
        classes=torch.cat([part.classes for part in parts]),
        maps={name: _join_layer(name, parts) for name in names},
        method=parts[0].method,
        left_out=left_out,
    )


def _numbered_alike(parts: Sequence[Explanation]) -> list[Explanation]:
    """Parts in which the one call of a layer is `name#1` where other batches called it more often."""
    calls = {split_call(name)[0] for part in parts for name in part.maps if split_call(name)[1]}
    return [
        replace(part, maps={f"{name}#1" if name in calls else name: maps for name, maps in part.maps.items()})
        for part in parts
    ]


def _join_layer(name: str, parts: Sequence[Explanation]) -> LayerMaps:
    run = next(part.maps[name] for part in parts if name in part.maps)
    raw: list[Tensor] = []
    blank: list[tuple[str, ...]] = []
    for part in parts:
        shape = part.classes.shape
        maps = part.maps.get(name)
        raw.append(maps.raw if maps else run.raw.new_zeros(*shape, *run.raw.shape[2:]))
        blank.extend(maps.blank if maps else ((NOT_RUN,) * shape[1],) * shape[0])
    return LayerMaps(name, torch.cat(raw), tuple(blank))
