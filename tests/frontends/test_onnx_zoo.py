"""Every ONNX model of the zoo: imported with the outputs of ONNX Runtime, or refused by name of operator."""

from __future__ import annotations

import numpy as np
import pytest

from mcugen.errors import UnsupportedModelError
from mcugen.frontends.imported import Imported
from mcugen.frontends.onnx import load_onnx
from mcugen.ir import Graph
from mcugen.quantize.calibration import user_shapes
from tests.frontends.onnx_models import graph_outputs, simplified
from tests.support.zoo import Entry, Zoo

# Operators that the front-end does not have; a model with none of them must be imported.
REFUSED = {
    "ConvTranspose", "DepthToSpace", "Erf", "GRU", "Gelu", "LSTM", "LayerNormalization", "Pow", "Resize", "Sqrt",
    "QLinearConv", "QLinearMatMul",
    *(f"com.microsoft.{n}" for n in (
        "QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearMul", "QLinearSoftmax",
    )),
}  # fmt: skip
ZOO = Zoo.find()
ENTRIES = ZOO.entries("onnx") if ZOO else ()


def imported(entry: Entry) -> Imported | UnsupportedModelError:
    try:
        return load_onnx(entry.path.read_bytes(), entry.path.stem)
    except UnsupportedModelError as error:
        return error


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: str(e.record["name"]))
def test_model(entry: Entry) -> None:
    result = imported(entry)
    if isinstance(result, UnsupportedModelError):
        refused = {line.split(" #")[0] for line in result.message.splitlines()}
        assert refused <= REFUSED, result.message
        return
    assert (
        "Transpose" not in {op.kind for op in result.graph.ops}
        or "qdq" in entry.path.stem
        or _flattens(result)
    )
    after = simplified(result.graph)
    if "qdq" not in entry.path.stem:
        assert "Transpose" not in {op.kind for op in after.ops}
    for graph in (result.graph, after):
        _compare(graph, entry)


def _flattens(result: Imported) -> bool:
    """Whether all transpositions stand before a flattening: passes fold them into weights."""
    readers = result.graph.consumers()
    transposes = [op for op in result.graph.ops if op.kind == "Transpose"]
    return all(r.kind == "Reshape" for op in transposes for r in readers[op.outputs[0]])


def _compare(graph: Graph, entry: Entry) -> None:
    vectors = entry.golden()
    shapes = user_shapes(graph)
    # A softmax output of a QDQ model may differ by one step where two rounding modes meet.
    tolerance = 0.01 if "qdq" in entry.path.stem else 1e-4
    for case in range(len(vectors["in0"])):
        arrays = {n: vectors[f"in{i}"][case].reshape(shapes[n]) for i, n in enumerate(graph.inputs)}
        for i, got in enumerate(graph_outputs(graph, arrays)):
            want = vectors[f"out{i}"][case].reshape(got.shape)
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * float(np.abs(want).max()))


def test_most_of_the_zoo_is_imported(zoo: Zoo) -> None:
    done = [e.record["name"] for e in zoo.entries("onnx") if isinstance(imported(e), Imported)]
    assert len(done) >= 30


def test_channels_last_files_have_no_layout(zoo: Zoo) -> None:
    result = load_onnx((zoo.root / "models/onnx/mlperf_tiny/ic_resnet8_float.onnx").read_bytes(), "ic")
    assert result.graph.layouts == {}
    assert result.notes == ("input 'input_1': dynamic batch set to 1",)


def test_channels_first_files_say_so(zoo: Zoo) -> None:
    result = load_onnx((zoo.root / "models/onnx/mlperf_tiny/ic_resnet8_float_nchw.onnx").read_bytes(), "ic")
    assert result.graph.layouts == {"input_1": (0, 2, 3, 1)}
    assert "input 'input_1': NCHW became NHWC" in result.notes
