"""Arguments beside the image: which are cut with the batch, moved, copied, and which are left whole."""

import numpy as np
import pytest
import torch
from plain_autograd import assert_same_map, gradcam
from torch import nn
from torch.nn import functional as F

import stratacam as sc
from stratacam.cam.inputs import read_inputs


def images(count):
    return torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(count))


class Prompted(nn.Module):
    """Similarity of each image to each of a list of texts: not one text for each image."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.words = nn.Conv2d(3, 8, 3), nn.Embedding(30, 8)

    def forward(self, image, text):
        seen = F.normalize(self.conv(image).relu().mean((2, 3)), dim=1)
        return 10 * seen @ F.normalize(self.words(text).mean(1), dim=1).T


class BySite(nn.Module):
    """A bias for each image's scanner, read entry by entry."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.bias, self.head = (
            nn.Conv2d(3, 8, 3),
            nn.Parameter(3 * torch.randn(4, 8)),
            nn.Linear(8, 3),
        )

    def forward(self, x, site):
        site = site["site"] if isinstance(site, dict) else site
        bias = torch.stack([self.bias[int(site[place])] for place in range(len(x))])
        return self.head((self.conv(x) + bias[..., None, None]).relu().mean((2, 3)))


SITES = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0]


@pytest.mark.parametrize(
    ("count", "texts", "batch_size"), [(16, 16, 8), (5, 5, 2), (10, 5, 5), (3, 5, 8), (1, 2, 8)]
)
def test_as_many_prompts_as_images_are_not_cut(count, texts, batch_size):
    """16 prompts for 16 images were, silently."""
    model, text = Prompted(), torch.randint(0, 30, (texts, 7), generator=torch.Generator().manual_seed(0))
    found = sc.explain(model, (images(count), text), classes=0, batch_size=batch_size)
    torch.testing.assert_close(found.logits, model(images(count), text).detach())
    expected = gradcam(model, (images(count), text), "conv", lambda z: z[:, 0].sum())
    assert_same_map(found["conv"].raw[:, 0], expected)


@pytest.mark.parametrize("method", ["scorecam", "ablationcam"])
def test_methods_that_repeat_an_image_do_not_repeat_prompts(method):
    model, text = Prompted(), torch.randint(0, 30, (4, 7), generator=torch.Generator().manual_seed(0))
    options = {"layers": "conv", "method": method, "classes": 3}
    together = sc.explain(model, (images(4), text), **options)["conv"].raw
    for place in range(4):
        alone = sc.explain(model, (images(4)[place : place + 1], text), **options)["conv"].raw
        torch.testing.assert_close(together[place : place + 1], alone, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "site",
    [
        SITES,
        tuple(SITES),
        np.array(SITES),
        torch.tensor(SITES),
        {"site": torch.tensor(SITES)},
        {"site": SITES},
    ],
    ids=["list", "tuple", "array", "tensor", "tensor in a dictionary", "list in a dictionary"],
)
@pytest.mark.parametrize("method", ["gradcam", "scorecam"])
def test_entries_of_images_are_cut_whatever_holds_them(site, method):
    model, x = BySite(), images(12)
    found = sc.explain(model, (x, site), layers="conv", method=method, batch_size=8, classes=1)
    torch.testing.assert_close(found.logits, model(x, site).detach())
    if method == "gradcam":
        assert_same_map(found["conv"].raw[:, 0], gradcam(model, (x, site), "conv", lambda z: z[:, 1].sum()))


def test_a_caller_may_say_which_arguments_are_the_images():
    model, x = BySite(), images(40)
    sites = [place % 4 for place in range(40)]
    said = sc.explain(model, (x, sites), per_image=[1], classes=1)
    torch.testing.assert_close(said.logits, model(x, sites).detach())
    named = sc.explain(model, (x,), kwargs={"site": sites}, per_image=["site"], classes=1)
    assert torch.equal(named["conv"].raw, said["conv"].raw)
    prompts = torch.randint(0, 30, (40, 7), generator=torch.Generator().manual_seed(0))
    whole = sc.explain(Prompted(), (x, prompts), per_image=[], classes=1)
    torch.testing.assert_close(whole.logits, Prompted()(x, prompts).detach())


def test_what_cannot_be_told_is_asked():
    """With more images than are run at once, prompts and entries of images look alike."""
    prompts = torch.randint(0, 30, (40, 7), generator=torch.Generator().manual_seed(0))
    with pytest.raises(
        ValueError, match=r"input 1 has 40 entries for 40 images.*per_image=\[1\] if so, or per_image=\[\]"
    ):
        sc.explain(Prompted(), (images(40), prompts))
    with pytest.raises(ValueError, match="per_image: input 1 does not have 12 entries"):
        sc.explain(BySite(), (images(12), [0, 1]), per_image=[1])
    with pytest.raises(ValueError, match=r"no input per_image=7; the inputs are 0, 1"):
        sc.explain(BySite(), (images(12), SITES), per_image=[7])


