"""Models of Keras 3, run by Keras on its torch backend: `.keras` and `.h5`.

Keras runs its own layers, on the weights of modules that have the layers' names. After each layer a hook calls the
module of its name with what the layer gives, channels first.
"""

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.elsewhere.source import module_of
from stratacam.networks.files.keras_ends import without_probabilities
from stratacam.networks.files.opened import OpenedFile, finished
from stratacam.networks.files.tap import LayerTap, Tap, free_name, place, pool_tap

BACKEND = "KERAS_BACKEND"
CONVOLUTIONS = (
    "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
    "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D",
)  # fmt: skip
POOLS = tuple(
    f"{kind}Pooling{axes}D"
    for kind in ("Max", "Average", "AdaptiveMax", "AdaptiveAverage")
    for axes in (1, 2, 3)
)
_running = threading.local()


class KerasNetwork(nn.Module):
    """A model of Keras from (B, channels, *spatial) to logits, with a module for each layer.

    The model itself is an attribute of a subclass: copies of the network share it, as all its state is here.
    """

    model: ClassVar[Any]
    weights: ClassVar[list[tuple[Any, str]]]
    channels_last: ClassVar[bool]
    without_channels: ClassVar[bool]  # the model takes (B, *spatial), of one channel

    def forward(self, images: Tensor) -> Tensor:
        """Run Keras's model on the weights that the modules hold."""
        keras = import_keras()
        outer = getattr(_running, "network", None)
        _running.network = self, images.ndim
        held = {**dict(self.named_parameters(remove_duplicate=False)), **dict(self.named_buffers())}
        try:
            with (
                keras.device(str(images.device)),
                keras.StatelessScope(
                    [(variable, held[name]) for variable, name in self.weights], initialize_variables=False
                ),
            ):
                given = images.squeeze(1) if self.without_channels else self.as_keras(images)
                output: Tensor = self.model(given, training=False)
        finally:
            _running.network = outer
        return output

    def as_keras(self, values: Tensor) -> Tensor:
        """Channels first to the order of the model."""
        return values.movedim(1, -1) if self.channels_last else values

    def as_torch(self, values: Tensor) -> Tensor:
        """The order of the model to channels first."""
        return values.movedim(-1, 1) if self.channels_last else values


def import_keras() -> Any:
    """Keras on its torch backend.

    Raises:
        InputError: it is not installed, or was imported with another backend.
    """
    if "keras" in sys.modules:
        keras = sys.modules["keras"]
    else:
        before = os.environ.get(BACKEND)
        os.environ[BACKEND] = "torch"
        try:
            keras = module_of("keras")
        except ModuleNotFoundError as fault:
            raise InputError(
                f"keras: the package {fault.name} is not installed; expected Keras 3, which reads this file: pip "
                "install 'stratacam[keras]'."
            ) from fault
        finally:
            os.environ.pop(BACKEND)
            if before is not None:
                os.environ[BACKEND] = before
    version = str(getattr(keras, "__version__", "unknown"))
    backend = keras.config.backend() if version.startswith("3.") else None
    if backend != "torch":
        found = f"Keras {version}" + (f" with the backend {backend}" if backend else "")
        raise InputError(
            f"keras: found {found}, already imported; expected Keras 3 with the backend torch: set {BACKEND}=torch "
            "before Python starts, or open the model before anything imports Keras."
        )
    return keras


def open_keras(path: Path) -> nn.Module:
    """Read a whole model of Keras.

    Nothing in the file is run: lambda layers, and layers of classes that Keras does not have, are refused.

    Raises:
        InputError: Keras is absent, or the file holds no such model, or the model has not one input and one output.
    """
    keras = import_keras()
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as fault:
        raise InputError(
            f"{path}: Keras {keras.__version__} does not read this file: {type(fault).__name__} ({_first(fault)}); "
            "expected a whole model of layers that Keras has (no weights alone, no Lambda): save it with "
            "model.save('model.keras'), and define custom layers, with keras.saving.register_keras_serializable, "
            "before."
        ) from fault
    for kind in ("input", "output"):
        count = len(getattr(model, f"{kind}s", None) or ())
        if count != 1:
            names = [str(one.name) for one in getattr(model, f"{kind}s", None) or ()]
            raise InputError(
                f"{path}: found {count} {kind}s ({', '.join(names) or 'of a model that does not name them'}); "
                f"expected one: save a functional or sequential model of one {kind}."
            )
    model, note = without_probabilities(path, keras, model)
    network = _network_of(keras, model)
    batch, *shape = model.inputs[0].shape
    if network.without_channels:
        shape = [1, *shape]
    elif network.channels_last:
        shape = [shape[-1], *shape[:-1]]
    return finished(
        network,
        OpenedFile(path, f"Keras {keras.__version__}", tuple(shape), batch, (note,) if note else ()),
    )


