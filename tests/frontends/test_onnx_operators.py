"""Every ONNX operator and attribute of the front-end, against ONNX Runtime, before and after the passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from mcugen.errors import UnsupportedModelError
from mcugen.frontends.onnx import load_onnx
from mcugen.ir import Array
from tests.frontends.onnx_models import Nodes, graph_outputs, model, node, noise, runtime_outputs, simplified


def check(
    nodes: Nodes,
    inputs: Mapping[str, Sequence[int]],
    constants: Mapping[str, Array] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 13,
) -> list[str]:
    """Compares; returns the kinds of operators after the passes."""
    data = model(nodes, inputs, constants, outputs, opset)
    arrays = {name: noise(shape, seed) for seed, (name, shape) in enumerate(inputs.items())}
    expected = runtime_outputs(data, arrays)
    graph = load_onnx(data, "test.onnx").graph
    after = simplified(graph)
    for candidate in (graph, after):
        for name, got, want in zip(
            candidate.outputs, graph_outputs(candidate, arrays), expected, strict=True
        ):
            assert got.shape == want.shape, name
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    return [op.kind for op in after.ops]


X4 = {"x": (1, 4, 9, 8)}
X3 = {"x": (1, 4, 11)}


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 0, 2, 1]},
        {"strides": [2, 3], "pads": [1, 1, 1, 1]},
        {"dilations": [2, 1], "pads": [2, 1, 0, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
        {"auto_pad": "VALID"},
        {"group": 2, "pads": [1, 1, 1, 1]},
        {"group": 4},
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_conv(attributes: dict[str, object], bias: bool) -> None:
    groups = int(str(attributes.get("group", 1)))
    constants = {"w": noise((8, 4 // groups, 3, 2), 5)} | ({"b": noise((8,), 6)} if bias else {})
    kinds = check([node("Conv", ["x", *constants], **attributes)], X4, constants)
    assert kinds == ["DepthwiseConv2D" if groups == 4 else "Conv2D"]


@pytest.mark.parametrize("attributes", [{}, {"pads": [2, 1], "strides": [2]}, {"dilations": [2], "group": 4}])
def test_conv_1d(attributes: dict[str, object]) -> None:
    groups = int(str(attributes.get("group", 1)))
    nodes = [node("Conv", ["x", "w"], ["c"], **attributes), node("Relu", ["c"])]
    kinds = check(nodes, X3, {"w": noise((8, 4 // groups, 3), 5)})
    assert [k for k in kinds if k != "Reshape"] == ["DepthwiseConv2D" if groups == 4 else "Conv2D"]


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 2]},
        {"strides": [2, 2], "pads": [1, 0, 1, 1]},
        {"strides": [2, 3], "ceil_mode": 1},
        {"strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    ],
)
def test_pool(kind: str, attributes: dict[str, object]) -> None:
    assert check([node(kind, ["x"], kernel_shape=[3, 2], **attributes)], X4) == [f"{kind}2D"]


@pytest.mark.parametrize("ceil_mode", [0, 1])
def test_average_pool_counts_padding(ceil_mode: int) -> None:
    attributes = {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": ceil_mode}
    # ONNX Runtime follows the newer definition of ceil_mode since opset 19.
    kinds = check([node("AveragePool", ["x"], count_include_pad=1, **attributes)], X4, opset=19)
    assert kinds == ["Pad", "AveragePool2D"]


def test_pool_1d() -> None:
    check([node("MaxPool", ["x"], kernel_shape=[3], strides=[2], pads=[1, 1])], X3)
    check([node("GlobalAveragePool", ["x"], ["p"]), node("Flatten", ["p"])], X3)


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pool(kind: str) -> None:
    check([node(kind, ["x"])], X4)


@pytest.mark.parametrize("shape", [(1, 5), (1, 5, 6), (1, 5, 6, 4)])
def test_batch_normalization(shape: tuple[int, ...]) -> None:
    constants = {n: noise((5,), i) for i, n in enumerate("sbm")} | {"v": np.abs(noise((5,), 9)) + 0.1}
    nodes = [node("BatchNormalization", ["x", "s", "b", "m", "v"], epsilon=1e-3)]
    assert "BatchNorm" not in check(nodes, {"x": shape}, constants)


def test_batch_normalization_folds_into_convolutions() -> None:
    constants = {n: noise((6,), i) for i, n in enumerate("sbm")} | {"v": np.abs(noise((6,), 9)) + 0.1}
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        node("Relu", ["n"]),
    ]
    assert check(nodes, X4, {"w": noise((6, 4, 3, 3)), **constants}) == ["Conv2D"]


@pytest.mark.parametrize("attributes", [{}, {"transB": 1}, {"alpha": 0.5, "beta": 2.0}])
@pytest.mark.parametrize("bias", [None, (5,), (1, 5), (1,), ()])
def test_gemm(attributes: dict[str, object], bias: tuple[int, ...] | None) -> None:
    constants = {"w": noise((5, 7) if "transB" in attributes else (7, 5))}
    if bias is not None:
        constants["b"] = noise(bias, 3)
    check([node("Gemm", ["x", *constants], **attributes)], {"x": (1, 7)}, constants)


@pytest.mark.parametrize("shape", [(1, 7), (1, 3, 7), (1, 2, 3, 7)])
def test_matmul_and_bias(shape: tuple[int, ...]) -> None:
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["a"]), node("Relu", ["a"])]
    constants = {"w": noise((7, 5)), "b": noise((5,), 1)}
    assert check(nodes, {"x": shape}, constants) == ["FullyConnected"]


@pytest.mark.parametrize(
    "kind", ["Relu", "LeakyRelu", "HardSwish", "Sigmoid", "Tanh", "HardSigmoid", "Identity"]
)
@pytest.mark.parametrize("shape", [(1, 6), (1, 4, 6), (1, 4, 3, 5)])
def test_unary(kind: str, shape: tuple[int, ...]) -> None:
    check([node(kind, ["x"])], {"x": shape}, opset=14)


def test_hard_sigmoid_folds_into_the_convolution_before() -> None:
    nodes = [node("Conv", ["x", "w"], ["c"]), node("HardSigmoid", ["c"], alpha=1 / 6)]
    assert check(nodes, X4, {"w": noise((6, 4, 1, 1))}) == ["Conv2D"]


def test_clip_bounds_as_inputs_and_dropout() -> None:
    nodes = [
        node("Clip", ["x", "low", ""], ["c"]),
        node("Dropout", ["c"], ["d"]),
        node("Clip", ["d", "", "high"]),
    ]
    check(nodes, X4, {"low": np.float32(-0.5), "high": np.float32(0.25)})


def test_prelu_with_one_slope() -> None:
    check([node("PRelu", ["x", "s"])], X4, {"s": np.full((4, 1, 1), 0.3, np.float32)})


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(), (1,), (4, 1, 1), (1, 4, 1, 1), (8,), (9, 1), (1, 4, 9, 8)])
@pytest.mark.parametrize("behind_conv", [True, False])
def test_binary_with_constant(kind: str, shape: tuple[int, ...], behind_conv: bool) -> None:
    constants = {"k": np.abs(noise(shape, 4)) + np.float32(0.5), "w": noise((4, 4, 1, 1))}
    before = [node("Conv", ["x", "w"], ["c"])] if behind_conv else []
    check([*before, node(kind, ["c" if behind_conv else "x", "k"])], X4, constants)
    if kind != "Div":
        check([*before, node(kind, ["k", "c" if behind_conv else "x"])], X4, constants)


@pytest.mark.parametrize("shape", [(1, 4, 9, 8), (1, 4, 1, 1), (4, 1, 1), (1, 1, 9, 8), (8,)])
def test_binary_of_two_values(shape: tuple[int, ...]) -> None:
    nodes = [node("Conv", ["x", "w"], ["c"]), node("Relu", ["c"], ["r"]), node("Add", ["r", "z"])]
    check(nodes, {**X4, "z": shape}, {"w": noise((4, 4, 1, 1))})


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [1], [0, 2], [3]])
@pytest.mark.parametrize("behind_conv", [True, False])
def test_reduce_mean(axes: list[int], keepdims: int, opset: int, behind_conv: bool) -> None:
    before = [node("Conv", ["x", "w"], ["c"])] if behind_conv else []
    constants = {"w": noise((4, 4, 1, 1))}
    name = "c" if behind_conv else "x"
    if opset < 18:
        mean = node("ReduceMean", [name], axes=axes, keepdims=keepdims)
    else:
        constants["axes"] = np.array(axes, np.int64)
        mean = node("ReduceMean", [name, "axes"], keepdims=keepdims)
    check([*before, mean], X4, constants, opset=opset)


def test_reduce_mean_without_axes() -> None:
    check([node("ReduceMean", ["x"])], X4, opset=18)
    nodes = [node("ReduceMean", ["x"], ["m"], noop_with_empty_axes=1), node("Relu", ["m"])]
    check(nodes, X4, opset=18)


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("axis", [None, 1, 2, -1])
@pytest.mark.parametrize("behind_conv", [True, False])
def test_softmax(axis: int | None, opset: int, behind_conv: bool) -> None:
    before = [node("Conv", ["x", "w"], ["c"])] if behind_conv else []
    softmax = node("Softmax", ["c" if behind_conv else "x"], **({} if axis is None else {"axis": axis}))
    check([*before, softmax], X4, {"w": noise((4, 4, 1, 1))}, opset=opset)


@pytest.mark.parametrize(
    "shape",
    [(1, -1), (0, 4, -1), (1, 2, 2, 9, 8), (1, 2, 2, 72), (0, 0, 8, 9), (1, 288, 1, 1), (4, 72), (-1,)],
)
@pytest.mark.parametrize("behind_conv", [True, False])
def test_reshape(shape: tuple[int, ...], behind_conv: bool) -> None:
    before = [node("Conv", ["x", "w"], ["c"])] if behind_conv else []
    reshape = node("Reshape", ["c" if behind_conv else "x", "s"], ["r"])
    constants = {"w": noise((4, 4, 1, 1)), "s": np.array(shape, np.int64)}
    check([*before, reshape, node("Relu", ["r"])], X4, constants)


def test_flatten_into_fully_connected_permutes_the_weights() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Relu", ["c"], ["r"]),
        node("Flatten", ["r"], ["f"]),
        node("Gemm", ["f", "k"], transB=1),
    ]
    constants = {"w": noise((6, 4, 3, 3)), "k": noise((5, 6 * 7 * 6))}
    assert check(nodes, X4, constants) == ["Conv2D", "FullyConnected"]


def test_sequence_layout_into_fully_connected() -> None:
    """(N, C, L) to (N, L, C) by a Transpose, as recurrent and attention models do: nothing moves."""
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Transpose", ["c"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["t", "k"]),
    ]
    kinds = check(nodes, X3, {"w": noise((6, 4, 3)), "k": noise((6, 5))})
    assert "Transpose" not in kinds


@pytest.mark.parametrize("perm", [[0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], None])
@pytest.mark.parametrize("behind_conv", [True, False])
def test_transpose(perm: list[int] | None, behind_conv: bool) -> None:
    before = [node("Conv", ["x", "w"], ["c"])] if behind_conv else []
    attributes = {} if perm is None else {"perm": perm}
    nodes = [
        *before,
        node("Transpose", ["c" if behind_conv else "x"], ["t"], **attributes),
        node("Relu", ["t"]),
    ]
    check(nodes, X4, {"w": noise((4, 4, 1, 1))})


def test_channels_last_model_needs_no_transposition() -> None:
    """As tf2onnx writes them: Transpose to NCHW in front, back behind."""
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], ["c"]),
        node("Transpose", ["c"], perm=[0, 2, 3, 1]),
    ]
    data = model(nodes, {"x": (1, 9, 8, 4)}, {"w": noise((6, 4, 3, 3))})
    graph = load_onnx(data, "m").graph
    assert [op.kind for op in graph.ops] == ["Conv2D"]
    assert graph.layouts == {}


def test_squeeze_and_unsqueeze() -> None:
    nodes = [
        node("GlobalAveragePool", ["x"], ["p"]),
        node("Squeeze", ["p", "hw"], ["s"]),
        node("Unsqueeze", ["s", "hw"], ["u"]),
        node("Mul", ["x", "u"]),
    ]
    check(nodes, X4, {"hw": np.array([2, 3])})
    old = [node("Squeeze", ["x"], ["s"], axes=[0]), node("Unsqueeze", ["s"], axes=[0, 4])]
    check(old, X4, opset=11)


@pytest.mark.parametrize("shape", [(1, 4, 9, 8), (1, 4, 11)])
def test_pad(shape: tuple[int, ...]) -> None:
    pads = [0, 1, *range(1, len(shape) - 1), 0, 0, *range(2, len(shape))]
    constants = {"p": np.array(pads), "v": np.float32(1.5)}
    check([node("Pad", ["x", "p", "v"])], {"x": shape}, constants)


def test_pad_merges_into_convolution() -> None:
    nodes = [node("Pad", ["x", "p"], ["q"]), node("Conv", ["q", "w"], pads=[1, 0, 0, 1])]
    constants = {"p": np.array([0, 0, 1, 2, 0, 0, 3, 4]), "w": noise((6, 4, 3, 3))}
    assert check(nodes, X4, constants) == ["Conv2D"]


def test_pad_with_axes() -> None:
    constants = {"p": np.array([1, 2, 3, 4]), "a": np.array([-1, 2])}
    check([node("Pad", ["x", "p", "", "a"])], X4, constants, opset=18)


@pytest.mark.parametrize("axis", [1, -1, 2])
def test_concat(axis: int) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Relu", ["x"], ["r"]),
        node("Concat", ["c", "r", "k"], axis=axis),
    ]
    check(nodes, X4, {"w": noise((4, 4, 1, 1)), "k": noise((1, 4, 9, 8), 3)})


@pytest.mark.parametrize("axis", [1, -1])
def test_split(axis: int) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Split", ["c", "s"], ["a", "b"], axis=axis),
        node("Relu", ["a"]),
    ]
    sizes = np.array([1, 3] if axis == 1 else [2, 6])
    check(nodes, X4, {"w": noise((4, 4, 1, 1)), "s": sizes}, outputs=["y", "b"])


def test_split_in_equal_parts() -> None:
    check([node("Split", ["x"], ["a", "b"], axis=1)], X4, outputs=["a", "b"])
    check([node("Split", ["x"], ["a", "b"], axis=2, num_outputs=2)], X4, outputs=["a", "b"], opset=18)


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([1], [3], [1], [1]),
        ([-3, 0], [100, -1], [2, 3], [1, 2]),
        ([-1, 5], [-100, 0], [3, 2], [-1, -2]),
    ],
)
def test_slice(starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> None:
    names = {"s": starts, "e": ends, "a": axes, "d": steps}
    constants = {n: np.array(v, np.int64) for n, v in names.items()} | {"w": noise((4, 4, 1, 1))}
    check([node("Conv", ["x", "w"], ["c"]), node("Slice", ["c", *names])], X4, constants)


@pytest.mark.parametrize("indices", [2, -1, [0, 2], [3, 2, 1]])
@pytest.mark.parametrize("axis", [1, 2])
def test_gather(indices: int | list[int], axis: int) -> None:
    nodes = [node("Conv", ["x", "w"], ["c"]), node("Gather", ["c", "i"], axis=axis)]
    check(nodes, X4, {"w": noise((4, 4, 1, 1)), "i": np.array(indices)})


def test_shape_arithmetic_is_folded() -> None:
    """As TorchScript exports ``x.view(x.size(0), -1)``."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Unsqueeze", ["batch", "axis"], ["first"]),
        node("Constant", [], ["rest"], value_ints=[-1]),
        node("Concat", ["first", "rest"], ["target"], axis=0),
        node("Reshape", ["x", "target"]),
    ]
    assert check(nodes, X4, {"zero": np.array(0), "axis": np.array([0])}) == ["Reshape"]


