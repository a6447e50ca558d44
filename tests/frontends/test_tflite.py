"""The TFLite reader on files that are unusual, inconsistent or damaged."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tflite

from mcugen.compile import CompileOptions, load_quantized
from mcugen.errors import ModelFormatError, UnsupportedModelError
from mcugen.frontends.tflite import load_tflite
from mcugen.ir import DType, Tensor
from tests.support import draws, tflite_builder
from tests.support.draws import activation, constant, int32s
from tests.support.graphs import QUANT, WEIGHTS
from tests.support.tflite_builder import Operator, build_model, single


def _dense(bias: Tensor | None = None, **changes: object) -> bytes:
    weights = constant("w", np.ones((3, 4), dtype=np.int8), WEIGHTS).replace(**changes)
    tensors = [
        activation("x", (1, 4), QUANT),
        weights,
        activation("y", (1, 3), QUANT),
        *([bias] if bias else []),
    ]
    inputs = ("x", "w", "bias" if bias else "")
    return single(Operator("FULLY_CONNECTED", inputs, ("y",), "FullyConnectedOptions"), tensors)


@pytest.mark.parametrize("deprecated", [True, False])
def test_operator_codes_in_either_field(monkeypatch: pytest.MonkeyPatch, deprecated: bool) -> None:
    """Old files have only the narrow field, some new ones only the wide one, which the tflite package overlooks."""

    def code(writer: tflite_builder._Writer, kind: str) -> int:
        field = "deprecated_builtin_code" if deprecated else "builtin_code"
        return writer._table("OperatorCode", {field: getattr(tflite.BuiltinOperator, kind)})

    monkeypatch.setattr(tflite_builder._Writer, "_code", code)
    assert load_tflite(_dense(), "m").graph.ops[0].kind == "FullyConnected"


def test_tensors_of_the_same_name_are_told_apart() -> None:
    tensors = [activation("t", (1, 2), QUANT), activation("t", (1, 2), QUANT).replace(name="u")]
    content = single(Operator("RELU", ("t",), ("u",)), tensors).replace(
        b"\x01\x00\x00\x00u\x00", b"\x01\x00\x00\x00t\x00"
    )
    g = load_tflite(content, "m").graph
    assert (g.inputs, g.outputs) == (("t",), ("t:1",))


def test_a_reshapes_shape_may_be_computed_by_unsupported_operators() -> None:
    """Keras writes SHAPE, STRIDED_SLICE, PACK before a RESHAPE whose result is known."""
    tensors = [
        *(
            activation("x", (1, 2, 3), QUANT),
            Tensor("shape", DType.INT32, (2,)),
            activation("y", (1, 6), QUANT),
        ),
        int32s("start", [0]),
    ]
    operators = [
        Operator("SHAPE", ("x",), ("shape",)),
        Operator("RESHAPE", ("x", "shape"), ("y",), "ReshapeOptions"),
    ]
    assert [op.kind for op in load_tflite(build_model(tensors, operators, ["x"], ["y"]), "m").graph.ops] == [
        "Reshape"
    ]


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x00" * 8, b"\x1c\x00\x00\x00TFL2" + bytes(100)])
def test_other_files_are_told_by_their_identifier(content: bytes) -> None:
    with pytest.raises(ModelFormatError, match="not a TFLite model") as caught:
        load_tflite(content, "m")
    assert caught.value.hint


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.9])
def test_truncated_files(keep: float) -> None:
    content = _dense()
    with pytest.raises(ModelFormatError):
        load_tflite(content[: max(8, int(len(content) * keep))], "m")


def test_a_model_without_subgraph() -> None:
    builder = flatbuffers.Builder(64)
    tflite.ModelStart(builder)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    with pytest.raises(ModelFormatError, match="no subgraph"):
        load_tflite(bytes(builder.Output()), "m")


def test_what_nothing_writes_cannot_be_read() -> None:
    tensors = [activation(n, (1, 2), QUANT) for n in ("x", "nothing", "y")]
    operators = [Operator("ADD", ("x", "nothing"), ("y",), "AddOptions")]
    with pytest.raises(ModelFormatError, match="reads \\['nothing'\\] before they are written"):
        load_tflite(build_model(tensors, operators, ["x"], ["y"]), "m")


def test_all_unsupported_operators_are_listed() -> None:
    tensors = [activation(n, (1, 2), QUANT) for n in ("x", "a", "b", "y")]
    operators = [
        Operator("ABS", ("x",), ("a",)),
        Operator("RELU", ("a",), ("b",)),
        Operator("NEG", ("b",), ("y",)),
    ]
    with pytest.raises(UnsupportedModelError) as caught:
        load_tflite(build_model(tensors, operators, ["x"], ["y"]), "m")
    assert caught.value.message.splitlines() == [
        "ABS #0 'a': the operator is not supported",
        "NEG #2 'y': the operator is not supported",
    ]


def _refusal(content: bytes, tmp_path: Path) -> str:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(UnsupportedModelError) as caught:
        load_quantized(path, CompileOptions())
    return caught.value.message


def test_a_bias_of_another_size(tmp_path: Path) -> None:
    """Kernels would read past its end."""
    for values in ([1, 2], [1, 2, 3, 4]):
        assert "bias of shape" in _refusal(_dense(int32s("bias", values)), tmp_path)
    scalar = constant("bias", np.array(7, dtype=np.int32))
    assert "one value per output channel" in _refusal(_dense(scalar), tmp_path)


def test_weight_scales_that_do_not_match(tmp_path: Path) -> None:
    per_channel = draws.QuantParams((0.1, 0.2), (0, 0), 0)
    assert "a scale per tensor or per output channel" in _refusal(_dense(quant=per_channel), tmp_path)
    assert "weights are constant int8" in _refusal(_dense(quant=None), tmp_path)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_scales(scale: float) -> None:
    with pytest.raises(ModelFormatError, match="quantization scales"):
        load_tflite(_dense(quant=draws.QuantParams((scale,), (0,))), "m")


def test_declared_shapes_must_be_those_of_the_operators() -> None:
    tensors = [activation("x", (1, 4), QUANT), activation("y", (1, 5), QUANT)]
    with pytest.raises(UnsupportedModelError, match="its inputs give the shapes"):
        load_tflite(single(Operator("RELU", ("x",), ("y",)), tensors), "m")


@pytest.mark.parametrize("name", ["TRANSPOSE", "SOFTMAX", "LEAKY_RELU", "RELU", "SVDF", "CONV_2D", "ADD"])
def test_an_absent_first_input(name: str) -> None:
    tensors = [activation("y", (1, 4), QUANT), int32s("perm", [0, 1])]
    operator = Operator(name, ("", "perm"), ("y",))
    with pytest.raises(
        UnsupportedModelError, match=r"input 0 is missing|must have 4 dimensions|must be positive"
    ):
        load_tflite(build_model(tensors, [operator], [], ["y"]), "m")


def test_a_constant_without_quantization_is_refused(tmp_path: Path) -> None:
    tensors = [
        *(activation("x", (1, 4), None, DType.FLOAT32), constant("c", np.ones((1, 4), dtype=np.int8))),
        *(
            activation("f", (1, 4), None, DType.FLOAT32),
            activation("q", (1, 4), QUANT),
            activation("y", (1, 4), QUANT),
        ),
        activation("r", (1, 4), QUANT),
    ]
    operators = [
        Operator("DEQUANTIZE", ("c",), ("f",)),
        Operator("QUANTIZE", ("f",), ("q",)),
        Operator("QUANTIZE", ("x",), ("r",)),
        Operator("ADD", ("r", "q"), ("y",), "AddOptions"),
    ]
    assert "DEQUANTIZE #0 'f'" in _refusal(build_model(tensors, operators, ["x"], ["y"]), tmp_path)
