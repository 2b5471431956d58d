"""Classifiers from files: which file is read how, what is said of it, and what is refused."""

import copy
import io
import json
import pickle
import re
import zipfile

import pytest
import torch
from torch import nn
from torch.nn import functional

import stratacam
from saved_networks import SAVERS, Small, images_for, save, save_exported, small, without_softmax
from stratacam import cam
from stratacam.errors import InputError
from stratacam.networks import OpenedFile, open_model


class Marked:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def refused(path, words, **options):
    """The message with which a file is refused, which must name place, and hold these words."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError) as caught:
        open_model(path, **options)
    message = str(caught.value)
    assert str(path) in message
    assert re.search(words, message), message
    assert before is None or path.read_bytes() == before
    return message


@pytest.mark.parametrize("kind", SAVERS)
def test_what_is_known_of_a_file_is_said(kind, tmp_path):
    path = save(kind, small(), images_for(), tmp_path)
    opened = open_model(path).opened_file
    assert isinstance(opened, OpenedFile)
    assert opened.path == path
    assert opened.batch is None
    assert opened.shape == (None if path.suffix == ".pt" else (2, 24, 24))
    assert any(note.lower().startswith("the final softmax is left out") for note in opened.notes)


@pytest.mark.parametrize("kind", SAVERS)
def test_a_network_from_a_file_gives_logits_and_can_be_copied(kind, tmp_path):
    network, images = small(), images_for(count=5)
    model = open_model(save(kind, network, images[:2], tmp_path))
    expected = without_softmax(network)(images).detach()
    for one in (model, copy.deepcopy(model)):
        assert not one.training
        torch.testing.assert_close(one(images), expected, rtol=1e-4, atol=1e-6)


def test_a_file_is_read_by_its_content_whatever_its_name(tmp_path):
    path = save("exported", small(), images_for(), tmp_path).rename(tmp_path / "model.pt")
    assert open_model(path).opened_file.format.startswith("torch.export")
    path = save("traced", small(), images_for(), tmp_path).rename(tmp_path / "model.pth")
    assert open_model(str(path)).opened_file.format == "TorchScript"


def test_importing_the_package_imports_no_framework():
    assert stratacam.open_model is open_model


class Rows(nn.Module):
    """Mixes the images of a batch, so that it gives other scores for other numbers of images."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        found = self.convolution(images).mean(dim=(2, 3))
        return self.head(found - found.mean(dim=0))


class Scaled(nn.Module):
    """Has a parameter that is viewed with one row, as a saved batch of one image has."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.tensor([0.1, 1.0, -2.0, 5.0]))

    def forward(self, images):
        return self.head((self.convolution(images).relu() * self.scale.view(1, -1, 1, 1)).mean(dim=(2, 3)))


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_shapes_of_parameters_do_not_go_by_the_number_of_images(count, tmp_path):
    network, path = Scaled().eval(), tmp_path / "model.pt2"
    save_exported(network, images_for()[:1], path, fixed=True)
    found, images = open_model(path), torch.rand(count, *images_for().shape[1:])
    assert found.opened_file.batch is None
    torch.testing.assert_close(found(images), network(images))


class Standardised(nn.Module):
    """Standardises the kernels of a convolution by a batch normalisation of them, as NFNet does, and pools by -inf."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)

    def forward(self, images):
        kernels = self.convolution.weight
        flat = functional.batch_norm(kernels.reshape(1, 4, -1), None, None, training=True)
        found = functional.conv2d(images, flat.reshape_as(kernels), self.convolution.bias)
        share = found.flatten(2).masked_fill(found.flatten(2) < 0, float("-inf")).softmax(dim=2)
        return self.head((found.flatten(2) * share).sum(dim=2))


def test_standardised_kernels_and_infinities_are_read(tmp_path):
    network = Standardised().eval()
    found = open_model(save("exported", network, images_for(), tmp_path))
    torch.testing.assert_close(found(images_for()), network(images_for()))


