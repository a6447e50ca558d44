"""What several operators share: float and integer building blocks, constraints, parameter records."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, DType, Op, Shape, Tensor, Tensors

INF = math.inf
MAX_LEFT_SHIFT = 30
MAX_PRODUCTS = 65535


def is_float(tensors: Tensors, op: Op) -> bool:
    """Whether the node computes in float32 (decided by its first input)."""
    return tensors[op.inputs[0]].dtype is DType.FLOAT32


def quantize_real(value: float, scale: float, zero_point: int) -> int:
    """A real bound as a quantized value, in float32 as TFLite does it."""
    return fx.round_half_away(float(np.float32(value) / np.float32(scale))) + zero_point


def clamp_bounds(output: Tensor, low: float, high: float) -> tuple[int, int]:
    """The quantized range of a fused activation that clamps to [low, high] (infinite: no bound)."""
    q_min, q_max = output.dtype.bounds
    if low != -INF:
        q_min = max(q_min, min(q_max, quantize_real(low, output.scale, output.zero_point)))
    if high != INF:
        q_max = min(q_max, max(q_min, quantize_real(high, output.scale, output.zero_point)))
    return q_min, q_max


def requantize(
    acc: fx.Int64Array, multiplier: Any, shift: Any, output: Tensor, bounds: tuple[int, int]
) -> Array:
    """int32 accumulators to the output's type: scale, add the zero point, clamp."""
    scaled = fx.multiply_by_quantized_multiplier(acc, multiplier, shift) + output.zero_point
    return np.clip(scaled, *bounds).astype(output.dtype.numpy)


def requantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) for a requantization. Raises ValueError where the left shift would not fit 32 bits."""
    multiplier, shift = fx.quantize_multiplier(real)
    if shift > MAX_LEFT_SHIFT:
        raise ValueError(
            f"the scales are too far apart: their ratio {real:.3g} must be below 2**{MAX_LEFT_SHIFT}"
        )
    return multiplier, shift


def channel_multipliers(x: Tensor, weights: Tensor, output: Tensor) -> tuple[Array, Array]:
    """(multiplier, shift) int32 arrays, one per output channel: input_scale * weight_scale / output_scale.

    The product and the quotient are taken in double precision, as TFLite does for convolutions.
    """
    if weights.quant is None:
        raise ValueError(f"tensor '{weights.name}' has no quantization")
    pairs = [requantize_multiplier(x.scale * s / output.scale) for s in weights.quant.scale]
    multiplier, shift = np.array(pairs, dtype=np.int32).T
    return multiplier, shift


def integer_bias(bias: Tensor | None, channels: int) -> Array:
    """The int32 bias, zeros when the node has none."""
    if bias is None or bias.data is None:
        return np.zeros(channels, dtype=np.int32)
    return bias.data.astype(np.int32).reshape(-1)


def optional(tensors: Tensors, op: Op, index: int) -> Tensor | None:
    """The tensor of an optional input, or None."""
    name = op.inputs[index] if index < len(op.inputs) else ""
    return tensors[name] if name else None


def window_view(
    x: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """Sliding windows of a padded NHWC array: [n, out_h, out_w, k_h, k_w, c], a view."""
    n, h, w, c = x.shape
    (kh, kw), (sh, sw), (dh, dw) = kernel, stride, dilation
    out_h, out_w = (h - (kh - 1) * dh - 1) // sh + 1, (w - (kw - 1) * dw - 1) // sw + 1
    sn, s_h, s_w, sc = x.strides
    return np.lib.stride_tricks.as_strided(
        x, (n, out_h, out_w, kh, kw, c), (sn, s_h * sh, s_w * sw, s_h * dh, s_w * dw, sc), writeable=False
    )


def conv_output_size(size: int, kernel: int, stride: int, dilation: int, pad: int) -> int:
    """Output length of a sliding window over ``size + pad`` elements. Raises ValueError if none fits."""
    out = (size + pad - (kernel - 1) * dilation - 1) // stride + 1
    if out < 1:
        raise ValueError(
            f"a window of {kernel} (dilation {dilation}) does not fit {size} elements + {pad} padding"
        )
    return out


def int8_in_out(op: Op, t: Tensors) -> bool:
    """Data inputs and outputs are int8 with per-tensor quantization."""
    names = (op.inputs[0], *op.outputs)
    return all(
        t[n].dtype is DType.INT8 and (q := t[n].quant) is not None and len(q.scale) == 1 for n in names
    )


INT8_IO = Constraint("input and output are int8 with one scale per tensor", int8_in_out)
BATCH_1 = Constraint("the batch size is 1", lambda op, t: t[op.inputs[0]].shape[0] == 1)


def symmetric_int8_weights(axis: int) -> Constraint:
    """Weights are constant, int8, zero point 0, with a scale per tensor or per index of ``axis``."""

    def holds(op: Op, t: Tensors) -> bool:
        w = t[op.inputs[1]]
        if w.data is None or w.dtype is not DType.INT8 or w.quant is None:
            return False
        per_axis = w.quant.axis in (axis, axis - len(w.shape)) and len(w.quant.scale) == w.shape[axis]
        return (len(w.quant.scale) == 1 or per_axis) and not any(w.quant.zero_point)

    text = "weights are constant int8 with zero point 0 and a scale per tensor or per output channel"
    return Constraint(text, holds)


def constant_int32_bias(index: int) -> Constraint:
    """The bias is absent or a constant int32 tensor of one value per output channel."""

    def holds(op: Op, t: Tensors) -> bool:
        bias = optional(t, op, index)
        if bias is None:
            return True
        return (
            bias.data is not None
            and bias.dtype is DType.INT32
            and bias.elements == t[op.outputs[0]].shape[-1]
        )

    return Constraint("the bias is absent or constant int32 with one value per output channel", holds)


def require_bias_size(shapes: tuple[Shape, ...], index: int, channels: int) -> None:
    """Raises ValueError when there is a bias of another size than one value per output channel."""
    bias = shapes[index] if index < len(shapes) else ()
    if bias and math.prod(bias) != channels:
        raise ValueError(f"a bias of shape {bias} for {channels} output channels")


def sum_fits(products: Callable[[Any, Tensors], int]) -> Constraint:
    """The accumulator of an output cannot overflow: 65535 products of int8 values stay below 2**31."""
    return Constraint(
        "an output is the sum of at most 65535 products", lambda op, t: products(op, t) <= MAX_PRODUCTS
    )


def same_quantization(op: Op, t: Tensors) -> bool:
    """All data inputs and outputs share type, scale and zero point."""
    first = t[op.inputs[0]]
    names = [n for n in (*op.inputs, *op.outputs) if n]
    return all(t[n].dtype is first.dtype and t[n].quant == first.quant for n in names)


SAME_QUANT = Constraint("input and output have the same type, scale and zero point", same_quantization)

# Types whose elements the data-moving kernels can copy.
MOVABLE = (DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.FLOAT32)


def require_rank(name: str, shape: Shape, rank: int) -> None:
    """Raises ValueError when ``shape`` has another number of dimensions."""
    if len(shape) != rank:
        raise ValueError(f"{name} has {len(shape)} dimensions, {rank} are needed")


def same_rows(x: Tensor, y: Tensor, rows: range) -> range | None:
    """The rows of an input that an element-wise operator reads for rows of its output."""
    if len(y.shape) != 4 or y.shape[0] != 1:
        return None
    height = (1,) * (4 - len(x.shape)) + x.shape
    if height[1] == 1 and x.is_const:
        return range(0)
    if x.is_const or len(x.shape) != 4:
        return None
    return rows if x.shape[1] == y.shape[1] else range(x.shape[1])


def spatial_label(kernel: tuple[int, int], x: Shape, y: Shape) -> str:
    """Text such as "3x3_32x32x3_to_16x16x8" for names of layers."""
    return f"{kernel[0]}x{kernel[1]}_{dims_label(x[1:])}_to_{dims_label(y[1:])}"


def dims_label(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def unary_table(function: Callable[[fx.Int64Array], Array], dtype: DType) -> Array:
    """``function`` of every 8-bit input value, as uint8 bit patterns indexed by the input's bit pattern."""
    patterns = np.arange(256, dtype=np.uint8)
    values = patterns.view(np.int8) if dtype is DType.INT8 else patterns
    return function(values.astype(np.int64)).view(np.uint8)
