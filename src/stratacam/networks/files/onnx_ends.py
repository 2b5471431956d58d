"""What operators of ONNX at the end of a network do to probabilities."""

from stratacam.networks.files.builder import Builder
from stratacam.networks.files.graph import Step, Weight
from stratacam.networks.files.onnx_operators import TYPES
from stratacam.networks.files.probabilities import CLAMP, SAME, SIGMOID, SOFTMAX, End

SOFTMAXES, SIGMOIDS = ("Softmax", "LogSoftmax"), ("Sigmoid", "HardSigmoid")
FLOATING = {number for number, kind in TYPES.items() if kind.is_floating_point}
RESHAPING = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout")


def end_of(builder: Builder, step: Step) -> End | None:
    """What an operator does, see `End`."""
    name = getattr(step.call, "kind", "")
    if name in SOFTMAXES:
        axis, old = step.named.get("axis"), step.named["opset"] < 13
        if old:
            return End(SOFTMAX, name, start=1 if axis is None else axis)
        return End(SOFTMAX, name, axis=-1 if axis is None else axis)
    if name in SIGMOIDS:
        return End(SIGMOID, name)
    if name == "Clip":
        low, high = (_limit(builder, step, place, key) for place, key in ((1, "min"), (2, "max")))
        return End(CLAMP, limits=(low, high))
    same = name in RESHAPING or (name == "Cast" and step.named["to"] in FLOATING)
    return End(SAME) if same else None


def _limit(builder: Builder, step: Step, place: int, key: str) -> float | None:
    given = step.arguments[place] if len(step.arguments) > place else step.named.get(key)
    if isinstance(given, Weight):
        return float(builder.state[given.name])
    return given if given is None or isinstance(given, float) else float("nan")
