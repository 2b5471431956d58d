"""Receptive fields against published values, hand calculation, and the input's own gradients."""

import pytest
import torch
from example_networks import Branches, Dense, Residual, Tokens, images_for, make
from torch import nn
from torch.nn import functional as F

import stratacam as sc


class ResNet18(nn.Module):
    """K. He et al. (2016), as in torchvision, with few channels."""

    class Block(nn.Module):
        def __init__(self, before, after, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(after)
            self.down = nn.Conv2d(before, after, 1, stride, bias=False) if stride > 1 else nn.Identity()

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(y + self.down(x))

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for stage, stride in enumerate((1, 2, 2, 2), 1):
            setattr(self, f"layer{stage}", nn.Sequential(self.Block(4, 4, stride), self.Block(4, 4, 1)))

    def forward(self, x):
        x = self.maxpool(F.relu(self.conv1(x)))
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean(dim=(2, 3))


def test_resnet_18_has_the_published_field():
    layers = {layer.name: layer for layer in sc.list_layers(ResNet18(), torch.rand(1, 3, 64, 64))}
    # A. Araujo et al., "Computing receptive fields of convolutional neural networks" (Distill 2019): 435, stride 32
    assert layers["layer4.1.conv2"].receptive_field == (435, 435)
    assert layers["layer4.1.conv2"].stride == (32, 32)
    assert layers["layer4.0.down"].receptive_field[0] < 435


def positive(model):
    """The same network with weights above 0, so that no gradient cancels and no maximum hides an input."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(parameter.abs() + 0.1 if name.endswith("weight") else torch.zeros_like(parameter))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
        if isinstance(module, nn.MaxPool2d | nn.MaxPool1d | nn.MaxPool3d):
            module.forward = lambda x, m=module: F.avg_pool2d(x, m.kernel_size, m.stride, m.padding)
    return model.eval()


@pytest.mark.parametrize("kind", [Residual, Dense, Branches, ResNet18], ids=lambda kind: kind.__name__)
def test_field_is_exactly_where_the_input_has_a_gradient(kind):
    model = positive(kind() if kind is ResNet18 else make(kind))
    channels = 3 if kind is ResNet18 else kind.image[0]
    example = torch.rand(1, channels, 96, 96)
    found = {}
    for layer in sc.list_layers(model, example):
        if layer.receptive_field is None or layer.receptive_field[0] > 70:
            continue
        image = example.clone().requires_grad_()
        kept = []
        hook = model.get_submodule(layer.name).register_forward_hook(
            lambda _m, _i, output, kept=kept: kept.append(output)
        )
        model(image)
        hook.remove()
        centre = kept[0].shape[-1] // 2
        (gradient,) = torch.autograd.grad(kept[0][0, :, centre, centre].sum(), image)
        reached = gradient[0].abs().sum(dim=0).nonzero()
        extent = reached.amax(dim=0) - reached.amin(dim=0) + 1
        found[layer.name] = (tuple(extent.tolist()), layer.receptive_field)
    assert len(found) >= 3
    for name, (measured, stated) in found.items():
        assert measured == stated, name


def test_what_averages_over_the_image_sees_all_of_it():
    class Squeezed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.squeeze, self.after = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            x = self.conv(x)
            return self.after(x * self.squeeze(x.mean(dim=(2, 3), keepdim=True)).sigmoid())

    fields = {
        layer.name: layer.receptive_field for layer in sc.list_layers(Squeezed(), torch.rand(1, 1, 12, 16))
    }
    assert fields == {"conv": (3, 3), "squeeze": (12, 16), "after": (12, 16)}


def test_upsampling_narrows_the_steps():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1),  # field 3, step 2
        nn.Upsample(scale_factor=2, mode="nearest"),  # step 1
        nn.Conv2d(2, 2, 3, padding=1),  # 3 + 2 x 1
        nn.ConvTranspose2d(2, 2, 2, stride=2),  # kernel within one step: 5, step 1/2
        nn.Conv2d(2, 1, 3, padding=1),  # 5 + 2 x 1/2
    )
    layers = sc.list_layers(model, torch.rand(1, 1, 16, 16))
    assert [layer.receptive_field for layer in layers] == [(3, 3), (5, 5), (5, 5), (6, 6)]


def test_axes_have_fields_of_their_own_and_one_axis_is_enough():
    model = nn.Sequential(nn.Conv2d(1, 1, (3, 5), dilation=(1, 2)), nn.AvgPool2d((2, 1)))
    assert [layer.receptive_field for layer in sc.list_layers(model, torch.rand(1, 1, 20, 20))] == [
        (3, 9),
        (4, 9),
    ]
    line = nn.Sequential(nn.Conv1d(1, 1, 5), nn.MaxPool1d(2), nn.Conv1d(1, 1, 3))
    assert [layer.receptive_field for layer in sc.list_layers(line, torch.rand(1, 1, 30))] == [
        (5,),
        (6,),
        (10,),
    ]


def test_what_cannot_be_followed_is_not_made_up():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.after = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 1)

        def forward(self, x):
            x = self.conv(x)
            return self.after(x @ x.mT)

    fields = [layer.receptive_field for layer in sc.list_layers(Mixed(), torch.rand(1, 1, 8, 8))]
    assert fields == [(3, 3), None]
    torch.manual_seed(0)
    assert [layer.name for layer in sc.list_layers(Tokens(), images_for(Tokens))] == ["embed"]
