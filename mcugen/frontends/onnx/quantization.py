"""Importers of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from mcugen import ops
from mcugen.frontends.onnx.builder import Builder
from mcugen.frontends.onnx.node import Node, UnsupportedNodeError, require
from mcugen.frontends.onnx.values import Const, normalized_axis
from mcugen.ir import Array, DType, QuantParams

_ACTIVATION_TYPES = {"int8": DType.INT8, "uint8": DType.UINT8}
_CONSTANT_TYPES = ("int8", "uint8", "int32")
_OUTPUT_DTYPE = {0: "uint8", TensorProto.UINT8: "uint8", TensorProto.INT8: "int8"}


def _parameters(b: Builder, node: Node, default_dtype: str) -> tuple[Array, Array]:
    """(scales, zero points) as vectors; the zero point has the dtype of the integers."""
    scale = b.const(node, 1, "the scale").array.astype(np.float32)
    given = b.optional_const(node, 2, "the zero point")
    zero_point = np.zeros(scale.shape, default_dtype) if given is None else given.array
    require(scale.ndim <= 1 and zero_point.size == scale.size, "there is one scale per tensor or per channel")
    require(bool(np.all(scale > 0)) and bool(np.all(np.isfinite(scale))), "scales are positive numbers")
    return scale.reshape(-1), zero_point.reshape(-1)


def _activation_quant(b: Builder, node: Node, default_dtype: str) -> tuple[DType, QuantParams]:
    scale, zero_point = _parameters(b, node, default_dtype)
    require(scale.size == 1, "activations have one scale per tensor")
    dtype = _ACTIVATION_TYPES.get(zero_point.dtype.name)
    if dtype is None:
        raise UnsupportedNodeError(f"activations are int8 or uint8, not {zero_point.dtype.name}")
    return dtype, QuantParams.per_tensor(float(scale[0]), int(zero_point[0]))


def quantize_linear(b: Builder, node: Node) -> None:
    x = b.value(node, 0)
    require(node.int("block_size", 0) == 0, "block-wise quantization is not supported")
    default = _OUTPUT_DTYPE.get(node.int("output_dtype", 0), "other")
    require(default != "other", "the output is int8 or uint8")
    dtype, quant = _activation_quant(b, node, default)
    op = ops.Quantize(inputs=(x.name,), outputs=(node.output,), origin=node.origin)
    (b.values[node.output],) = b.emit(op, x.perm, dtype=dtype, quant=quant)


def dequantize_linear(b: Builder, node: Node) -> None:
    operand = b.required(node, 0)
    require(node.int("block_size", 0) == 0, "block-wise quantization is not supported")
    if isinstance(operand, Const):
        b.values[node.output] = _dequantized_constant(b, node, operand)
        return
    _, quant = _activation_quant(b, node, b.tensors[operand.name].dtype.value)
    require(quant == b.tensors[operand.name].quant, "the scale is that of the QuantizeLinear before")
    b.emit_to(node, ops.Dequantize, (operand.name,), operand.perm)


def _dequantized_constant(b: Builder, node: Node, const: Const) -> Const:
    """A constant that remembers its quantization."""
    require(const.array.dtype.name in _CONSTANT_TYPES, "quantized constants are int8, uint8 or int32")
    scale, zero_point = _parameters(b, node, const.array.dtype.name)
    axis, shape = None, [1] * const.array.ndim
    if scale.size > 1:
        axis = normalized_axis(node.int("axis", 1), const.array.ndim)
        require(const.shape[axis] == scale.size, "there is one scale per channel")
        shape[axis] = -1
    centred = const.array.astype(np.int64) - zero_point.astype(np.int64).reshape(shape)
    real = centred.astype(np.float32) * scale.reshape(shape)
    offset = 128 if const.array.dtype == np.uint8 else 0
    quant = QuantParams(tuple(float(s) for s in scale), tuple(int(z) - offset for z in zero_point), axis)
    return Const(node.output, real.astype(np.float32).reshape(const.shape), quant)
