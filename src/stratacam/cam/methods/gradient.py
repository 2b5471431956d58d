"""Methods that turn a layer's activation and the class score's gradient at it into a map.

In every formula A_k is channel k of the activation, g_k the gradient of the class logit at it, Z the number of
positions, and sums over i run over positions. Maps are signed where the formula is: the ReLU that the papers
end with is left to the view.
"""

import torch
from torch import Tensor

from stratacam.cam.passes import exactly, sum_of_channels

HALF = {torch.float16, torch.bfloat16}
WINDOW = 5
"""Cells along each side of the middle scale of `multiscale_gradcam`."""


def gradcam(gradient: Tensor) -> Tensor:
    """Grad-CAM: sum_k alpha_k A_k with the weights alpha_k = sum_i g_ki / Z, in the unit of the logit.

    R. R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization"
    (2017), equations 1 and 2.

    Args:
        gradient: of the class logit at the activation, (B, channels, *spatial).

    Returns:
        The weights (B, channels).

    Example:
        >>> gradcam(torch.tensor([[[[1.0, 3.0]], [[-1.0, -1.0]]]]))
        tensor([[ 2., -1.]])
    """
    half = gradient.dtype in HALF
    return gradient.flatten(2).mean(dim=2, dtype=torch.float32 if half else None)


def gradcam_plus_plus(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM++: sum_k w_k A_k with w_k = sum_i alpha_ki relu(g_ki).

    alpha_ki = g_ki^2 / (2 g_ki^2 + sum_j A_kj g_ki^3), which is 1 / (2 + g_ki sum_j A_kj) where the gradient is
    not zero, and 0 where it is. A. Chattopadhay et al., "Grad-CAM++" (2018), equation 19; the factor
    exp(y) of its score exp(y), the same for the whole map, is left out.

    Args:
        activation: (B, channels, *spatial).
        gradient: of the class logit, same shape.

    Returns:
        Raw maps (B, *spatial).
    """
    gradient, positive = _single(gradient), _single(gradient).clamp_min(0)
    total = _single(activation).flatten(2).sum(dim=2)
    denominator = 2 + gradient.flatten(2) * total[..., None]
    usable = (positive.flatten(2) > 0) & (denominator.abs() > torch.finfo(denominator.dtype).eps)
    weights = torch.where(usable, positive.flatten(2) / denominator, torch.zeros_like(denominator)).sum(dim=2)
    return sum_of_channels(weights[:, None], activation)[:, 0]


def xgradcam(activation: Tensor, gradient: Tensor) -> Tensor:
    """XGrad-CAM: sum_k w_k A_k with w_k = sum_i A_ki g_ki / sum_i A_ki; 0 for a channel whose sum is 0.

    R. Fu et al., "Axiom-based Grad-CAM" (2020).

    Args and returns as `gradcam_plus_plus`.
    """
    features = _single(activation).flatten(2)
    total = features.sum(dim=2)
    with exactly(features):
        product = torch.einsum("bkp,bkp->bk", features, _single(gradient).flatten(2))
    weights = torch.where(total != 0, product / total, torch.zeros_like(total))
    return sum_of_channels(weights[:, None], activation)[:, 0]


def hirescam(activation: Tensor, gradient: Tensor) -> Tensor:
    """HiResCAM: sum_k g_k A_k position by position, in the unit of the logit.

    R. L. Draelos and L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of
    convolutional neural networks" (2020).

    Args and returns as `gradcam_plus_plus`.
    """
    return (_single(gradient) * _single(activation)).sum(dim=1)


def multiscale_gradcam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM at three scales: sum_k w_k A_k with w_ki the mean of three weights of a channel at position i.

    These are g_ki itself, as in HiResCAM, its mean over `WINDOW` cells around i, and its mean over the map, as in
    Grad-CAM: one gradient is noisy, and the mean of all says nothing of where. So the map is the mean of the maps of
    HiResCAM, of that with smoothed gradients, and of Grad-CAM. At the border the window is what lies in the map.

    Args and returns as `gradcam_plus_plus`.
    """
    own = _single(gradient)
    near = own
    for axis in range(2, own.ndim):
        cells = torch.arange(own.shape[axis], device=own.device)
        window = ((cells[:, None] - cells).abs() <= WINDOW // 2).to(own)
        mean = window / window.sum(dim=1, keepdim=True)  # over the window: over one axis after the other
        with exactly(near):
            near = torch.movedim(torch.movedim(near, axis, -1) @ mean.T, -1, axis)
    everywhere = own.mean(dim=tuple(range(2, own.ndim)), keepdim=True)
    return ((own + near + everywhere) / 3 * _single(activation)).sum(dim=1)


def layercam(activation: Tensor, gradient: Tensor) -> Tensor:
    """LayerCAM: sum_k relu(g_k) A_k position by position, in the unit of the logit.

    P.-T. Jiang et al., "LayerCAM: exploring hierarchical class activation maps for localization"
    (2021).

    Args and returns as `gradcam_plus_plus`.
    """
    return (_single(gradient).clamp_min(0) * _single(activation)).sum(dim=1)


def gradient_x_activation(activation: Tensor, gradient: Tensor) -> Tensor:
    """Gradient times activation, rectified in each channel: sum_k relu(g_k A_k), in the unit of the logit.

    Without the ReLU the sum is `hirescam`; with it, channels that speak against the class do not cancel those
    that speak for it. Gradient times input at a hidden layer: A. Shrikumar et al., "Not just a black box"
    (2016).

    Args and returns as `gradcam_plus_plus`.
    """
    return (_single(gradient) * _single(activation)).clamp_min(0).sum(dim=1)


def _single(values: Tensor) -> Tensor:
    """At least in single precision: half precision would lose the sums."""
    return values.float() if values.dtype in HALF else values
