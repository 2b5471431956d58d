"""A network made by hand whose class is how much there is of bright blobs, and cohorts of made-up scans with blobs.

Layers have VGG16's relative resolutions. The network's own maps are true to it and find the blobs. A `StandIn` brings
other maps, which are known to say nothing, or how much they say.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from stratacam.cam import match_layers
from stratacam.evidence.draws import generator
from stratacam.evidence.repeatability import SHIFT_PX, shift
from stratacam.evidence.scan import ScanSlices
from stratacam.maps.heat import Heat, heat_of
from stratacam.maps.slice_maps import SliceMaps
from stratacam.networks.layers import ConvReLU, GlobalAveragePool
from stratacam.scans.geometry import Geometry
from stratacam.scans.resampling import Grid

SIZE, SLICES, BLOBS, DECOYS = 32, 2, 16, 16
LAYERS = (
    *("block1_conv1", "block1_conv2", "block1_pool", "block2_conv1", "block2_pool"),
    *("block3_conv1", "block3_pool", "block4_conv1", "block4_pool"),
)
GRIDS = dict(zip(LAYERS, (32, 32, 16, 16, 8, 8, 4, 4, 2), strict=True))
POOLS = tuple(name for name in LAYERS if name.endswith("pool"))
WIDTH = 4


def blob_network(*, seed: int = 0, spread: float = 0.002) -> nn.Sequential:
    """The network; of another seed another training: the same, its weights a little different.

    Its first channel is, in every layer, how much the pixels of a square are bright together, and their mean over the
    picture decides the class; the others are random and count little.

    Args:
        seed: of the differences.
        spread: their standard deviation.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name in LAYERS:
            if name in POOLS:
                layers[name] = nn.AvgPool2d(2)
                continue
            convolution = ConvReLU(channels, WIDTH)
            nn.init.normal_(convolution.weight, std=spread)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # a ConvReLU always has a bias
            if channels == WIDTH:
                convolution.weight[0, 0, 1, 1] += 1.0
            else:
                convolution.weight[0] += 1 / 27
                convolution.bias[0] = -0.55  # type: ignore[index]
                convolution.weight[1] += 1 / 27
            channels = WIDTH
            layers[name] = convolution
        head = nn.Linear(WIDTH, 2)
        nn.init.normal_(head.weight, std=spread)
        nn.init.zeros_(head.bias)
        head.weight[:, 0] += torch.tensor([400.0, -400.0])
        head.bias.copy_(torch.tensor([-0.5, 0.5]))
    return nn.Sequential(OrderedDict(**layers, gap=GlobalAveragePool(), predictions=head)).eval()


def untrained(seed: int) -> nn.Sequential:
    """A network of the same plan with He's random weights."""
    network = blob_network()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # all of them have a bias
    return network


class Picture(NamedTuple):
    """For which map a stand-in is asked: of which subject and layer, and of which weights."""

    subject: str
    layer: str
    grid: tuple[int, int, int]
    weights: str


Make = Callable[[Picture], Heat]
"""Raw maps (n, h, w) of one layer."""


class StandIn(nn.Sequential):
    """The blob network, with maps made by a function.

    The maps of a subject are the same as long as the weights are, and are shifted with the pictures: they repeat under
    shifts, noise and another training, and change when weights are drawn anew, so that nothing but what they show
    speaks against them.
    """

    def __init__(
        self,
        makes: Mapping[str, Make],
        pictures: Mapping[str, NDArray[np.float32]],
        *,
        seed: int = 0,
    ) -> None:
        """A network for the first subject, that knows the pictures of others.

        Args:
            makes: by subject, what makes maps.
            pictures: by subject, (n, channels, rows, columns).
            seed: of the training.
        """
        super().__init__(OrderedDict(blob_network(seed=seed).named_children()))
        self.makes, self.pictures = makes, pictures
        self.trained = self._weights()
        self.eval()

    def own_maps(
        self,
        images: NDArray[np.float32],
        brain: NDArray[np.bool_],  # noqa: ARG002
        target: int,
        methods: Sequence[str],
        *,
        layers: str | tuple[str, ...],
        batch_size: int,  # noqa: ARG002
    ) -> dict[str, SliceMaps]:
        """The same made-up maps by every method; see `MakesOwnMaps`. Unknown pictures: the first subject's, changed."""
        known = (name for name, those in self.pictures.items() if np.array_equal(those, images))
        subject = next(known, next(iter(self.pictures)))
        weights = self._weights()
        raw = self.made(subject, len(images), "" if weights == self.trained else weights)
        if np.array_equal(images, shift(self.pictures[subject], SHIFT_PX)):
            raw = {name: shift(heat_of(maps, (SIZE, SIZE)), SHIFT_PX) for name, maps in raw.items()}
        raw = {name: raw[name] for name in match_layers(self, layers) if name in raw}
        with torch.inference_mode():
            logits = self(torch.from_numpy(images)).numpy()
        blank = {
            name: tuple("" if one.max() > 0 else "all negative" for one in maps) for name, maps in raw.items()
        }
        return {method: SliceMaps(method, target, logits, raw, blank) for method in methods}

    def made(self, subject: str, count: int, weights: str) -> dict[str, Heat]:
        """Raw maps of all layers for other weights, named by a word."""
        make = self.makes[subject]
        return {
            layer: make(Picture(subject, layer, (count, cells, cells), weights))
            for layer, cells in GRIDS.items()
        }

    def _weights(self) -> str:
        return "".join(f"{float(parameter.detach().sum()):.6f}" for parameter in self.parameters())


