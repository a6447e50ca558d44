"""From small float graphs and ranges to integer graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mcugen.errors import CalibrationError
from mcugen.frontends.onnx import load_onnx
from mcugen.interp import evaluate
from mcugen.ir import DType, Graph, Op, QuantParams
from mcugen.passes import INTEGER_PIPELINE, run_passes
from mcugen.quantize import quantize_float, ranges
from mcugen.quantize.calibration import Calibration, to_stored, user_shapes
from mcugen.verify_ir import check_supported
from tests.frontends.onnx_models import Nodes, model, node, noise, simplified

SAMPLES = 16


def quantized(
    nodes: Nodes, shape: Sequence[int], constants: dict[str, np.ndarray], io: str = "int8", opset: int = 14
) -> tuple[Graph, Graph, bytes]:
    """(float graph, int8 graph, model)."""
    data = model(nodes, {"x": shape}, constants, opset=opset)
    graph = simplified(load_onnx(data, "m").graph)
    calibration = Calibration({"x": noise((SAMPLES, *shape))})
    result = quantize_float(graph, calibration, io="int8" if io == "int8" else "float32", model_bytes=data)
    final = run_passes(result.graph, INTEGER_PIPELINE, disabled=frozenset({"fuse_tables"}))
    check_supported(final)
    return graph, final, data


def check(nodes: Nodes, shape: Sequence[int], constants: dict[str, np.ndarray], steps: float = 2.0) -> Graph:
    """Compares float and int8 outputs on quantized calibration samples; returns the int8 graph."""
    graph, final, _ = quantized(nodes, shape, constants)
    x, y = final.tensors["x"], final.tensors["y"]
    for sample in noise((SAMPLES, *shape)):
        q = np.clip(np.rint(to_stored(final, "x", sample) / x.scale) + x.zero_point, -128, 127)
        want = evaluate(graph, {"x": ((q - x.zero_point) * x.scale).astype(np.float32)})["y"]
        values = evaluate(final, {"x": q.astype(np.int8)})
        got = (values["y"].astype(np.float32) - y.zero_point) * y.scale
        assert np.abs(got - want).max() <= steps * y.scale
    return final


def only(graph: Graph, kind: str) -> Op:
    (op,) = (op for op in graph.ops if op.kind == kind)
    return op


IMAGE = (1, 4, 8, 8)
WEIGHTS = {"w": noise((6, 4, 3, 3)), "v": noise((6, 6, 1, 1), 1)}
CONV = node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1])


def test_convolution() -> None:
    final = check([CONV, node("Relu", ["c"])], IMAGE, WEIGHTS)
    conv = only(final, "Conv2D")
    weights = final.tensors[conv.inputs[1]]
    assert weights.quant is not None and weights.data is not None
    assert len(weights.quant.scale) == 6
    assert weights.data.min() >= -127
    assert final.tensors["y"].zero_point == -128
    assert {final.tensors[n].dtype for n in (*final.inputs, *final.outputs)} == {DType.INT8}


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_pooling_shares_parameters(kind: str) -> None:
    final = check([CONV, node(kind, ["c"], kernel_shape=[2, 2], strides=[2, 2])], IMAGE, WEIGHTS)
    assert final.tensors["c"].quant == final.tensors["y"].quant


def test_moved_elements_share_parameters() -> None:
    nodes = [
        CONV,
        node("Pad", ["c", "p"], ["q"]),
        node("Slice", ["q", "s", "e", "a"], ["l"]),
        node("Transpose", ["l"], perm=[0, 2, 3, 1]),
    ]
    constants = {
        "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "s": np.array([0]),
        "e": np.array([9]),
        "a": np.array([2]),
    }
    final = check(nodes, IMAGE, {**WEIGHTS, **constants})
    assert {final.tensors[n].quant for op in final.ops for n in op.outputs} == {final.tensors["y"].quant}


def test_padding_value_is_inside_the_range() -> None:
    constants = {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "v": np.float32(-30.0)}
    final = check([node("Pad", ["x", "p", "v"])], IMAGE, constants)
    assert only(final, "Pad").attributes()["value"] == -128


def test_concat_unites_ranges() -> None:
    nodes = [CONV, node("Relu", ["x"], ["r"]), node("Concat", ["c", "r", "k"], axis=1)]
    final = check(nodes, IMAGE, {**WEIGHTS, "k": 40 * noise((1, 2, 8, 8), 4)})
    assert "Quantize" not in {op.kind for op in final.ops}
    assert final.tensors["c"].quant == final.tensors["r"].quant == final.tensors["y"].quant


def test_concat_requantizes_prescribed_operands() -> None:
    nodes = [CONV, node("Sigmoid", ["x"], ["s"]), node("Concat", ["c", "s"], axis=1)]
    final = check(nodes, IMAGE, WEIGHTS)
    assert final.tensors["s"].quant == QuantParams.per_tensor(1 / 256, -128)
    assert only(final, "Quantize").inputs == ("s",)


def test_concat_of_equal_prescribed_operands() -> None:
    nodes = [node("Sigmoid", ["x"], ["s"]), node("Softmax", ["x"], ["t"]), node("Concat", ["s", "t"], axis=1)]
    final = check(nodes, IMAGE, {})
    assert final.tensors["y"].quant == QuantParams.per_tensor(1 / 256, -128)


@pytest.mark.parametrize(
    "kind", ["Tanh", "Sigmoid", "HardSwish", "LeakyRelu", "Relu", "Softmax", "HardSigmoid"]
)
def test_activations(kind: str) -> None:
    check([node(kind, ["x"])], IMAGE, {})


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
def test_constant_operands(kind: str) -> None:
    check([node("Relu", ["x"], ["r"]), node(kind, ["r", "k"])], IMAGE, {"k": noise((1, 4, 8, 8), 3)})


def test_mean_and_fully_connected() -> None:
    nodes = [
        CONV,
        node("GlobalAveragePool", ["c"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "k", "b"]),
    ]
    check(nodes, IMAGE, {**WEIGHTS, "k": noise((6, 5), 2), "b": noise((5,), 3)}, steps=3)


def test_float_borders() -> None:
    _, final, _ = quantized([CONV, node("Relu", ["c"])], IMAGE, WEIGHTS, io="float32")
    assert [op.kind for op in final.ops] == ["Quantize", "Conv2D", "Dequantize"]
    assert {final.tensors[n].dtype for n in (*final.inputs, *final.outputs)} == {DType.FLOAT32}


def test_runtime_and_interpreter_find_the_same_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [CONV, node("Relu", ["c"], ["r"]), node("Conv", ["r", "v"], ["d"]), node("Add", ["d", "r"])]
    used: list[bool] = []
    original = ranges._session
    monkeypatch.setattr(ranges, "_session", lambda *a: used.append(True) or original(*a))
    _, with_runtime, data = quantized(nodes, IMAGE, WEIGHTS)
    graph = simplified(load_onnx(data, "m").graph)
    without = quantize_float(graph, Calibration({"x": noise((SAMPLES, *IMAGE))})).graph
    assert used == [True]
    for name in ("x", "r", "d", "y"):
        a, b = with_runtime.tensors[name], without.tensors[name]
        assert a.zero_point == b.zero_point
        assert a.scale == pytest.approx(b.scale, rel=1e-4)


def test_values_that_explode_are_reported() -> None:
    nodes = [node("Mul", ["x", "x"], ["a"]), node("Mul", ["a", "a"], ["b"]), node("Mul", ["b", "b"])]
    data = model(nodes, {"x": (1, 4)})
    graph = load_onnx(data, "m").graph
    with pytest.raises(CalibrationError, match="NaN or infinity"):
        quantize_float(graph, Calibration({"x": np.full((1, *user_shapes(graph)["x"]), 1e10, np.float32)}))


def test_random_calibration_leaves_a_note() -> None:
    graph = load_onnx(model([node("Relu", ["x"])], {"x": (1, 4)}), "m").graph
    assert quantize_float(graph, "random").notes[0].startswith("CALIBRATED ON RANDOM NOISE")
