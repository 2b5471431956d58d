"""Whether a given classifier gives logits, which maps explain, and whether the cohort has those it was trained on."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stratacam.cam.output_kind import gives_squashed
from stratacam.errors import InputError, some_of
from stratacam.networks import GivenCard, inputs_of

SCALES = (1.0, -1.0, 10.0, -10.0, 100.0, -100.0)
"""Of the noise that spreads logits apart, which probabilities cannot follow."""

SPAN = 0.5
"""How far apart outputs in [0, 1] must lie to be probabilities: logits of noise may all be nearly the same."""

NOISE_SEED = 0
TOLERANCE = 1e-3


def check_logits(card: Path, network: nn.Module, channels: int, shape: tuple[int, ...]) -> None:
    """Refuse a classifier whose outputs are probabilities: by the operations that gave them, and by their values.

    Values are of noise as pictures have it, and of noise far beyond. Logits leave [0, 1] there, and rows of them do
    not sum to 1; the first input on which they do ends the check.

    Args:
        card: of the classifier, for the message.
        network: see `stratacam.networks.given.open_given`.
        channels: of pictures.
        shape: of pictures, (rows, columns), or (slices, rows, columns) of volumes.

    Raises:
        InputError: they are.
    """
    found: list[Tensor] = []
    reasons = {
        "its values stay in [0, 1]",
        "its rows sum to 1",
        "its rows are logarithms of numbers that sum to 1",
    }
    for pictures in _spread(channels, shape):
        inputs = inputs_of(network, pictures, torch.ones(1, 1, *shape))
        with torch.no_grad():
            logits = network(*inputs)
        if not found and gives_squashed(network, inputs):
            raise _refusal(card, logits, "a softmax, sigmoid, exponential or the like gave it")
        outputs = _outputs(logits)
        if pictures.min() >= 0 and pictures.max() <= 1 and not bool(outputs.isfinite().all()):
            raise InputError(
                f"{card}: its classifier gives {outputs[0].tolist()} for a picture of noise in [0, 1]; expected finite "
                "logits: see whether its weights, and the card's mean and deviation, are right."
            )
        if bool(outputs.isfinite().all()):
            found.append(outputs)
            reasons &= _reasons(outputs)
        if not reasons:
            return
    if not found:
        return
    several = torch.cat(found)
    if float(several.max() - several.min()) < SPAN:
        reasons -= {"its values stay in [0, 1]"}
    if reasons:
        raise _refusal(card, found[0], ", and ".join(sorted(reasons)))


def _spread(channels: int, shape: tuple[int, ...]) -> Iterator[Tensor]:
    """A picture (1, C, *spatial) of noise in [0, 1], and noise of several scales and both signs."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    yield torch.rand(1, channels, *shape, generator=generator)
    for scale in SCALES:
        yield scale * torch.rand(1, channels, *shape, generator=generator)
        yield scale * torch.randn(1, channels, *shape, generator=generator)


def _outputs(logits: Tensor) -> Tensor:
    """What the classifier gave: two logits that differ by one output, see `open_given`, are that output."""
    halves = logits.shape[1] == 2 and torch.equal(logits[:, 0], -logits[:, 1])
    return 2 * logits[:, 1:] if halves else logits


def _reasons(outputs: Tensor) -> set[str]:
    """What says that outputs (B, K) of one input are probabilities."""
    several = outputs.shape[1] > 1
    reasons = set()
    if bool(((outputs >= 0) & (outputs <= 1)).all()):
        reasons.add("its values stay in [0, 1]")
    if several and bool((outputs >= 0).all()) and _are_one(outputs.sum(dim=1)):
        reasons.add("its rows sum to 1")
    if several and bool((outputs <= 0).all()) and _are_one(outputs.exp().sum(dim=1)):
        reasons.add("its rows are logarithms of numbers that sum to 1")
    return reasons


def _are_one(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < TOLERANCE).all())


def _refusal(card: Path, outputs: Tensor, reason: str) -> InputError:
    return InputError(
        f"{card}: its classifier gives {[round(value, 4) for value in _outputs(outputs)[0].tolist()]} for a picture of "
        f"noise, which are probabilities, as {reason}; expected logits, as maps explain these: save it without its "
        "softmax or sigmoid."
    )


def trained_on(given: GivenCard) -> set[str]:
    """People of a classifier's training as its card names them, such as "sub-01"."""
    return {f"sub-{name.removeprefix('sub-')}" for name in given.trained_on}


def check_trained_on(given: GivenCard | None, scans: Sequence[str]) -> str:
    """Hold the names in `trained_on` against the people of the cohort.

    A name that is somebody's but for its spelling is refused, as that person would be judged as if the classifier had
    not seen them. Others may be people of the training who are not of the cohort.

    Args:
        given: the card of a classifier, if there is one.
        scans: names of all scans of the cohort, also of those that are left out.

    Returns:
        Who is not of the cohort, in words; "" if there is nobody.

    Raises:
        InputError: a name is spelled otherwise than in the cohort, or there is nobody else.
    """
    people = sorted({name.partition("_")[0] for name in scans})
    if given and people and set(people) <= trained_on(given):
        raise InputError(
            f"{given.file}, model.trained_on: names all {len(people)} people of the cohort; expected somebody whom the "
            "classifier has not seen, as accuracy and maps are of these: give other scans."
        )
    unknown = trained_on(given) - set(people) if given else set()
    if not given or not unknown:
        return ""
    names = [name for name in given.trained_on if f"sub-{name.removeprefix('sub-')}" in unknown]
    meant = {name: [one for one in people if _plain(one) == _plain(name)] for name in names}
    hints = [f"{' or '.join(same)} by {name!r}" for name, same in meant.items() if same]
    if hints:
        raise InputError(
            f"{given.file}, model.trained_on: found names that nobody of the cohort has; did you mean "
            f"{', '.join(hints)}? Expected people such as {some_of(people, 6)}: correct the names."
        )
    return f"{len(names)} of {len(given.trained_on)} people in trained_on are not of the cohort: {some_of(names, 6)}"


def _plain(name: str) -> str:
    """The label of a person without case, session, spaces, and zeros in front of numbers."""
    label = re.sub("^sub-?", "", name.strip().casefold()).partition("_")[0]
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"[^a-z0-9]", "", label))