def test_all_tensors_are_copied_and_moved_and_none_of_the_callers_is_changed():
    given = read_inputs(
        (torch.rand(4, 3, 8, 8), torch.rand(1, 3)), {"more": [torch.rand(5), {"a": torch.rand(2)}]}, None
    )
    moved = given.copied(torch.device("meta"))
    assert [value.device.type for value in moved.tensors()] == ["meta"] * 4

    class Changing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

        def forward(self, x, weight, numbers):
            x.add_(1)
            weight.mul_(2)
            numbers += 1
            return self.head(self.conv(x).relu().mean((2, 3))) * weight

    x, weight, numbers = images(4), torch.ones(1, 3), np.zeros(3)
    before = x.clone()
    sc.explain(Changing(), (x, weight, numbers))
    assert torch.equal(x, before)
    assert torch.equal(weight, torch.ones(1, 3))
    assert not numbers.any()


def test_images_in_lists_and_dictionaries_are_found_and_cut():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

        def forward(self, both):
            one, other = both.values() if isinstance(both, dict) else both
            return self.head((self.conv(one) - self.conv(other)).abs().mean((2, 3)))

    one, other = images(5), images(5).flip(0)
    for both in ([one, other], (one, other), {"one": one, "other": other}):
        found = sc.explain(Pair(), (both,), batch_size=2)
        torch.testing.assert_close(found.logits, Pair()(both).detach())
        expected = gradcam(Pair(), (both,), "conv", lambda z: z.amax(1).sum(), call=2)
        assert_same_map(found["conv#2"].raw[:, 0], expected)


class Counting(nn.Module):
    """Asks for the batch's axis before any layer runs."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, image):
        count, _, _, _ = image.shape
        return self.conv(image).mean((2, 3)).reshape(count, 2)


def test_an_image_without_the_batchs_axis_is_named_beside_what_the_network_says():
    with pytest.raises(ValueError, match="not enough values to unpack") as raised:
        sc.explain(Counting(), images(1)[0])
    assert any("give image[None]" in note for note in raised.value.__notes__)
    with pytest.raises(RuntimeError) as raised:
        sc.explain(Counting(), images(1)[:, :2])  # another fault, with the batch's axis
    assert not hasattr(raised.value, "__notes__")


def test_wrong_forms_of_input_are_refused_with_the_remedy():
    model = BySite()
    with pytest.raises(TypeError, match=r"inputs is a dict.*by name go to kwargs, with inputs=\(\)"):
        sc.explain(model, {"x": images(2)})
    with pytest.raises(TypeError, match=r"inputs is a ndarray.*torch.from_numpy\(array\).float\(\)"):
        sc.explain(model, images(2).numpy())
    with pytest.raises(TypeError) as fault:
        sc.explain(nn.Sequential(nn.Conv2d(3, 4, 3)), [images(1)[0], images(1)[0]])
    assert "Several images are one tensor, torch.stack(images)" in fault.value.__notes__[0]
    with pytest.raises(
        ValueError, match="Token ids have no gradient: explain the rest of the network from their embedding"
    ):
        sc.explain(nn.Sequential(nn.Embedding(9, 4)), torch.zeros(2, 7, dtype=torch.long))
    for network, image in ((nn.Conv2d(3, 8, 3), (3, 16, 16)), (nn.Conv3d(1, 8, 3), (1, 9, 9, 9))):
        with pytest.raises(ValueError, match=r"one image without the batch's axis.*give image\[None\]"):
            sc.explain(nn.Sequential(network, nn.AdaptiveAvgPool2d(1), nn.Flatten()), torch.rand(image))


def test_embedded_tokens_are_explained():
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.words, self.conv, self.head = nn.Embedding(50, 8), nn.Conv1d(8, 12, 3), nn.Linear(12, 3)

        def rest(self, embedded):
            return self.head(self.conv(embedded).relu().amax(2))

    class Rest(nn.Module):
        def __init__(self, whole):
            super().__init__()
            self.whole = whole

        def forward(self, embedded):
            return self.whole.rest(embedded)

    text = Text()
    embedded = text.words(
        torch.randint(0, 50, (3, 20), generator=torch.Generator().manual_seed(0))
    ).mT.detach()
    found = sc.explain(Rest(text), embedded)
    expected = gradcam(Rest(text), embedded, "whole.conv", lambda z: z.amax(1).sum())
    assert_same_map(found["whole.conv"].raw[:, 0], expected)
