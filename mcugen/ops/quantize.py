"""Changes of number format: Quantize (also requantize) and Dequantize."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, DType, Op, Shape, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops import common
from mcugen.ops.table import BITS_8
from mcugen.ops.unary import table_call

_REQUANTIZE = {
    (DType.INT16, DType.INT8): "requantize_s16_s8",
    (DType.INT8, DType.INT16): "requantize_s8_s16",
    (DType.INT8, DType.INT32): "requantize_s8_s32",
    (DType.INT16, DType.INT32): "requantize_s16_s32",
}
_FROM_FLOAT = {DType.INT8: "quantize_f32_s8", DType.UINT8: "quantize_f32_u8", DType.INT16: "quantize_f32_s16"}
_TO_FLOAT = {
    DType.INT8: "dequantize_s8_f32",
    DType.UINT8: "dequantize_u8_f32",
    DType.INT16: "dequantize_s16_f32",
}

# Beyond this every quotient saturates any output of at most 16 bits with any zero point.
QUOTIENT_LIMIT = np.float32(1 << 20)


def affine_quantize(x: Array, scale: float, zero_point: int, dtype: DType) -> Array:
    """float32 to integers: ``round(x / scale) + zero_point``, ties away from zero, saturated; NaN gives the minimum."""
    with np.errstate(over="ignore"):
        quotient = x.astype(np.float32) / np.float32(scale)
    quotient = np.where(
        np.isnan(quotient), -QUOTIENT_LIMIT, np.clip(quotient, -QUOTIENT_LIMIT, QUOTIENT_LIMIT)
    )
    whole = np.trunc(quotient)
    rounded = whole + np.sign(quotient) * (np.abs(quotient - whole) >= np.float32(0.5))
    quantized: Array = np.clip(rounded.astype(np.int64) + zero_point, *dtype.bounds).astype(dtype.numpy)
    return quantized


def _formats_ok(op: Op, t: Tensors) -> bool:
    x, y = t[op.inputs[0]], t[op.outputs[0]]
    if x.dtype is DType.FLOAT32:
        return y.dtype in _FROM_FLOAT
    return (x.dtype in BITS_8 and y.dtype in BITS_8) or (x.dtype, y.dtype) in _REQUANTIZE


def _per_tensor(name: str) -> Constraint:
    def holds(op: Op, t: Tensors) -> bool:
        tensor = t[op.outputs[0] if name == "output" else op.inputs[0]]
        return tensor.dtype is DType.FLOAT32 or (tensor.quant is not None and len(tensor.quant.scale) == 1)

    return Constraint(f"the {name} has one scale per tensor", holds)


@dataclass(frozen=True, kw_only=True)
class Quantize(Op):
    """``y = saturate(round(x / sy) + zy)`` from float32; between integer types ``saturate(requantize(x - zx))``.

    Sources: TFLite's reference AffineQuantize and Requantize.
    """

    kind: ClassVar[str] = "Quantize"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        Constraint(
            "the formats are float32 to int8, uint8 or int16; int8 or uint8 to int8 or uint8; "
            "int16 to int8 or int32; int8 to int16 or int32",
            _formats_ok,
        ),
        _per_tensor("input"),
        _per_tensor("output"),
    )

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        return (shapes[0],)

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        return common.same_rows(tensors[self.inputs[0]], tensors[self.outputs[0]], rows)

    def _multiplier(self, t: Tensors) -> tuple[int, int]:
        return common.requantize_multiplier(t[self.inputs[0]].scale / t[self.outputs[0]].scale)

    def _requantized(self, tensors: Tensors, x: fx.Int64Array) -> Array:
        source, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        return common.requantize(x - source.zero_point, *self._multiplier(tensors), y, y.dtype.bounds)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        y = tensors[self.outputs[0]]
        if common.is_float(tensors, self):
            return (affine_quantize(arrays[0], y.scale, y.zero_point, y.dtype),)
        return (self._requantized(tensors, arrays[0].astype(np.int64)),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        label = common.dims_label(x.shape[1:] or x.shape)
        if x.dtype is DType.FLOAT32:
            params = (("n", x.elements), ("scale", y.scale), ("zero_point", y.zero_point))
            return (KernelCall(_FROM_FLOAT[y.dtype], params, self.inputs, self.outputs, label=label),)
        if y.dtype in BITS_8 and x.dtype in BITS_8:
            table = common.unary_table(lambda v: self._requantized(tensors, v), x.dtype)
            return (table_call(self, tensors, table),)
        multiplier, shift = self._multiplier(tensors)
        rescale = (
            ("n", x.elements), ("in_offset", -x.zero_point), ("out_offset", y.zero_point),
            ("out_multiplier", multiplier), ("out_shift", shift),
        )  # fmt: skip
        return (KernelCall(_REQUANTIZE[x.dtype, y.dtype], rescale, self.inputs, self.outputs, label=label),)


@dataclass(frozen=True, kw_only=True)
class Dequantize(Op):
    """``y = scale * (x - zero_point)`` in float32. Source: TFLite's reference Dequantize."""

    kind: ClassVar[str] = "Dequantize"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        Constraint("the input is int8, uint8 or int16", lambda op, t: t[op.inputs[0]].dtype in _TO_FLOAT),
        _per_tensor("input"),
    )

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        return (shapes[0],)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        quant = tensors[self.inputs[0]].quant
        if quant is None:
            raise ValueError(f"tensor '{self.inputs[0]}' has no quantization")
        shape = [1] * arrays[0].ndim
        if quant.axis is not None and len(quant.scale) > 1:
            if not -len(shape) <= quant.axis < len(shape):
                raise ValueError(f"scales along dimension {quant.axis} of {len(shape)}")
            shape[quant.axis] = -1
        zero_point = np.array(quant.zero_point, dtype=np.int64).reshape(shape if arrays[0].ndim else ())
        scale = np.array(quant.scale, dtype=np.float32).reshape(shape if arrays[0].ndim else ())
        return (((arrays[0].astype(np.int64) - zero_point).astype(np.float32) * scale).astype(np.float32),)

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        return common.same_rows(tensors[self.inputs[0]], tensors[self.outputs[0]], rows)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x = tensors[self.inputs[0]]
        params = (("n", x.elements), ("scale", x.scale), ("zero_point", x.zero_point))
        label = common.dims_label(x.shape[1:] or x.shape)
        return (KernelCall(_TO_FLOAT[x.dtype], params, self.inputs, self.outputs, label=label),)
