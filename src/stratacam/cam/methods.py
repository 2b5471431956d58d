"""Methods that turn a layer's activation and the class score's gradient at it into a map."""

from torch import Tensor


def gradcam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM before its ReLU: sum over channels of the mean gradient times the activation.

    alpha_k is the mean over positions of dy/dA_k, and the map is sum_k alpha_k A_k, signed, in the unit of
    the logit. R. R. Selvaraju et al., "Grad-CAM" (2017), equations 1 and 2; the ReLU is left to the view.

    Args:
        activation: (B, channels, *spatial).
        gradient: of the class logit, same shape.

    Returns:
        Raw maps (B, *spatial), float32.

    Example:
        >>> import torch
        >>> activation = torch.tensor([[[[1.0, 2.0]], [[3.0, 5.0]]]])
        >>> gradient = torch.tensor([[[[1.0, 3.0]], [[-1.0, -1.0]]]])
        >>> gradcam(activation, gradient)
        tensor([[[-1., -1.]]])
    """
    positions = tuple(range(2, activation.ndim))
    weights = gradient.float().mean(dim=positions, keepdim=True)
    return (weights * activation.float()).sum(dim=1)
