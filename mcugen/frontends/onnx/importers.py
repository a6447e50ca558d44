"""The operators of ONNX and the functions that import them: ``IMPORTERS`` is the one list."""

from __future__ import annotations

from collections.abc import Callable

from mcugen.frontends.onnx import elementwise, layers, movement, quantization
from mcugen.frontends.onnx.builder import Builder
from mcugen.frontends.onnx.node import MICROSOFT, Node

Importer = Callable[[Builder, Node], None]

IMPORTERS: dict[str, Importer] = {
    "Add": elementwise.add,
    "AveragePool": layers.average_pool,
    "BatchNormalization": elementwise.batch_normalization,
    "Cast": elementwise.cast,
    "Clip": elementwise.clip,
    "Concat": movement.concat,
    "Conv": layers.conv,
    "DequantizeLinear": quantization.dequantize_linear,
    "Div": elementwise.div,
    "Dropout": elementwise.alias,
    "Flatten": movement.flatten,
    "Gather": movement.gather,
    "Gemm": layers.gemm,
    "GlobalAveragePool": layers.global_average_pool,
    "GlobalMaxPool": layers.global_max_pool,
    "HardSigmoid": elementwise.hard_sigmoid,
    "HardSwish": elementwise.hard_swish,
    "Identity": elementwise.alias,
    "LeakyRelu": elementwise.leaky_relu,
    "MatMul": layers.matmul,
    "MaxPool": layers.max_pool,
    "Mul": elementwise.mul,
    "PRelu": elementwise.prelu,
    "Pad": movement.pad,
    "QuantizeLinear": quantization.quantize_linear,
    "ReduceMean": layers.reduce_mean,
    "Relu": elementwise.relu,
    "Reshape": movement.reshape,
    "Shape": movement.shape_of,
    "Sigmoid": elementwise.sigmoid,
    "Size": movement.size_of,
    "Slice": movement.slice_,
    "Softmax": layers.softmax,
    "Split": movement.split,
    "Squeeze": movement.squeeze,
    "Sub": elementwise.sub,
    "Tanh": elementwise.tanh,
    "Transpose": movement.transpose,
    "Unsqueeze": movement.unsqueeze,
    f"{MICROSOFT}.DequantizeLinear": quantization.dequantize_linear,
    f"{MICROSOFT}.QuantizeLinear": quantization.quantize_linear,
}

# Operators that want channels last, and those that pass the storage order of their input on.
CHANNELS_LAST = frozenset(
    [
        "AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "GlobalMaxPool", "MaxPool",
    ]
)  # fmt: skip
ORDER_AGNOSTIC = frozenset(
    [
        "Add", "Cast", "Clip", "Concat", "DequantizeLinear", "Div", "Dropout", "HardSigmoid",
        "HardSwish", "Identity", "LeakyRelu", "Mul", "PRelu", "Pad", "QuantizeLinear", "Relu",
        "Sigmoid", "Slice", "Split", "Sub", "Tanh",
    ]
)  # fmt: skip
