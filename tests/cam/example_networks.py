"""Small networks of every kind, and the slow, obvious way to a Grad-CAM map of any of them.

Each takes `in_place`: with it, operations after the convolutions change their outputs; without, nothing does.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Plain(nn.Module):
    """Convolutions, ReLUs, a pool, GAP and a linear output."""

    image = (3, 20, 20)

    def __init__(self, in_place=False):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.relu1, self.relu2 = nn.ReLU(in_place), nn.ReLU(in_place)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.pool(self.relu1(self.conv1(x)))
        return self.head(self.relu2(self.conv2(x)).mean(dim=(2, 3)))


class Residual(nn.Module):
    """Two blocks with batch normalisation whose sums and ReLUs may be in place."""

    image = (3, 24, 24)

    def __init__(self, in_place=False):
        super().__init__()
        self.in_place = in_place
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.conv1, self.norm1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.relu = nn.ReLU(in_place)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.relu(self.norm(self.stem(x)))
        y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        if self.in_place:
            y += x
        else:
            y = y + x
        return self.head(self.relu(y).mean(dim=(2, 3)))


class Careless(nn.Module):
    """Changes a convolution's output by statements in place, through a slice, and as a function."""

    image = (2, 12, 12)

    def __init__(self, in_place=False):
        super().__init__()
        self.in_place = in_place
        self.conv1, self.conv2 = nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.conv3 = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = self.conv1(x)
        if self.in_place:
            x.mul_(2.0)
            x.relu_()
        else:
            x = (x * 2.0).relu()
        x = self.conv2(x)
        if self.in_place:
            x[:, :3].add_(1.0)
            F.relu(x, inplace=True)
        else:
            x = F.relu(torch.cat([x[:, :3] + 1.0, x[:, 3:]], dim=1))
        x = self.conv3(x)
        x = torch.relu_(x) if self.in_place else torch.relu(x)
        return self.head(x.mean(dim=(2, 3)))


class Dense(nn.Module):
    """Every layer is given all before it."""

    image = (3, 16, 16)

    def __init__(self, in_place=False):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3 + 4 * step, 4, 3, padding=1) for step in range(3))
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(15, 3)
        self.in_place = in_place

    def forward(self, x):
        for conv in self.convs:
            x = torch.cat([x, F.relu(conv(x), inplace=self.in_place)], dim=1)
        return self.head(self.pool(x).mean(dim=(2, 3)))


class Branches(nn.Module):
    """Parallel kernels of several widths, grouped, depthwise and dilated, joined."""

    image = (4, 18, 18)

    def __init__(self, in_place=False):
        super().__init__()
        self.point = nn.Conv2d(4, 4, 1)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.grouped = nn.Conv2d(4, 4, 5, padding=2, groups=2)
        self.dilated = nn.Conv2d(4, 4, 3, padding=3, dilation=3)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.join = nn.Conv2d(20, 6, 1)
        self.up = nn.ConvTranspose2d(6, 6, 2, stride=2)
        self.relu = nn.ReLU(in_place)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        branches = [self.point(x), self.depthwise(x), self.grouped(x), self.dilated(x), self.pool(x)]
        x = self.up(self.relu(self.join(torch.cat(branches, dim=1))))
        return self.head(self.relu(x).mean(dim=(2, 3)))


class Line(nn.Module):
    """One axis, such as an electrocardiogram."""

    image = (2, 40)

    def __init__(self, in_place=False):
        super().__init__()
        self.conv1, self.pool, self.conv2 = nn.Conv1d(2, 6, 5, padding=2), nn.MaxPool1d(2), nn.Conv1d(6, 4, 3)
        self.relu = nn.ReLU(in_place)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.relu(self.conv2(self.pool(self.relu(self.conv1(x))))).mean(dim=2))


class Volume(nn.Module):
    """Three axes."""

    image = (1, 8, 10, 12)

    def __init__(self, in_place=False):
        super().__init__()
        self.conv1, self.pool, self.conv2 = nn.Conv3d(1, 4, 3, padding=1), nn.MaxPool3d(2), nn.Conv3d(4, 5, 3)
        self.relu = nn.ReLU(in_place)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.relu(self.conv2(self.pool(self.relu(self.conv1(x))))).mean(dim=(2, 3, 4)))


class Flattening(nn.Module):
    """Flattens with `view`, which cannot be done with channels last."""

    image = (3, 8, 8)

    def __init__(self, in_place=False):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.relu = nn.ReLU(in_place)
        self.head = nn.Linear(5 * 64, 3)

    def forward(self, x):
        x = self.conv2(self.relu(self.conv1(x)))
        return self.head(x.view(x.shape[0], -1))


class Twice(nn.Module):
    """One convolution that is called twice, and is registered under two names."""

    image = (3, 14, 14)

    def __init__(self, in_place=False):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.alias = self.again
        self.relu = nn.ReLU(in_place)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.relu(self.again(self.relu(self.stem(x))))
        return self.head(self.relu(self.alias(x)).mean(dim=(2, 3)))


class Tokens(nn.Module):
    """A small vision transformer with a class token."""

    image = (3, 16, 24)
    grid = (4, 6)

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, dropout=0.1)
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.embed(x).flatten(2).mT
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


CONVOLUTIONAL = (Plain, Residual, Careless, Dense, Branches, Line, Volume, Flattening)


def make(kind, in_place=False, seed=0):
    """A network of `kind` with the same weights whether or not it works in place, in training mode."""
    torch.manual_seed(seed)
    model = kind(in_place)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return model


def images_for(model, count=3, seed=5):
    return torch.rand(count, *model.image, generator=torch.Generator().manual_seed(seed))


def activation_and_gradient(model, images, name, classes, call=1):
    """Activation of one call of a layer and the gradient of each image's class there, in the plainest way.

    The network must not work in place.
    """
    found = []

    def keep(_module, _inputs, output):
        found.append(output)

    model = model.eval()
    images = images.clone().requires_grad_()
    hook = model.get_submodule(name).register_forward_hook(keep)
    logits = model(images)
    hook.remove()
    score = sum(logits[image, int(classes[image])] for image in range(len(images)))
    (gradient,) = torch.autograd.grad(score, found[call - 1])
    return found[call - 1].detach(), gradient


class FeaturesLast(nn.Module):
    """As ConvNeXt and Swin: norm and linear layers on (B, rows, columns, channels)."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.mix = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8), nn.Linear(8, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        z = self.mix(self.norm(self.conv(x).permute(0, 2, 3, 1)))
        return self.head(z.relu().mean(dim=(1, 2)))
