"""Maps of every layer of the architectures of timm, against plain autograd.

    .venv/bin/pip install --no-deps -r benchmarks/architectures.txt
    .venv/bin/python -m benchmarks.architectures --count 90

One or more architectures of each of timm's families, the smallest first, with random weights in double precision. Every
layer's Grad-CAM is compared with what hooks of this script and one plain backward give, and where these differ its
gradient and activation with finite differences. It takes about ten minutes on one core.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import stratacam as sc
from benchmarks.stand_in import stand_in

TORCHVISION = (
    "torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.transforms.transforms",
    "torchvision.ops", "torchvision.ops.misc", "torchvision.datasets", "torchvision.datasets.folder",
    "torchvision.models", "torchvision.models.feature_extraction", "torchvision.utils",
)  # fmt: skip
SMALL = (
    "atto",
    "femto",
    "pico",
    "nano",
    "micro",
    "xxtiny",
    "xx_small",
    "xxs",
    "tiny",
    "x_small",
    "xs",
    "small",
    "_s",
)
LARGEST = 60_000_000
"""Parameters."""
TOLERANCE = 1e-5
"""Error of a map, as a share of its largest value; maps are float32."""


def main() -> None:
    """Compare, print a line an architecture, and a summary."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architectures", description=__doc__)
    parser.add_argument("names", nargs="*", help="architectures; default: chosen from all families")
    parser.add_argument("--count", type=int, default=90, help="default %(default)s")
    chosen = parser.parse_args()
    with stand_in(*TORCHVISION):
        import timm  # noqa: PLC0415 - it needs the stand-in
    results: Counter[str] = Counter()
    for name in chosen.names or _candidates(timm):
        if (
            sum(results[kind] for kind in ("right", "refused", "WRONG", "CRASHED")) >= chosen.count
            and not chosen.names
        ):
            break
        start = time.perf_counter()
        kind, words = _tried(timm, name)
        results[kind] += 1
        print(f"{name}: {kind}; {words}; {time.perf_counter() - start:.0f} s", flush=True)
    print(dict(results))
    sys.exit(1 if results["WRONG"] or results["CRASHED"] else 0)


def _candidates(timm: Any) -> Iterator[str]:
    """Architectures by turns of the families: of each the smallest by its name, then the next."""
    families = []
    for family in timm.list_modules():
        names = [
            name for name in timm.list_models(module=family) if "in21k" not in name and "clip" not in name
        ]
        families.append(sorted(names, key=lambda name: (_size(name), len(name), name)))
    for turn in range(max(map(len, families))):
        for names in families:
            if turn < len(names):
                yield names[turn]


def _size(name: str) -> int:
    return next((rank for rank, word in enumerate(SMALL) if word in name), len(SMALL))


def _tried(timm: Any, name: str) -> tuple[str, str]:
    torch.manual_seed(0)
    try:
        model = timm.create_model(name, pretrained=False, num_classes=5)
        if sum(parameter.numel() for parameter in model.parameters()) > LARGEST:
            return "passed over", "too large"
        for parameter in model.parameters():
            if parameter.ndim >= 2 and not parameter.any():
                nn.init.normal_(parameter, std=0.02)  # so that every layer counts
        model = model.double().eval()
        image = torch.randn(1, *_input_size(model), dtype=torch.float64)
        with torch.no_grad():
            target = int(model(image).argmax())
    except Exception as fault:  # noqa: BLE001 - of timm's own
        return "passed over", f"is not built or run: {type(fault).__name__}: {str(fault)[:80]}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            found = sc.explain(model, image)
    except Exception as fault:  # noqa: BLE001 - that is what is looked for
        kind = "refused" if str(fault).startswith("none of the layers has a map") else "CRASHED"
        return kind, f"{type(fault).__name__}: {str(fault)[:200]}"
    wrong = _wrong(model, image, target, found)
    single = sum(maps.raw[0, 0].numel() == 1 for maps in found)
    left_out = f"left out {dict(list(found.left_out.items())[:2])}" if found.left_out else "none left out"
    words = f"{len(found)} layers, {single} of one position, {len(found.left_out)} {left_out}"
    return ("WRONG", f"{wrong}; {words}") if wrong else ("right", words)


