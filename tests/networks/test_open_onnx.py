"""Classifiers in ONNX: the standard's own tests of operators, ONNX Runtime's scores, and what is refused."""

import importlib
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from other_packages import needed
from saved_networks import graph, images_for, runtime, save_onnx, small, written
from stratacam import cam
from stratacam.errors import InputError
from stratacam.networks import open_model
from stratacam.networks.files.of_onnx import GraphReader
from stratacam.networks.files.onnx_layers import LAYERS
from stratacam.networks.files.onnx_operators import OPERATORS

KINDS = (np.float32, np.float64, np.int64, np.int32, np.bool_)
AT_LEAST_RIGHT = 440


def conformance():
    """The standard's tests of operators that are known here, with inputs and outputs of plain arrays."""
    onnx = needed("onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = importlib.import_module("onnx.backend.test.case.node").collect_testcases(None)
    for case in cases:
        kinds = {node.op_type for node in case.model.graph.node} if case.model else {""}
        plain = not any(node.domain for node in case.model.graph.node) and not case.model.functions
        if not kinds <= {*OPERATORS, *LAYERS, "Constant"} or not plain or "training" in case.name:
            continue
        given, wanted = case.data_sets[0]
        arrays = [*given, *wanted[:1]]
        if given and all(isinstance(one, np.ndarray) for one in arrays) and given[0].dtype in KINDS:
            yield onnx, case, given, wanted[0]


def test_operators_give_what_the_standards_own_tests_want_or_are_refused():
    counted, wrong = Counter(), []
    for onnx, case, given, wanted in conformance():
        # All inputs but the first are constants of the file, and what follows a softmax keeps it from being left out.
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        constants = {one.name: value for one, value in zip(model.graph.input[1:], given[1:], strict=False)}
        result = model.graph.output[0]
        model.graph.node.append(onnx.helper.make_node("Expand", [result.name, "ones"], ["end"]))
        constants["ones"] = np.ones(wanted.ndim, dtype=np.int64)
        kind = result.type.tensor_type.elem_type
        del model.graph.output[:]
        model.graph.output.append(onnx.helper.make_tensor_value_info("end", kind, None))
        try:
            network = GraphReader(case.name, onnx, model, constants).read()
            found = network(torch.from_numpy(given[0].copy())).double().numpy()
        except (InputError, ValueError, RuntimeError, IndexError):
            counted["refused"] += 1
            continue
        right = found.shape == wanted.shape and np.allclose(
            found, wanted.astype(float), rtol=1e-3, atol=1e-5, equal_nan=True
        )
        counted["right" if right else "wrong"] += 1
        wrong += [] if right else [case.name]
    assert wrong == []
    assert counted["right"] >= AT_LEAST_RIGHT


class Mixed(nn.Module):
    """What image classifiers are made of beside convolutions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 8, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.batch = nn.BatchNorm2d(4)
        self.gate = nn.Conv2d(4, 4, 1)
        self.pool = nn.AvgPool2d(3, 2, 1)
        self.layer = nn.LayerNorm(4)
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        found = nn.functional.gelu(self.norm(self.stem(images)))
        found = self.batch(self.up(found))
        found = nn.functional.interpolate(found, scale_factor=1.5, mode="bilinear")
        found = self.pool(found * torch.sigmoid(self.gate(found.mean(dim=(2, 3), keepdim=True))))
        pooled = torch.cat(
            [found.amax(dim=(2, 3)), self.layer(found.flatten(2).transpose(1, 2)).mean(dim=1)], dim=1
        )
        return self.head(pooled)


@pytest.mark.parametrize("opset", [11, 13, 15, 17])
@pytest.mark.parametrize("fixed", [False, True])
def test_scores_are_those_of_onnx_runtime(opset, fixed, tmp_path):
    torch.manual_seed(0)
    network, images = Mixed().eval(), images_for()
    path = tmp_path / "model.onnx"
    save_onnx(network, images, path, fixed=fixed, opset=opset, training=torch.onnx.TrainingMode.EVAL)
    model = open_model(path)
    assert model.opened_file.batch is None
    for image in images.split(1):
        torch.testing.assert_close(model(image), runtime(path, image), rtol=1e-4, atol=1e-5)
    found = cam.explain(model, images)
    assert found.layers == ("stem", "up", "gate", "pool")
    torch.testing.assert_close(found.logits, network(images).detach(), rtol=1e-4, atol=1e-5)


def test_a_network_of_three_axes_gives_the_scores_of_onnx_runtime(tmp_path):
    path, images = tmp_path / "model.onnx", images_for(3)
    save_onnx(small(3), images, path)
    torch.testing.assert_close(
        open_model(path)(images).softmax(1), runtime(path, images), rtol=1e-4, atol=1e-6
    )


def test_merged_batch_norms_leave_the_convolutions_their_names(tmp_path):
    path, images = tmp_path / "model.onnx", images_for()
    model = save_onnx(small(), images, path, training=torch.onnx.TrainingMode.EVAL)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert cam.match_layers(open_model(path)) == ("features.0", "features.3", "shared", "average")


def kernel(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


CLASSIFIER = [
    ("Conv", ["images", "kernel"], ["a"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Relu", ["a"], ["b"], {}),
    ("MaxPool", ["b"], ["c"], {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}),
    ("AveragePool", ["c"], ["d"], {"kernel_shape": [3, 3], "pads": [1, 0, 1, 2]}),
    ("GlobalAveragePool", ["d"], ["e"], {}),
    ("Flatten", ["e"], ["f"], {}),
    ("Gemm", ["f", "weights"], ["scores"], {"transB": 1}),
]
CONSTANTS = {"kernel": kernel(4, 2, 3, 3), "weights": kernel(3, 4)}


@pytest.mark.parametrize("opset", [13, 21, 22, 23])
def test_padding_that_torch_has_not_and_new_opsets_give_the_scores_of_onnx_runtime(opset, tmp_path):
    path = written(graph(CLASSIFIER, CONSTANTS, ["N", 2, 15, 18], opset=opset), tmp_path)
    images = torch.rand(2, 2, 15, 18)
    model = open_model(path)
    torch.testing.assert_close(model(images), runtime(path, images), rtol=1e-4, atol=1e-5)
    assert cam.explain(model, images).layers == ("Conv_0", "MaxPool_2", "AveragePool_3")


def test_channels_last_are_turned_and_maps_lie_on_the_image(tmp_path):
    turned = [("Transpose", ["images"], ["turned"], {"perm": [0, 3, 1, 2]})]
    rest = [
        (name, ["turned" if one == "images" else one for one in given], *more)
        for name, given, *more in CLASSIFIER
    ]
    path = written(graph([*turned, *rest], CONSTANTS, [1, 15, 18, 2]), tmp_path)
    model = open_model(path)
    assert model.opened_file.shape == (2, 15, 18)
    assert "channels last" in model.opened_file.notes[0]
    images = torch.rand(1, 2, 15, 18)
    torch.testing.assert_close(model(images), runtime(path, images.movedim(1, -1)), rtol=1e-4, atol=1e-5)
    assert cam.explain(model, images)["Conv_1"].raw.shape == (1, 1, 8, 9)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            ("NonMaxSuppression", ["images", "images"], ["scores"], {}),
            "operator NonMaxSuppression of opset 21",
        ),
        (("Mine", ["images"], ["scores"], {"domain": "mine"}), r"operator mine\.Mine"),
        (("Conv", ["images", "images"], ["scores"], {}), "kernel that is computed from the image"),
        (("Gelu", ["images"], ["scores"], {"strange": 1}), "Gelu.*others than are known here"),
    ],
)
def test_operators_that_are_unknown_are_refused_by_name(node, words, tmp_path):
    with pytest.raises(InputError, match=words):
        open_model(written(graph([node], {}, ["N", 2, 8, 8]), tmp_path))


def test_several_inputs_outputs_and_missing_values_are_refused(tmp_path):
    sums = [("Add", ["images", "more"], ["scores"], {})]
    with pytest.raises(InputError, match=r"found 2 inputs \(images, more\)"):
        open_model(written(graph(sums, {}, ["N", 3], inputs=("images", "more")), tmp_path))
    with pytest.raises(InputError, match=r"found 2 outputs \(scores, c\)"):
        open_model(written(graph(CLASSIFIER, CONSTANTS, [1, 2, 9, 9], outputs=("scores", "c")), tmp_path))
    with pytest.raises(InputError, match="needs the value more, which nothing in the file gives"):
        open_model(written(graph(sums, {}, ["N", 3]), tmp_path))


def test_half_precision_is_computed_in_single_precision(tmp_path):
    constants = {name: value.astype(np.float16) for name, value in CONSTANTS.items()}
    path = written(graph(CLASSIFIER, constants, ["N", 2, 9, 9]), tmp_path)
    assert open_model(path)(torch.rand(2, 2, 9, 9)).dtype == torch.float32


def test_the_absent_package_is_named(tmp_path, monkeypatch):
    path = written(graph(CLASSIFIER, CONSTANTS, ["N", 2, 9, 9]), tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'stratacam\[onnx\]'"):
        open_model(path)


PADDED = [
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 2, 2], "ceil_mode": 1}),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1], "ceil_mode": 1}),
    *(
        ("AveragePool", {"count_include_pad": counted, **options})
        for counted in (0, 1)
        for options in (
            {"kernel_shape": [2, 2], "dilations": [2, 2], "pads": [1, 0, 1, 1]},
            {"kernel_shape": [2, 3], "dilations": [2, 1], "strides": [2, 1]},
            {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 1, 1], "ceil_mode": 1},
            {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        )
    ),
]


@pytest.mark.parametrize(("kind", "options"), PADDED)
@pytest.mark.parametrize("size", [8, 9])
def test_pools_with_uneven_padding_dilation_and_rounding_up_are_those_of_onnx_runtime(
    kind, options, size, tmp_path
):
    nodes = [(kind, ["images"], ["a"], options), ("Flatten", ["a"], ["scores"], {})]
    path = written(graph(nodes, {}, ["N", 2, size, size]), tmp_path)
    images = torch.rand(2, 2, size, size) - 0.5
    torch.testing.assert_close(open_model(path)(images), runtime(path, images), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_local_response_norm_is_that_of_the_standards_formula(size):
    """ONNX Runtime has no even sizes, and the standard's reference of it takes images for channels."""
    given, wanted = torch.rand(2, 6, 3, 3) - 0.3, torch.empty(2, 6, 3, 3)
    for channel in range(6):
        first, last = max(0, channel - (size - 1) // 2), min(5, channel + -(-(size - 1) // 2))
        squares = given[:, first : last + 1].square().sum(dim=1)
        wanted[:, channel] = given[:, channel] / (1 + 0.9 / size * squares) ** 0.75
    torch.testing.assert_close(OPERATORS["LRN"](given, size=size, alpha=0.9), wanted)


MEAN = [
    ("MaxPool", ["a"], ["p"], {"kernel_shape": [2, 2]}),
    ("GlobalAveragePool", ["p"], ["b"], {}),
    ("Flatten", ["b"], ["scores"], {}),
]
NORM = {name: np.ones(2, dtype=np.float32) for name in "smbv"}


@pytest.mark.parametrize("shape", [["N", 2, "H", "W"], [2, 2, 8, 8]])
@pytest.mark.parametrize(
    ("node", "constants", "words"),
    [
        (
            ("Dropout", ["images", "r", "t"], ["a"], {}),
            {"r": np.float32(0.5), "t": np.array(True)},
            "training mode",
        ),
        (("BatchNormalization", ["images", *"sbmv"], ["a"], {"training_mode": 1}), NORM, "training mode"),
        (("Cast", ["images"], ["a"], {"to": 12}), {}, "operator Cast of opset 21.*type 12"),
        (
            (
                "Resize",
                ["images", "", "s"],
                ["a"],
                {"mode": "cubic", "coordinate_transformation_mode": "asymmetric"},
            ),
            {"s": np.array([1, 1, 2, 2], dtype=np.float32)},
            "operator Resize of opset 21.*cubic resizing by asymmetric",
        ),
    ],
)
def test_operators_that_are_run_otherwise_are_refused_with_free_axes_too(
    shape, node, constants, words, tmp_path
):
    """They came out of `explain` as an error without words."""
    path = written(graph([node, *MEAN], constants, shape), tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        cam.explain(open_model(path), torch.rand(2, 2, 8, 8))
    assert str(path) in str(caught.value)


def test_instance_norm_of_one_position_is_its_shift(tmp_path):
    nodes = [
        ("GlobalAveragePool", ["images"], ["b"], {}),
        ("InstanceNormalization", ["b", "s", "m"], ["c"], {}),
    ]
    constants = {"s": np.ones(2, dtype=np.float32), "m": np.array([1, 2], dtype=np.float32)}
    path = written(
        graph([*nodes, ("Flatten", ["c"], ["scores"], {})], constants, ["N", 2, "H", "W"]), tmp_path
    )
    images = torch.rand(3, 2, 4, 4)
    torch.testing.assert_close(open_model(path)(images), runtime(path, images))


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "FLOAT8E4M3FN", "STRING"])
def test_constants_that_are_no_plain_numbers_are_refused(kind, tmp_path):
    onnx = needed("onnx")
    model = graph(CLASSIFIER, CONSTANTS, ["N", 2, 9, 9])
    values = [b"a", b"b"] if kind == "STRING" else [1, 1]
    model.graph.initializer.append(
        onnx.helper.make_tensor("odd", getattr(onnx.TensorProto, kind), [2], values)
    )
    with pytest.raises(InputError, match=r"found the constant odd of .*; expected plain numbers"):
        open_model(written(model, tmp_path))


def test_constants_of_words_and_sparse_ones_are_refused(tmp_path):
    helper = needed("onnx").helper
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("v", 1, [1], [1.0]), helper.make_tensor("i", 7, [1], [0]), [4]
    )
    for attributes in ({"value_string": "word"}, {"sparse_value": sparse}):
        model = graph([("Constant", [], ["odd"], attributes), *CLASSIFIER], CONSTANTS, ["N", 2, 9, 9])
        with pytest.raises(InputError, match=f"constant odd of the kind {next(iter(attributes))}"):
            open_model(written(model, tmp_path))