def test_outputs_keep_their_names_and_order() -> None:
    nodes = [node("Relu", ["x"], ["a"]), node("Identity", ["a"], ["b"]), node("Identity", ["x"], ["c"])]
    data = model(nodes, X4, outputs=["c", "b", "a"])
    graph = load_onnx(data, "m").graph
    assert graph.outputs == ("c", "b", "a")
    arrays = {"x": noise(X4["x"])}
    for got, want in zip(graph_outputs(graph, arrays), runtime_outputs(data, arrays), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("nodes", "constants", "text"),
    [
        ([node("Gemm", ["x", "x"])], {}, "the weights must be constant"),
        ([node("Gemm", ["x", "w"], transA=1)], {"w": noise((1, 3))}, "transA is not supported"),
        ([node("Pad", ["x", "p"], mode="reflect")], {"p": np.array([0, 1, 0, 1])}, "only constant padding"),
        ([node("Gelu", ["x"])], {}, "Gelu #0 'n/y': the operator is not supported"),
        ([node("Gather", ["x", "i"], axis=1)], {"i": np.array([0, 1, 3])}, "the indices are in equal steps"),
    ],
)
def test_unsupported(nodes: Nodes, constants: dict[str, Array], text: str) -> None:
    with pytest.raises(UnsupportedModelError, match=text):
        load_onnx(model(nodes, {"x": (1, 4)}, constants, opset=20), "m")


def test_all_problems_are_reported_at_once() -> None:
    nodes = [
        node("Erf", ["x"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Gelu", ["b"], ["c"]),
        node("Gemm", ["x", "x"], ["d"]),
        node("Add", ["c", "d"]),
    ]
    with pytest.raises(UnsupportedModelError) as caught:
        load_onnx(model(nodes, {"x": (1, 4)}, opset=20), "m")
    assert [line.split(" ")[0] for line in caught.value.message.splitlines()] == ["Erf", "Gelu", "Gemm"]
