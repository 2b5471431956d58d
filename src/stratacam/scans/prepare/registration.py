"""Registration that is checked: kept only where it makes the images agree, and doubted aloud where they do not."""

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK

from stratacam.scans.agreement import SAME_HEAD, BrainPoints, blur, shared_information
from stratacam.scans.register import Registration

MAXIMUM_ROTATION = 45.0  # degrees between two scans of one session
MAXIMUM_SHIFT = 120.0  # mm at the brain's centre
CLEARLY_LESS = 0.02  # nats
CLEAR_SHARE = 0.1  # of what is shared by the headers


@dataclass(frozen=True)
class CheckedRegistration:
    """The position of a sequence, and how reliable it is.

    Attributes:
        found: the registration.
        transform: LPS mm, from points of the T1w to points of the sequence; the identity where it fell back.
        shared_before: nats that T1w and sequence share inside the brain by the headers alone.
        shared_after: the same, registered.
        rotation: degrees, as found.
        shift: mm by which the brain's centre was found to move.
        doubts: what is wrong with it, as sentences; empty if nothing is.
    """

    found: Registration
    transform: SimpleITK.Transform
    shared_before: float
    shared_after: float
    rotation: float
    shift: float
    doubts: tuple[str, ...]

    @property
    def fell_back(self) -> bool:
        """Whether the headers were kept instead."""
        return self.transform is not self.found.transform


def check_registration(
    points: BrainPoints, image: SimpleITK.Image, found: Registration
) -> CheckedRegistration:
    """Keep to the headers where a registration clearly makes the brain agree less.

    The headers are kept if T1w and sequence share clearly less information inside the brain registered than by the
    headers (by 0.02 nats and by a tenth); or if the transform turns or moves the brain implausibly far and does not
    make them agree either. Whichever is kept, images that share less than two sequences of one head do are flagged:
    another person's, or not aligned.

    Args:
        points: the T1w at points of its brain.
        image: the sequence, float32.
        found: how the sequence was laid over the T1w.
    """
    headers = SimpleITK.Euler3DTransform()
    blurred = blur(image)
    before = shared_information(points, blurred, headers)
    after = shared_information(points, blurred, found.transform)
    rotation, shift = _motion(found.transform, points.centre)
    doubts = []
    if after < SAME_HEAD and (rotation > MAXIMUM_ROTATION or shift > MAXIMUM_SHIFT):
        doubts.append(
            f"the registration turns the head by {rotation:.0f} degrees and moves it by {shift:.0f} mm, which is "
            "implausible within a session; the position in the header is kept"
        )
    elif after < before - max(CLEARLY_LESS, CLEAR_SHARE * before):
        doubts.append(
            f"registered, T1w and sequence share clearly less ({after:.2f} nats) than by the headers "
            f"({before:.2f}); the position in the header is kept"
        )
    fell_back = bool(doubts)
    shared = before if fell_back else after
    if shared < SAME_HEAD:
        doubts.append(
            f"shares {shared:.2f} nats with the T1w inside the brain; expected at least {SAME_HEAD:.2f}: it is of "
            "another person, damaged, or not aligned"
        )
    transform = headers if fell_back else found.transform
    return CheckedRegistration(found, transform, before, after, rotation, shift, tuple(doubts))


def _motion(transform: SimpleITK.Euler3DTransform, centre: tuple[float, ...]) -> tuple[float, float]:
    """Degrees of the rotation, and mm by which `centre` moves."""
    turn = np.reshape(transform.GetMatrix(), (3, 3))
    angle = math.degrees(math.acos(min(1.0, max(-1.0, (float(np.trace(turn)) - 1) / 2))))
    return angle, float(np.linalg.norm(np.subtract(transform.TransformPoint(centre), centre)))