def _input_size(model: nn.Module) -> tuple[int, ...]:
    """The network's own input, made smaller where it says that it takes any."""
    size: tuple[int, ...] = model.default_cfg["input_size"]  # type: ignore[index, assignment]
    if model.default_cfg.get("fixed_input_size") or size[1] <= 160:  # type: ignore[operator, union-attr]
        return size
    smaller = (3, 128, 128)
    try:
        with torch.no_grad():
            model(torch.zeros(1, *smaller, dtype=torch.float64))
    except Exception:  # noqa: BLE001 - it does not take any after all
        return size
    return smaller


def _wrong(model: nn.Module, image: Tensor, target: int, found: sc.Explanation) -> list[str]:
    """Layers whose map is neither that of plain autograd nor, which now and then is right instead, of differences."""
    expected = _by_autograd(model, image, target, found.layers)
    wrong = []
    for name, map_of_layer in expected.items():
        raw = found[name].raw[0, 0].double()
        scale = map_of_layer.abs().max().item()
        if (
            raw.shape == map_of_layer.shape
            and (raw - map_of_layer).abs().max().item() <= TOLERANCE * scale + 1e-12
        ):
            continue
        error = _error_by_differences(model, image, target, name)
        if not error <= 1e-3:
            wrong.append(f"{name} {error:.1e}")
    return wrong


def _by_autograd(model: nn.Module, image: Tensor, target: int, layers: tuple[str, ...]) -> dict[str, Tensor]:
    """Grad-CAM of every layer by hooks on its output and one backward."""
    values: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}
    hooks = []
    for module_name in {name.partition("#")[0] for name in layers}:
        calls = Counter[str]()

        def keep(_module: nn.Module, _inputs: Any, output: Tensor, name: str = module_name, calls: Counter[str] = calls) -> Tensor:  # noqa: E501  # fmt: skip
            calls[name] += 1
            label = f"{name}#{calls[name]}" if f"{name}#{calls[name]}" in layers else name
            values[label] = output.detach().clone()
            output.register_hook(lambda gradient: gradients.__setitem__(label, gradient))
            return output.clone()  # what later operations may change in place

        hooks.append(model.get_submodule(module_name).register_forward_hook(keep))
    try:
        model.requires_grad_(requires_grad=True)
        model(image)[0, target].backward()
    finally:
        for hook in hooks:
            hook.remove()
        model.zero_grad()
    zero = torch.zeros((), dtype=torch.float64)
    return {
        name: (
            gradients.get(name, zero.expand_as(values[name])).mean(dim=(2, 3), keepdim=True) * values[name]
        ).sum(1)[0]
        for name in layers
    }


def _error_by_differences(model: nn.Module, image: Tensor, target: int, layer: str) -> float:
    """Error of what a layer's map is made of: its gradient along random directions, and its activation."""
    module_name, _, call = layer.partition("#")
    kept: list[Tensor] = []

    def run(change: Tensor | float) -> float:
        calls = 0

        def moved(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            if calls != int(call or 1):
                return output
            kept[:] = [output.clone()]
            return output + change

        hook = model.get_submodule(module_name).register_forward_hook(moved)
        try:
            with torch.no_grad():
                return float(model(image)[0, target])
        finally:
            hook.remove()

    def ours(function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return (
            sc.explain(model, image, layers=layer, classes=target, method=function)[layer].raw[0, 0].double()
        )

    run(0.0)
    activation = kept[0]
    found = ours(lambda a, _: a.sum(dim=1))
    errors = [float((found - activation[0].sum(dim=0)).abs().max() / activation.abs().sum(dim=1).max())]
    for seed in range(3):
        direction = torch.randn(
            activation.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        along = float(ours(lambda _, g, direction=direction: (g * direction).sum(dim=1)).sum())  # type: ignore[misc]
        size = float(ours(lambda _, g: g.square().sum(dim=1)).sum()) ** 0.5
        by_step = []
        for share in (
            1e-4,
            1e-5,
            1e-6,
        ):  # a large step crosses kinks of ReLUs, a small one is lost in rounding
            step = share * float(activation.std())
            measured = (run(step * direction) - run(-step * direction)) / (2 * step)
            by_step.append(abs(measured - along) / max(size, 1e-300))
        errors.append(min(by_step))
    return max(errors)


if __name__ == "__main__":
    main()