class Fixed(nn.Module):
    """Has the number of images in its shapes, where it cannot be told from others."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        found = self.convolution(images).mean(dim=(2, 3))
        return self.head(found.reshape(4, 1)[:, 0].reshape(1, 4))


@pytest.mark.parametrize("network", [Rows(), Fixed()], ids=["mixes images", "fixed shapes"])
def test_a_network_for_one_image_at_a_time_is_explained_with_batches_of_one(network, tmp_path):
    path = tmp_path / "model.pt2"
    save_exported(network.eval(), images_for(), path, fixed=True)
    model = open_model(path)
    assert model.opened_file.batch == 1
    images = images_for(count=3)
    with pytest.raises(InputError, match=r"found 3 images at once; expected 1.*batch_size=1"):
        cam.explain(model, images)
    found = cam.explain(model, images, batch_size=1, smooth=2)
    assert found["convolution"].raw.shape == (3, 1, 22, 22)
    single = cam.explain(model, images, batch_size=1)
    torch.testing.assert_close(single.logits, torch.cat([model(image[None]) for image in images]))


def test_images_of_another_shape_are_refused(tmp_path):
    model = open_model(save("exported", small(), images_for(), tmp_path))
    with pytest.raises(InputError, match=r"shape \(2, 2, 20, 24\); expected \(B, 2, 24, 24\)"):
        cam.explain(model, torch.rand(2, 2, 20, 24))


def test_a_file_that_is_not_there_or_of_no_kind_is_refused(tmp_path):
    refused(tmp_path / "none.onnx", "no such file; expected the file of a classifier")
    (tmp_path / "tf").mkdir()
    (tmp_path / "tf" / "saved_model.pb").write_bytes(b"x")
    refused(tmp_path / "tf", r"SavedModel of TensorFlow.*model\.save\('model\.keras'\)")
    (tmp_path / "empty.onnx").touch()
    refused(tmp_path / "empty.onnx", "is empty")
    (tmp_path / "notes.txt").write_text("words")
    refused(tmp_path / "notes.txt", "of no kind that is known here; expected .keras")
    with zipfile.ZipFile(tmp_path / "photos.pt", "w") as archive:
        archive.writestr("a/b.txt", "words")
    refused(tmp_path / "photos.pt", "archive of no kind")


@pytest.mark.parametrize("kind", ["exported", "traced", "onnx"])
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_file_that_was_cut_off_is_refused(kind, share, tmp_path):
    path = save(kind, small(), images_for(), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "damaged")


@pytest.mark.parametrize("ending", ["onnx", "pt2", "keras", "h5", "ckpt", "pt"])
def test_a_file_of_noise_is_refused(ending, tmp_path):
    path = tmp_path / f"model.{ending}"
    path.write_bytes(bytes(range(256)) * 40)
    refused(path, "damaged|weights without the network")


def test_a_network_named_beside_a_whole_one_is_refused(tmp_path):
    refused(save("exported", small(), images_for(), tmp_path), "leave these out", network=Small)


def test_pickled_weights_of_an_exported_program_are_refused_and_not_read(tmp_path):
    path, marker = save("exported", small(), images_for(), tmp_path), tmp_path / "marker"
    buffer = io.BytesIO()
    torch.save(Marked(marker), buffer)
    changed = tmp_path / "changed.pt2"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w") as other:
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename.endswith("weights_config.json"):
                config = json.loads(content)
                next(iter(config["config"].values()))["use_pickle"] = True
                content = json.dumps(config).encode()
            if entry.filename.endswith(("weight_0", "sample_inputs/model.pt")):
                content = buffer.getvalue()
            other.writestr(entry.filename, content)
    refused(changed, "which is pickled")
    assert not marker.exists()


def test_pickles_beside_an_exported_program_are_not_read(tmp_path):
    path, marker = save("exported", small(), images_for(), tmp_path), tmp_path / "marker"
    changed = tmp_path / "changed.pt2"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w") as other:
        for entry in archive.infolist():
            sample = entry.filename.endswith("sample_inputs/model.pt")
            other.writestr(entry.filename, pickle.dumps(Marked(marker)) if sample else archive.read(entry))
    open_model(changed)
    assert not marker.exists()


@pytest.mark.parametrize(
    "target", ["torch.ops.aten.from_file.default", "torch.hub.load", "torch.ops.higher_order.cond"]
)
def test_operations_that_do_more_than_compute_are_refused(target, tmp_path):
    path, changed = save("exported", small(), images_for(), tmp_path), tmp_path / "changed.pt2"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w") as other:
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename.endswith("models/model.json"):
                content = content.replace(b"torch.ops.aten.relu.default", target.encode())
            other.writestr(entry.filename, content)
    refused(changed, re.escape(target))


def test_another_version_of_exported_programs_is_refused(tmp_path):
    path, changed = save("exported", small(), images_for(), tmp_path), tmp_path / "changed.pt2"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w") as other:
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename.endswith("models/model.json"):
                content = json.dumps(
                    json.loads(content) | {"schema_version": {"major": 99, "minor": 0}}
                ).encode()
            other.writestr(entry.filename, content)
    refused(changed, "version 99 of the format; expected 8")


def test_a_network_in_training_mode_is_refused(tmp_path):
    path = tmp_path / "model.pt2"
    network = small()
    network.train()
    save_exported(network, images_for(), path)
    refused(path, r"batch_norm in training mode.*model\.eval\(\)")


class TwoInputs(nn.Module):
    def forward(self, images, ages):
        return images.mean(dim=(2, 3)) + ages


def test_several_inputs_are_refused(tmp_path):
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(TwoInputs(), (images_for(), torch.rand(2, 1))), path)
    refused(path, r"found 2 inputs \(images, ages\); expected one")
    scripted = tmp_path / "model.pt"
    torch.jit.script(TwoInputs()).save(str(scripted))
    refused(scripted, "found 2 inputs")


class Decides(nn.Module):
    def forward(self, images):
        if images.mean() > 0:
            return images.mean(dim=(2, 3))
        return images.amax(dim=(2, 3))


class Repeats(nn.Module):
    def forward(self, images):
        for _ in range(int(images.shape[0])):
            images = images + 1
        return images.mean(dim=(2, 3))


@pytest.mark.parametrize("network", [Decides(), Repeats()], ids=["decision", "loop"])
def test_scripts_whose_operations_depend_on_the_image_are_refused(network, tmp_path):
    path = tmp_path / "model.pt"
    torch.jit.script(network).save(str(path))
    refused(path, r"prim::(If|Loop).*torch\.export")


class Checks(nn.Module):
    """A check that raises, a default argument, and a decision that is known."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 3, 3, padding="same")

    def forward(self, images, mask: torch.Tensor | None = None):
        if images.dim() != 4:
            raise ValueError("no image")
        found = self.convolution(images)
        if mask is not None:
            found = found * mask
        height, width = found.shape[-2:]
        return found.reshape(found.shape[0], -1, height * width).mean(dim=2)


