"""Networks with seeded random weights whose maps are not degenerate."""

import torch
from torch import Tensor, nn

from stratacam.networks import SideBySide, build

CLASSES = 3


class GridNetwork(nn.Module):
    """Convolutions, a GRU along the rows, attention over all positions, and each time back to the image's grid."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 7, stride=4, padding=3)
        self.pool = nn.MaxPool2d(2)
        self.rows = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.mixed = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.last = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.head = nn.Linear(2 * width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, CLASSES)."""
        features = self.pool(self.stem(4 * images - 2).relu())
        count, width, height, length = features.shape
        rows, _ = self.rows(features.permute(0, 2, 3, 1).reshape(count * height, length, width))
        features = self.mixed(rows.reshape(count, height, length, width).permute(0, 3, 1, 2)).relu()
        tokens = self.norm(features.flatten(2).mT)
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(self.last(tokens.mT.reshape(features.shape)).relu().mean(dim=(2, 3)))


def make(name: str) -> nn.Module:
    """A network in evaluation mode: of the registry, "<name>, brain-only", "<name>, consensus", or "recurrent"."""
    architecture, _, kind = name.partition(", ")
    if name == "recurrent":
        torch.manual_seed(0)
        return GridNetwork().eval()
    if kind == "consensus":
        members = [_built(architecture, seed=seed) for seed in range(3)]
        for member in members[1:]:  # the first layers are shared, as frozen ones are
            for layer, same in zip(list(member.children())[:8], members[0].children(), strict=False):
                layer.load_state_dict(same.state_dict())
        return SideBySide(members, shared=8)
    return _built(architecture, seed=0, brain_only=kind == "brain-only")


def inputs(name: str, batch: int, size: int) -> tuple[Tensor, ...]:
    """Smooth noise in [0, 1], (batch, 3, size, size), and a disc for a brain if the network sees it alone."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, 3, max(size // 8, 2), max(size // 8, 2), generator=generator)
    smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    images = (0.7 * smooth + 0.3 * torch.rand(batch, 3, size, size, generator=generator)).clamp(0, 1)
    if not name.endswith("brain-only"):
        return (images,)
    axis = torch.linspace(-1, 1, size)
    disc = (axis[:, None] ** 2 + axis**2 < 0.6).float()
    return images, disc.expand(batch, 1, size, size).contiguous()


def _built(architecture: str, *, seed: int, brain_only: bool = False) -> nn.Module:
    model = build(architecture, CLASSES, weights="none", seed=seed, brain="features" if brain_only else "off")
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics as training leaves them: not 0 and 1
            module.running_mean.copy_(0.2 * torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
    return model.eval()
