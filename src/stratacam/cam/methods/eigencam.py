"""Eigen-CAM: the first principal component of the activation, whatever the class."""

import torch
from torch import Tensor


def eigencam(activation: Tensor) -> Tensor:
    """Project the activation on its first right singular vector: A v_1, for A of (positions, channels).

    M. B. Muhammad and M. Yeasin, "Eigen-CAM: class activation map using principal components" (2020).
    The sign of a singular vector is arbitrary: it is chosen so that the map's sum is not negative. The class
    plays no part.

    Args:
        activation: (B, channels, *spatial).

    Returns:
        Raw maps (B, *spatial).

    Example:
        >>> eigencam(torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])).round()
        tensor([[[5., 0.]]])
    """
    features = activation.to(torch.promote_types(activation.dtype, torch.float32)).flatten(2)
    scale = features.abs().amax(dim=(1, 2), keepdim=True)
    precise = torch.float32 if features.device.type == "mps" else torch.float64  # which Apple's GPUs lack
    scaled = torch.where(scale > 0, features / scale, features).to(precise)
    # The eigenvectors of the smaller Gram matrix: channels or positions, whichever are fewer.
    if scaled.shape[1] <= scaled.shape[2]:
        vector = torch.linalg.eigh(scaled @ scaled.mT).eigenvectors[..., -1]
        projected = torch.bmm(vector[:, None], scaled)[:, 0]
    else:
        values, vectors = torch.linalg.eigh(scaled.mT @ scaled)
        rounded = vectors[..., -1] * values[:, -1:].clamp_min(0).sqrt()
        projected = torch.where(scaled.any(dim=1), rounded, 0)  # a position without activation has none
    signed = torch.where(projected.sum(dim=1, keepdim=True) < 0, -projected, projected)
    return (signed * scale[:, 0]).to(features.dtype).reshape(len(features), *activation.shape[2:])