def _first(fault: Exception) -> str:
    lines = str(fault).strip().splitlines() or ["no message"]
    return lines[0][:300]


def _layers_of(model: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Layers of a model and of the models in it, with their names."""
    for layer in model.layers:
        name = before + layer.name.replace(".", "_")
        if hasattr(layer, "layers"):
            yield from _layers_of(layer, f"{name}.")
        elif layer.__class__.__name__ != "InputLayer":
            yield name, layer


def _each_once(layers: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Layers under the first of their names: models may share one."""
    found: dict[int, tuple[str, Any]] = {}
    for name, layer in layers:
        found.setdefault(id(layer), (name, layer))
    return list(found.values())


def _network_of(keras: Any, model: Any) -> KerasNetwork:
    """Modules with the names and the weights of the layers, and hooks that call them."""
    layers = _each_once(_layers_of(model))
    formats = [layer.data_format for _, layer in layers if hasattr(layer, "data_format")]
    order = formats[0] if formats else keras.config.image_data_format()
    axes = [_spatial_axes(layer) for _, layer in layers]
    without = len(model.inputs[0].shape) - 1 == next(filter(None, axes), 0)
    weights: list[tuple[Any, str]] = []
    kind = type(
        "KerasNetwork",
        (KerasNetwork,),
        {
            "model": model,
            "weights": weights,
            "channels_last": order == "channels_last",
            "without_channels": without,
        },
    )
    network: KerasNetwork = kind()
    known: set[int] = set()
    for name, layer in layers:
        tap = _tap_of(layer)
        found = place(network, name, tap)
        _hold(tap, [one for one in layer.variables if id(one) not in known], weights, f"{found}.")
        known |= {id(one) for one in layer.variables}
        layer.register_forward_hook(_calling(found))
    _hold(network, [one for one in model.variables if id(one) not in known], weights, "")
    return network


def _spatial_axes(layer: Any) -> int:
    """Axes over which a convolution or pool works; 0 of other layers."""
    names = {kind.__name__ for kind in type(layer).__mro__}
    return next(
        (axes for axes in (1, 2, 3) for name in names & {*CONVOLUTIONS, *POOLS} if f"{axes}D" in name), 0
    )


def _tap_of(layer: Any) -> Tap:
    names = [kind.__name__ for kind in type(layer).__mro__]
    pool = next((name for name in names if name in POOLS), None)
    tap = pool_tap(int(pool[-2])) if pool else LayerTap() if set(names) & set(CONVOLUTIONS) else Tap()
    tap.kind = type(layer).__name__
    return tap


def _hold(tap: nn.Module, variables: list[Any], weights: list[tuple[Any, str]], before: str) -> None:
    """Register the values of variables with a module, which from then on are the ones that are used."""
    for variable in variables:
        value = variable.value.detach()
        name = free_name(tap, variable.name.replace(".", "_"))
        if value.is_floating_point():
            tap.register_parameter(name, nn.Parameter(value, requires_grad=variable.trainable))
        else:
            tap.register_buffer(name, value)
        weights.append((variable, before + name))


def _calling(name: str) -> Any:
    """A hook of a layer of Keras that calls the module of its name, of the network that is running."""

    def call(_layer: nn.Module, _given: tuple[Any, ...], output: Any) -> Any:
        running = getattr(_running, "network", None)
        if running is None or not isinstance(output, Tensor):
            return None
        network, axes = running
        module = network.get_submodule(name)
        if output.ndim != axes:
            return module(output)
        return network.as_keras(module(network.as_torch(output)))

    return call
