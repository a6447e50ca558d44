"""The undamaged files: one model per TFLite operator, the example, and the small models of the zoo."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mcugen.ir import DType, QuantParams, Tensor
from tests.support.draws import activation, constant, int32s
from tests.support.tflite_builder import Operator, build_model, single
from tests.support.zoo import Zoo

_LARGEST = 120_000
_QUANT = QuantParams.per_tensor(0.05, -3)
_WEIGHTS = QuantParams.per_tensor(0.01, 0)
_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"


def tflite_files(zoo: Zoo | None) -> list[bytes]:
    """Built models, and the small files of the zoo."""
    found = [e.path for e in zoo.entries()] if zoo else []
    return [*built(), *_small(found)]


def onnx_files(zoo: Zoo | None) -> list[bytes]:
    """The example, and the small files of the zoo."""
    found = [e.path for e in zoo.entries("onnx")] if zoo else []
    return _small([_EXAMPLE, *found])


def _small(paths: list[Path]) -> list[bytes]:
    return [p.read_bytes() for p in paths if p.is_file() and p.stat().st_size <= _LARGEST]


def built() -> list[bytes]:
    """Small valid models that have all operators between them."""
    return [_convolutions(), _movements(), _elementwise(), _dense(), _svdf()]


def _x(name: str, *shape: int, quant: QuantParams | None = _QUANT, dtype: DType = DType.INT8) -> Tensor:
    return activation(name, shape, quant, dtype)


def _weights(name: str, *shape: int) -> Tensor:
    return constant(name, np.arange(np.prod(shape)).reshape(shape).astype(np.int8), _WEIGHTS)


def _bias(name: str, n: int) -> Tensor:
    return constant(name, np.arange(n, dtype=np.int32), QuantParams.per_tensor(0.0005, 0))


def _convolutions() -> bytes:
    window = {"stride_h": 1, "stride_w": 1, "padding": 0, "fused_activation_function": 1}
    dilation = {"dilation_h_factor": 1, "dilation_w_factor": 1}
    pool = {**window, "filter_height": 2, "filter_width": 2}
    tensors = [
        *(
            _x("x", 1, 6, 6, 3),
            _x("a", 1, 6, 6, 4),
            _x("b", 1, 6, 6, 8),
            _x("c", 1, 6, 6, 8),
            _x("d", 1, 6, 6, 8),
        ),
        *(_weights("w1", 4, 3, 3, 3), _bias("b1", 4), _weights("w2", 1, 3, 3, 8), _bias("b2", 8)),
        *(int32s("axes", [1, 2]), _x("y", 1, 8)),
    ]
    operators = [
        Operator("CONV_2D", ("x", "w1", "b1"), ("a",), "Conv2DOptions", {**window, **dilation}),
        Operator(
            "DEPTHWISE_CONV_2D",
            ("a", "w2", "b2"),
            ("b",),
            "DepthwiseConv2DOptions",
            {**window, **dilation, "depth_multiplier": 2},
        ),
        Operator("MAX_POOL_2D", ("b",), ("c",), "Pool2DOptions", pool),
        Operator("AVERAGE_POOL_2D", ("c",), ("d",), "Pool2DOptions", pool),
        Operator("MEAN", ("d", "axes"), ("y",), "ReducerOptions", {"keep_dims": False}),
    ]
    return build_model(tensors, operators, ["x"], ["y"])


def _movements() -> bytes:
    tensors = [
        *(
            _x("x", 1, 4, 6),
            constant("widths", np.array([[0, 0], [1, 1], [0, 2]], dtype=np.int32)),
            _x("a", 1, 6, 8),
        ),
        *(
            _x("b", 1, 6, 4),
            _x("c", 1, 6, 4),
            int32s("axis", [2]),
            _x("d", 1, 6, 8),
            int32s("perm", [0, 2, 1]),
        ),
        *(_x("e", 1, 8, 6), int32s("begin", [0, 1, 0]), int32s("end", [1, 7, 6]), int32s("steps", [1, 2, 1])),
        *(_x("f", 1, 3, 6), int32s("size", [1, 2, 6]), int32s("start", [0, 1, 0]), _x("g", 1, 2, 6)),
        *(int32s("shape", [1, 12]), _x("h", 1, 12), _x("i", 1, 1, 12), int32s("where", [1]), _x("j", 12)),
        *(int32s("sizes", [5, 7]), int32s("first", [0]), _x("k", 5), _x("l", 7)),
        *(constant("value", np.array([3], dtype=np.int8), _QUANT), _x("p", 1, 6, 8)),
        constant("none", np.zeros((3, 2), dtype=np.int32)),
    ]
    operators = [
        Operator("PADV2", ("x", "widths", "value"), ("a",)),
        Operator("PAD", ("a", "none"), ("p",), "PadOptions"),
        Operator("SPLIT", ("axis", "p"), ("b", "c"), "SplitOptions", {"num_splits": 2}),
        Operator("CONCATENATION", ("c", "b"), ("d",), "ConcatenationOptions", {"axis": 2}),
        Operator("TRANSPOSE", ("d", "perm"), ("e",), "TransposeOptions"),
        Operator(
            "STRIDED_SLICE", ("e", "begin", "end", "steps"), ("f",), "StridedSliceOptions", {"begin_mask": 1}
        ),
        Operator("SLICE", ("f", "start", "size"), ("g",), "SliceOptions"),
        Operator("RESHAPE", ("g", "shape"), ("h",), "ReshapeOptions", {"new_shape": (1, 12)}),
        Operator("EXPAND_DIMS", ("h", "where"), ("i",), "ExpandDimsOptions"),
        Operator("SQUEEZE", ("i",), ("j",), "SqueezeOptions", {"squeeze_dims": (0, 1)}),
        Operator("SPLIT_V", ("j", "sizes", "first"), ("k", "l"), "SplitVOptions", {"num_splits": 2}),
    ]
    return build_model(tensors, operators, ["x"], ["k", "l"])


def _elementwise() -> bytes:
    names = [
        "ADD",
        "SUB",
        "MUL",
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "LEAKY_RELU",
        "HARD_SWISH",
        "LOGISTIC",
        "DEQUANTIZE",
    ]
    tensors = [_x("q", 1, 4, 4), _x("x", 1, 4, 4, quant=None, dtype=DType.FLOAT32)]
    operators, before = [Operator("QUANTIZE", ("x",), ("q",), "QuantizeOptions")], "q"
    for name in names:
        inputs = (before, "q") if name in ("ADD", "SUB", "MUL") else (before,)
        quant = QuantParams.per_tensor(1 / 256, -128) if name == "LOGISTIC" else _QUANT
        is_float = name == "DEQUANTIZE"
        tensors.append(
            _x(
                name,
                1,
                4,
                4,
                quant=None if is_float else quant,
                dtype=DType.FLOAT32 if is_float else DType.INT8,
            )
        )
        table = {
            "ADD": "AddOptions",
            "SUB": "SubOptions",
            "MUL": "MulOptions",
            "LEAKY_RELU": "LeakyReluOptions",
        }
        operators.append(Operator(name, inputs, (name,), table.get(name, "")))
        before = name
    return build_model(tensors, operators, ["x"], [before])


def _dense() -> bytes:
    probability = QuantParams.per_tensor(1 / 256, -128)
    unit = QuantParams.per_tensor(1 / 128, 0)
    tensors = [
        *(_x("x", 1, 8), _weights("w", 5, 8), _bias("b", 5), _x("a", 1, 5), _x("t", 1, 5, quant=unit)),
        _x("y", 1, 5, quant=probability),
    ]
    operators = [
        Operator(
            "FULLY_CONNECTED", ("x", "w", "b"), ("a",), "FullyConnectedOptions", {"keep_num_dims": True}
        ),
        Operator("TANH", ("a",), ("t",)),
        Operator("SOFTMAX", ("t",), ("y",), "SoftmaxOptions", {"beta": 1.0}),
    ]
    return build_model(tensors, operators, ["x"], ["y"])


def _svdf() -> bytes:
    state = Tensor("state", DType.INT16, (1, 12), QuantParams.per_tensor(0.01, 0), variable=True)
    time = constant("time", np.arange(12, dtype=np.int16).reshape(4, 3), _WEIGHTS)
    tensors = [_x("x", 1, 6), _weights("feature", 4, 6), time, _bias("bias", 2), state, _x("y", 1, 2)]
    operator = Operator("SVDF", ("x", "feature", "time", "bias", "state"), ("y",), "SVDFOptions", {"rank": 2})
    return single(operator, tensors)
