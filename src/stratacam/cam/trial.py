"""How to run a model so that the maps explain its own output: tried on the first batch.

Images with their channels last are faster, but not all code works in that order, and some gives something else. A
network may mix the images of a batch, so that the score of one depends on others. Where the operations of the first
forward leave a doubt of either, its scores are compared with those of other runs.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TypeVar

import torch
from torch import Tensor, nn

from stratacam.cam.capture import Captured
from stratacam.cam.feature_map import TokensToGrid
from stratacam.cam.inputs import Inputs
from stratacam.cam.kept import ready_twin
from stratacam.cam.running import device_of
from stratacam.cam.scores import Target
from stratacam.cam.task import RawMaps, Task
from stratacam.cam.watch import ParametersWrittenError

Made = TypeVar("Made")

WHOLE = 32
"""Images with which a model is called at once to see whether arguments are cut rightly."""


@dataclass
class Trial:
    """The caller's model, what to explain (see `Task`), and how to run it."""

    model: nn.Module
    layers: Mapping[str, bool]
    target: Callable[[Captured], Target]
    tokens_to_grid: TokensToGrid | None
    batch_size: int
    repeats: bool = False  # a method runs changed copies of an image in one batch
    channels_last: bool = True  # images and kernels may be laid so
    private: bool = False  # parameters have to be copied
    mixing: bool = False  # the network mixes the images of a batch
    _checked: bool = field(default=False, repr=False)
    _counted: bool = field(default=False, repr=False)

    def maps(self, part: Inputs, make_maps: Callable[[Task], dict[str, RawMaps]]) -> dict[str, RawMaps]:
        """The maps of one batch by method, made as the first batch shows that they have to be."""
        found = self._made(part, make_maps)
        if not self._checked:
            self._checked = True
            target = next(iter(found.values())).target
            if not target.by_image and self._learn(part, target):
                found = self._made(part, make_maps)
        return found

    def values(self, part: Inputs) -> Tensor:
        """The scores of a batch, without maps."""
        return self._target_of(part).logits

    def _target_of(self, part: Inputs) -> Target:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._made(part, lambda task: task.target(task.run(task.inputs)))

    def is_bag(self, part: Inputs, whole: Inputs, target: Target) -> bool:
        """Whether images that are run one by one are the instances of a bag, of which two have one score."""
        if part.count > 1 or target.by_image or self._counted:
            return False
        self._counted = True
        try:
            return self._target_of(whole.take([0, 1])).bag
        except (RuntimeError, ValueError):
            return False

    def cut(self, whole: Inputs) -> Inputs:
        """Find which arguments with as many entries as images must be cut with the batch.

        The model is called with everything, and then in parts for each way to cut; the same scores must come.

        Raises:
            ValueError: if the scores do not show it.
        """
        ways = whole.uncertain()
        subsets = [chosen for size in range(len(ways) + 1) for chosen in combinations(ways, size)]
        options = [replace(whole, per_image=whole.per_image | set(chosen)) for chosen in subsets]
        small = whole.count <= max(WHOLE, self.batch_size)
        tried = replace(self)  # what fails when it is cut wrongly says nothing of how to run it
        expected = tried.values_or_none(whole) if small else None
        found = [
            tried.in_parts(option) if small else tried.values_or_none(option.take([option.count - 1]))
            for option in options
        ]
        fitting = [
            option
            for option, values in zip(options, found, strict=True)
            if values is not None and (expected is None or _agree(values, expected))
        ]
        if len(fitting) == 1 or (fitting and expected is not None):
            return fitting[0]
        keys = sorted({repr(way[0]) for way in ways})
        raise ValueError(
            f"input {', '.join(keys)} has {whole.count} entries for {whole.count} images, which "
            f"need not be one for each image; say per_image=[{', '.join(keys)}] if so, or per_image=[] if not."
        )

    def in_parts(self, option: Inputs) -> Tensor | None:
        """The scores of all images, run in parts; None if the model cannot take these, or they do not go together."""
        if option.count == 1:
            twice = self.values_or_none(option.repeat(0, 2))
            return twice[:1] if twice is not None and _agree(twice[:1], twice[1:]) else None
        size = min(self.batch_size, -(-option.count // 2))
        parts = [self.values_or_none(part) for part in option.batches(size)]
        values: list[Tensor] = [one for one in parts if one is not None]
        alike = len(values) == len(parts) and len({one.shape[1:] for one in values}) == 1
        return torch.cat(values) if alike else None

    def values_or_none(self, part: Inputs) -> Tensor | None:
        """The scores of a batch; None if the model cannot take it."""
        try:
            return self.values(part)
        except Exception:  # noqa: BLE001 - whatever the model's own code raises for what it cannot take
            return None

    @contextmanager
    def task(self, part: Inputs) -> Iterator[Task]:
        """One batch, and a twin of the model to run it."""
        with torch.inference_mode(mode=False), torch.enable_grad():
            inputs = part.copied(device_of(self.model))
            ordered = self.channels_last and inputs.faster_channels_last
            with ready_twin(self.model, channels_last=ordered, private=self.private) as twin:
                yield Task(
                    twin=twin,
                    inputs=inputs.channels_last() if ordered else inputs,
                    layers=self.layers,
                    target=self.target,
                    tokens_to_grid=self.tokens_to_grid,
                    batch_size=1 if self.mixing else self.batch_size,
                    mixing=self.mixing,
                )

    def _made(self, part: Inputs, make: Callable[[Task], Made]) -> Made:
        while True:
            try:
                with self.task(part) as task:
                    return make(task)
            except ParametersWrittenError as fault:
                if self.private:
                    raise ValueError(
                        f"{fault} It holds them in a place that cannot be followed, such as an object of another "
                        "library; explain copy.deepcopy(model) instead."
                    ) from fault
                self.private = True
            except (RuntimeError, AssertionError):
                # Code that cannot have the channels last says so in many words.
                if not self.channels_last or part.image.ndim != 4:
                    raise
                self.channels_last = False

    def _learn(self, part: Inputs, target: Target) -> bool:
        """Find out how the model has to be run; whether the maps of the first batch have to be made again."""
        # 1. Images that have the same scores by themselves are neither mixed nor spoilt by the memory's order.
        part = self._cut_if_known(part)
        plain = replace(self, channels_last=False)
        given, again = target.logits, False
        apart = not target.bag and not part.uncertain() and part.count > 1
        single = plain.single_scores(part) if apart else None
        if apart and _same(single, given):
            return False
        # 2. Channels last: only if the scores are those of the usual order.
        if self.channels_last and part.image.ndim == 4:
            whole = plain.values(part)
            if not _agree(given, whole):
                self.channels_last, given, again = False, whole, True
                if apart and _same(single, given):
                    return True
        # 3. Mixing: a score that changes with the images beside it, unless it changes from run to run anyway.
        if self.repeats and part.count == 1:
            self.mixing = not self._is_by_itself_among_others(part, given)
            return again or self.mixing
        if not apart or single is None or self._is_by_itself_in_batch(part):
            return again
        if not _agree(given, self.values(part)):
            warnings.warn(
                "the model gives other scores for the same images each time: something random stays on in evaluation "
                "mode. Each map is of one draw.",
                stacklevel=2,
            )
            return again
        warnings.warn(
            "the network mixes the images of a batch: the scores of an image change with those beside it, as by "
            "statistics of the batch or attention over it. Each map is of its own image's score in the batch as given; "
            "give batch_size=1 for each image by itself.",
            stacklevel=2,
        )
        self.mixing = True
        return True

    def _cut_if_known(self, part: Inputs) -> Inputs:
        try:
            return self.cut(part) if part.uncertain() else part
        except ValueError:
            return part

    def single_scores(self, part: Inputs) -> dict[int, Tensor] | None:
        """Scores of the first and of the last image by themselves, or as a pair if the model takes no single ones."""
        ends = [0, part.count - 1]
        single = [self.values_or_none(part.take([end])) for end in ends]
        if all(one is not None and len(one) == 1 for one in single):
            return {end: one[0] for end, one in zip(ends, single, strict=True) if one is not None}
        pair = self.values_or_none(part.take(ends)) if part.count > 2 else None
        return None if pair is None or len(pair) != 2 else dict(zip(ends, pair, strict=True))

    def _is_by_itself_in_batch(self, part: Inputs) -> bool:
        """Whether the first and the last score are the same to the last bit, whatever the other images are.

        Single images differ from those of a batch by rounding, which is much where terms cancel. Batches of one size
        do not.
        """
        image, given = part.image, self.values(part)
        for kept in (0, part.count - 1):
            for others in (image * 0.5, image.flip(-1)):
                others[kept] = image[kept]
                found = self.values_or_none(part.with_image(others))
                if found is None or not torch.equal(found[kept], given[kept]):
                    return False
        return True

    def _is_by_itself_among_others(self, part: Inputs, given: Tensor) -> bool:
        """Whether one image keeps its score beside a fainter copy of itself, as methods that repeat it need."""
        twice = part.repeat(0, 2)
        image = twice.image
        faint = torch.cat([image[:1], image[1:] * 0.5])
        found = self.values_or_none(twice.with_image(faint))
        return found is None or _agree(found[:1], given)


def _same(single: dict[int, Tensor] | None, given: Tensor) -> bool:
    """Whether images have the same scores by themselves as in the batch."""
    noise = _rounding(given)
    return single is not None and all(_agree(given[place], values, noise) for place, values in single.items())


def _rounding(values: Tensor) -> float:
    """How far rounding alone may move scores (B, K), besides a share of their size.

    It goes by how far images lie apart, so that a masked class or an offset of all scores hides no difference.
    """
    finite = values.double().masked_fill(~values.isfinite(), 0)
    apart = finite - finite.median(dim=0).values if len(values) > 1 else finite
    return 20 * _share(values) * float(apart.abs().median()) + 1e-7


def _share(values: Tensor) -> float:
    precise = values.dtype in {torch.float32, torch.float64}
    return 1e-5 if precise and not torch.is_autocast_enabled(values.device.type) else 2e-2


def _agree(one: Tensor, other: Tensor, noise: float | None = None) -> bool:
    """Whether scores are the same up to rounding."""
    if one.shape != other.shape or not torch.equal(one.isfinite(), other.isfinite()):
        return False
    noise = _rounding(one) if noise is None else noise
    finite = one.isfinite()
    values, others = one[finite].double(), other[finite].double()
    return bool(((values - others).abs() <= _share(one) * values.abs() + noise).all())