def made_up_scan(subject: str, *, seed: int = 0) -> ScanSlices:
    """Slices with dim smooth noise in a round brain, bright blobs, which are the truth, and black ones; 16 regions."""
    random = generator(seed, "scan", subject)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    middle = (SIZE - 1) / 2
    disc = (rows - middle) ** 2 + (columns - middle) ** 2 <= (SIZE / 2 - 3) ** 2
    brain = np.tile(disc, (SLICES, 1, 1))
    dim = ndimage.gaussian_filter(random.random((SLICES, 3, SIZE, SIZE)), (0, 0, 1.5, 1.5))
    images = 0.45 * (dim - dim.min()) / np.ptp(dim) * brain[:, None]
    truth, decoys = np.zeros_like(brain), np.zeros_like(brain)
    for squares, number in ((truth, BLOBS), (decoys, DECOYS)):
        for one in squares:
            for row, column in random.integers(6, SIZE - 6, size=(number, 2)):
                one[row - 1 : row + 2, column - 1 : column + 2] = True
    bright = 0.6 + 0.4 * random.random((SLICES, 1, SIZE, SIZE))
    images = np.where(truth[:, None], bright, np.where(decoys[:, None], 0.0, images)).astype(np.float32)
    grid = Grid((SIZE, SIZE, SLICES), np.diag([5.0, 5.0, 5.0, 1.0]))
    size_mm = (5.0 * SIZE, 5.0 * SIZE)
    geometry = Geometry(grid, "axial", tuple(range(SLICES)), (SIZE, SIZE), (middle, middle), size_mm)
    regions = np.tile(1 + 4 * (4 * rows // SIZE) + 4 * columns // SIZE, (SLICES, 1, 1))
    return ScanSlices(subject, subject, "", images, brain, truth, geometry, regions)


def white(seed: int, *, shared: bool = False) -> Make:
    """Independent normal numbers; `shared`: the same for all subjects."""

    def make(picture: Picture) -> Heat:
        whose = "" if shared else picture.subject
        random = generator(seed, "white", whose, picture.layer, picture.weights)
        return random.standard_normal(picture.grid).astype(np.float32)

    return make


def smooth(seed: int, *, shared: bool = False) -> Make:
    """Noise with the same blur in the picture for all layers, as far as a layer can show it."""

    def make(picture: Picture) -> Heat:
        whose = "" if shared else picture.subject
        random = generator(seed, "smooth", whose, picture.layer, picture.weights)
        count, rows, columns = picture.grid
        field = ndimage.gaussian_filter(random.standard_normal((count, SIZE, SIZE)), (0, 2, 2))
        cells = field.reshape(count, rows, SIZE // rows, columns, SIZE // columns).mean(axis=(2, 4))
        return np.asarray(cells, dtype=np.float32)

    return make


def of_network(network: nn.Module, scan: ScanSlices) -> Mapping[str, Heat]:
    """A network's Grad-CAM maps of the first class, raw, by layer; by hand, which is quick for so small a network."""
    output = torch.from_numpy(scan.images)
    features = {}
    for name, module in network.named_children():
        output = module(output)
        if name in GRIDS:
            features[name] = output
    gradients = torch.autograd.grad(output[:, 0].sum(), list(features.values()))
    return {
        name: (gradient.mean(dim=(2, 3), keepdim=True) * feature).sum(dim=1).detach().numpy()
        for (name, feature), gradient in zip(features.items(), gradients, strict=True)
    }


def mixed(real: Mapping[str, Heat], strength: float, noise: Make, redrawn: Make) -> Make:
    """Maps of a network, `strength` times as strong as the noise that they are in.

    Args:
        real: the network's, by layer.
        strength: infinite for no noise.
        noise: of the layer's resolution.
        redrawn: maps for other weights.
    """

    def make(picture: Picture) -> Heat:
        if picture.weights:
            return redrawn(picture)
        maps = real[picture.layer][: picture.grid[0]]
        if np.isinf(strength):
            return maps
        spread = max(float(np.sqrt(np.mean(maps**2))), 1e-12)
        return np.asarray(strength * maps / spread + noise(picture), dtype=np.float32)

    return make


@lru_cache(maxsize=64)
def _untrained_once(seed: int) -> nn.Sequential:
    return untrained(seed)


def of_untrained(scan: ScanSlices, seed: int) -> Make:
    """Maps of a network that was not trained; for other weights, those of another one."""
    found: dict[str, Mapping[str, Heat]] = {}

    def make(picture: Picture) -> Heat:
        if picture.weights not in found:
            drawn = int(generator(seed, "untrained", picture.weights).integers(2**31))
            found[picture.weights] = of_network(_untrained_once(drawn), scan)
        return found[picture.weights][picture.layer][: picture.grid[0]]

    return make