def test_checks_and_defaults_of_scripts_are_followed(tmp_path):
    path, network, images = tmp_path / "model.pt", Checks().eval(), images_for()
    torch.jit.script(network).save(str(path))
    model = open_model(path)
    torch.testing.assert_close(model(images), network(images))
    assert cam.explain(model, images).layers == ("convolution",)


def test_a_segmentation_is_refused(tmp_path):
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(nn.Conv2d(2, 3, 1).eval(), (images_for(),)), path)
    refused(path, r"gives \(2, 3, 24, 24\) for 2 image\(s\); expected logits \(2, classes\)")


class TurnsToDouble(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = without_softmax(small()).double()

    def forward(self, images):
        return self.network(images.double()).float()


@pytest.mark.parametrize("kind", ["exported", "traced", "scripted"])
@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_weights_of_another_precision_are_refused(kind, precision, tmp_path):
    network, images = small().to(precision), images_for().to(precision)
    refused(
        save(kind, network, images, tmp_path),
        rf"weights of the type {precision}; expected single .*float\(\)",
    )


@pytest.mark.parametrize("kind", ["exported", "traced"])
def test_a_network_that_turns_its_images_into_another_precision_is_run(kind, tmp_path):
    network, images = TurnsToDouble().eval(), images_for()
    torch.testing.assert_close(open_model(save(kind, network, images, tmp_path))(images), network(images))
