"""Maps as results: raw and signed, with views of them chosen by name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stratacam.cam.views import Fusion, Normalisation, fuse, view


@dataclass(frozen=True)
class LayerMaps:
    """Maps of one layer.

    Attributes:
        name: the layer.
        raw: (B, C, *spatial), signed float32, at the layer's own resolution.
        blank: for each image and class "" or why its map shows nothing: "zero gradient", "all negative",
            "constant" or "not finite".
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
        maps: by layer name, in the order asked.
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
        """Names of the layers, in the order asked."""
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
    """One explanation of all images from those of consecutive batches."""
    if len(parts) == 1:
        return parts[0]
    return Explanation(
        logits=torch.cat([part.logits for part in parts]),
        classes=torch.cat([part.classes for part in parts]),
        maps={
            name: LayerMaps(
                name,
                torch.cat([part[name].raw for part in parts]),
                tuple(row for part in parts for row in part[name].blank),
            )
            for name in parts[0].layers
        },
        method=parts[0].method,
        left_out=parts[0].left_out,
    )
