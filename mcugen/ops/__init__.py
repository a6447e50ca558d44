"""All operators: ``OPS`` is the one list of them."""

from __future__ import annotations

from mcugen.ir import Op
from mcugen.ops.activations import Clip, HardSwish, LeakyRelu, Logistic, Tanh
from mcugen.ops.add import Add, Sub
from mcugen.ops.batch_norm import BatchNorm
from mcugen.ops.conv2d import Conv2D
from mcugen.ops.depthwise_conv2d import DepthwiseConv2D
from mcugen.ops.fully_connected import FullyConnected
from mcugen.ops.mean import Mean
from mcugen.ops.movement import Concat, Pad, Reshape, Split, StridedSlice, Transpose
from mcugen.ops.mul import Mul
from mcugen.ops.pool2d import AveragePool2D, MaxPool2D
from mcugen.ops.quantize import Dequantize, Quantize
from mcugen.ops.softmax import Softmax
from mcugen.ops.svdf import Svdf
from mcugen.ops.table import Table
from mcugen.ops.views import Join, View

OPS: tuple[type[Op], ...] = (
    Add,
    AveragePool2D,
    BatchNorm,
    Clip,
    Concat,
    Conv2D,
    Dequantize,
    DepthwiseConv2D,
    FullyConnected,
    HardSwish,
    Join,
    LeakyRelu,
    Logistic,
    MaxPool2D,
    Mean,
    Mul,
    Pad,
    Quantize,
    Reshape,
    Softmax,
    Split,
    StridedSlice,
    Sub,
    Svdf,
    Table,
    Tanh,
    Transpose,
    View,
)

__all__ = [
    "OPS",
    "Add",
    "AveragePool2D",
    "BatchNorm",
    "Clip",
    "Concat",
    "Conv2D",
    "DepthwiseConv2D",
    "Dequantize",
    "FullyConnected",
    "HardSwish",
    "Join",
    "LeakyRelu",
    "Logistic",
    "MaxPool2D",
    "Mean",
    "Mul",
    "Pad",
    "Quantize",
    "Reshape",
    "Softmax",
    "Split",
    "StridedSlice",
    "Sub",
    "Svdf",
    "Table",
    "Tanh",
    "Transpose",
    "View",
]
