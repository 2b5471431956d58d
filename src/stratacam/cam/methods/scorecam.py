"""Score-CAM: channels weighted by the score of the image seen through each of them."""

import torch
from torch import Tensor

from stratacam.cam.passes import forward_maps, sum_of_channels
from stratacam.cam.scores import Target
from stratacam.cam.tap import Tap
from stratacam.cam.task import RawMaps, Task
from stratacam.cam.views import upsample


def scorecam(task: Task) -> RawMaps:
    """Score-CAM: sum_k w_k A_k with w = softmax over channels of the logit of the image times channel k.

    The channel is upsampled to the image and stretched to [0, 1]; a constant channel shows nothing of the
    image. H. Wang et al., "Score-CAM: score-weighted visual explanations for convolutional neural networks"
    (2020), algorithm 1. The network runs once for every channel, `task.batch_size` channels at a time.
    """

    def one_image(_tap: Tap, activation: Tensor, index: int, target: Target) -> Tensor:
        image = task.inputs.image[index]
        found = []
        for part in torch.split(activation, task.batch_size):
            masks = _stretch(upsample(part[:, None], image.shape[1:])).to(image.dtype)
            inputs = task.inputs.repeat(index, len(part)).with_image(image * masks)
            rows = target.classes[index].expand(len(part), -1)
            found.append(target.score(task.run(inputs), rows))
        weights = torch.cat(found).float().softmax(dim=0)
        return sum_of_channels(weights.T[None], activation[None])[0]

    return forward_maps(task, one_image)


def _stretch(masks: Tensor) -> Tensor:
    """Each mask (n, 1, *spatial) from its minimum and maximum to 0 and 1; a constant one to 0."""
    axes = tuple(range(1, masks.ndim))
    lowest = masks.amin(dim=axes, keepdim=True)
    span = masks.amax(dim=axes, keepdim=True) - lowest
    return torch.where(span > 0, (masks - lowest) / span, torch.zeros_like(masks))
