"""Interval analysis of 8-bit graphs: the range of every tensor, per index of its last axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeAlias

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.fixedpoint import Int64Array
from mcugen.ir import Array, Graph, Op, Shape, Tensor, Tensors
from mcugen.ops import (
    Concat,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Mean,
    Mul,
    Pad,
    Reshape,
    Split,
    StridedSlice,
    Transpose,
    common,
)  # fmt: skip
from mcugen.ops.add import AddBase
from mcugen.ops.conv2d import WindowOp
from mcugen.ops.pool2d import Pool2D
from mcugen.ops.table import BITS_8
from mcugen.passes.byte_functions import ByteFunction, by_value, byte_function

# The product of two centred bytes takes 17 bits; a left shift by this keeps it within 32.
_MUL_LEFT_SHIFT = 14


@dataclass(frozen=True, eq=False)
class Range:
    """Smallest and largest quantized value, both attainable or not, of each channel (index of the last axis)."""

    low: Int64Array
    high: Int64Array

    @property
    def constant(self) -> Array:
        """Which channels have the same value for every input."""
        return np.equal(self.low, self.high)

    def at(self, index: Array) -> Range:
        return Range(self.low[index], self.high[index])

    def hull(self, other: Range) -> Range:
        return Range(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def regrouped(self, channels: int) -> Range:
        """The range per channel when the same elements are read in rows of another length."""
        common_length = int(np.gcd(self.low.size, channels))
        low = self.low.reshape(-1, common_length).min(axis=0)
        high = self.high.reshape(-1, common_length).max(axis=0)
        repeats = channels // common_length
        return Range(np.tile(low, repeats), np.tile(high, repeats))


def channel_ranges(graph: Graph) -> dict[str, Range]:
    """The range of every int8 and uint8 tensor. Wherever an operator is not understood it is that of the type."""
    ranges = {t.name: _initial(t) for t in graph.tensors.values() if t.dtype in BITS_8}
    for op in graph.ops:
        found = _outputs(op, graph.tensors, ranges)
        if found is not None:
            ranges.update((n, r) for n, r in zip(op.outputs, found, strict=True) if n in ranges)
    return ranges


def channels_of(tensor: Tensor) -> int:
    """The length of the last axis."""
    return tensor.shape[-1] if tensor.shape else 1


def outside_taps(op: WindowOp, x: Shape, y: Shape) -> Array:
    """bool[k_h, k_w]: the places of the window that lie in the padding for some output."""

    def axis(size: int, out: int, kernel: int, stride: int, dilation: int, before: int) -> Array:
        first = np.arange(kernel) * dilation - before
        return (first < 0) | (first + (out - 1) * stride >= size)

    rows, columns = (
        axis(x[i + 1], y[i + 1], op.kernel[i], op.stride[i], op.dilation[i], op.padding[2 * i])
        for i in (0, 1)
    )
    return rows[:, None] | columns[None, :]


def _initial(tensor: Tensor) -> Range:
    if tensor.is_const and tensor.elements:
        assert tensor.data is not None
        rows = tensor.data.reshape(-1, channels_of(tensor)).astype(np.int64)
        return Range(rows.min(axis=0), rows.max(axis=0))
    low, high = tensor.dtype.bounds
    return _uniform(low, high, channels_of(tensor))


def _uniform(low: int, high: int, channels: int) -> Range:
    return Range(np.full(channels, low, dtype=np.int64), np.full(channels, high, dtype=np.int64))


def _outputs(op: Op, tensors: Tensors, ranges: dict[str, Range]) -> Sequence[Range] | None:
    """The outputs' ranges, or None where nothing is known."""
    function = byte_function(op, tensors)
    if function is not None:
        return [_mapped(function, tensors, op.outputs[0], ranges[function.source])]
    if op.check(tensors) or op.inputs[0] not in ranges:
        return None
    try:
        return _transfer(op, tensors, [ranges[n] for n in op.inputs if n in ranges])
    except ValueError:
        return None  # the support check names it


def _mapped(function: ByteFunction, tensors: Tensors, output: str, x: Range) -> Range:
    source = tensors[function.source].dtype
    values = by_value(function.table, source, tensors[output].dtype)
    parts = [
        values[low : high + 1]
        for low, high in zip(x.low - source.bounds[0], x.high - source.bounds[0], strict=True)
    ]
    return Range(np.array([p.min() for p in parts]), np.array([p.max() for p in parts]))


def _requantized(
    acc: Range, multiplier: Array | int, shift: Array | int, y: Tensor, bounds: tuple[int, int]
) -> Range:
    """Accumulators through requantization, which is monotonic unless its left shift wraps."""
    left = np.maximum(np.asarray(shift, dtype=np.int64), 0)
    fits = (acc.low >= fx.INT32_MIN >> left) & (acc.high <= fx.INT32_MAX >> left)
    ends = [common.requantize(e, multiplier, shift, y, bounds).astype(np.int64) for e in (acc.low, acc.high)]
    return Range(np.where(fits, np.minimum(*ends), bounds[0]), np.where(fits, np.maximum(*ends), bounds[1]))


@singledispatch
def _transfer(op: Op, tensors: Tensors, inputs: list[Range]) -> Sequence[Range] | None:
    """The outputs' ranges from those of the 8-bit inputs, for operators that pass their check."""
    return None


Layer: TypeAlias = Conv2D | DepthwiseConv2D | FullyConnected


@_transfer.register(Conv2D)
@_transfer.register(DepthwiseConv2D)
@_transfer.register(FullyConnected)
def _(op: Layer, tensors: Tensors, inputs: list[Range]) -> Sequence[Range]:
    y = tensors[op.outputs[0]]
    acc = accumulators(op, tensors, inputs[0])
    return [_requantized(acc, *multipliers(op, tensors), y, common.clamp_bounds(y, op.low, op.high))]


def multipliers(op: Layer, tensors: Tensors) -> tuple[Array, Array]:
    """(multiplier, shift) of a layer, of length 1 or one per output channel."""
    if isinstance(op, FullyConnected):
        return op.multipliers(tensors)
    x, w, y = (tensors[n] for n in (*op.inputs[:2], op.outputs[0]))
    return common.channel_multipliers(x, w, y)


def accumulators(op: Layer, tensors: Tensors, x: Range) -> Range:
    """Range of the int32 accumulators per output channel, bias included, for an input in the range x.

    Not cut to 32 bits: what exceeds them may have wrapped.
    """
    weights, index = _weights_and_inputs(op, tensors)
    if isinstance(op, FullyConnected):
        return _accumulated(
            op, tensors, weights, x.regrouped(weights.shape[2]).at(index), np.zeros(1, dtype=bool)
        )
    outside = outside_taps(op, tensors[op.inputs[0]].shape, tensors[op.outputs[0]].shape).reshape(-1)
    return _accumulated(op, tensors, weights, x.at(index), outside)


def _weights_and_inputs(op: Layer, tensors: Tensors) -> tuple[Array, Array]:
    """Weights [outputs, taps, inputs], and the input channels that they read [outputs or 1, inputs]."""
    x, w, y = (tensors[n] for n in (*op.inputs[:2], op.outputs[0]))
    assert w.data is not None
    if isinstance(op, FullyConnected):
        return w.data[:, None, :], np.arange(w.shape[1])[None]
    outputs = y.shape[3]
    if isinstance(op, DepthwiseConv2D):
        return w.data.reshape(-1, outputs).T[:, :, None], (np.arange(outputs) // (outputs // x.shape[3]))[
            :, None
        ]
    group = np.arange(outputs) // (outputs // op.groups)
    index = (group[:, None] if op.groups > 1 else 0) * w.shape[3] + np.arange(w.shape[3])[None]
    return w.data.reshape(outputs, -1, w.shape[3]), np.asarray(index)


def _accumulated(op: Op, tensors: Tensors, weights: Array, x: Range, outside: Array) -> Range:
    """Range of the int32 accumulators, bias included: weights [outputs, taps, inputs], x [outputs or 1, inputs].

    What lies outside the input adds nothing.
    """
    zero_point = tensors[op.inputs[0]].zero_point
    low, high = (x.low - zero_point)[:, None, :], (x.high - zero_point)[:, None, :]
    low = np.where(outside[:, None], np.minimum(low, 0), low)
    high = np.where(outside[:, None], np.maximum(high, 0), high)
    wide = weights.astype(np.int64)
    positive, negative = np.maximum(wide, 0), np.minimum(wide, 0)
    bias = common.integer_bias(common.optional(tensors, op, 2), len(weights)).astype(np.int64)
    return Range(
        (positive * low + negative * high).sum(axis=(1, 2)) + bias,
        (positive * high + negative * low).sum(axis=(1, 2)) + bias,
    )


@_transfer.register(AddBase)
@_transfer.register(Mul)
def _(op: AddBase | Mul, tensors: Tensors, inputs: list[Range]) -> Sequence[Range] | None:
    """Monotonic in each input up to the sign, so that the extremes are at the corners."""
    left_shift = op.lower(tensors)[0].param("out_shift")
    if left_shift > (_MUL_LEFT_SHIFT if isinstance(op, Mul) else 0):
        return None
    a, b = inputs
    corners = [op.evaluate(tensors, p, q)[0] for p in (a.low, a.high) for q in (b.low, b.high)]
    values = np.stack(corners).astype(np.int64)
    return [Range(values.min(axis=0), values.max(axis=0))]


@_transfer.register
def _(op: Pool2D, tensors: Tensors, inputs: list[Range]) -> Sequence[Range]:
    bounds = common.clamp_bounds(tensors[op.outputs[0]], op.low, op.high)
    low, high = (np.clip(end, *bounds) for end in (inputs[0].low, inputs[0].high))
    if may_miss_input(op):
        low = np.full_like(low, bounds[0])
    return [Range(low, high)]


def may_miss_input(op: WindowOp) -> bool:
    """Whether a window may lie in the padding as a whole."""
    return max(op.padding[:2]) >= op.kernel[0] or max(op.padding[2:]) >= op.kernel[1]


@_transfer.register
def _(op: Mean, tensors: Tensors, inputs: list[Range]) -> Sequence[Range] | None:
    x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
    if len(x.shape) - 1 in op.axes:
        return None
    count = x.elements // y.elements
    total = Range((inputs[0].low - x.zero_point) * count, (inputs[0].high - x.zero_point) * count)
    return [_requantized(total, *op.multiplier(tensors), y, y.dtype.bounds)]


@_transfer.register
def _(op: Reshape, tensors: Tensors, inputs: list[Range]) -> Sequence[Range]:
    return [inputs[0].regrouped(channels_of(tensors[op.outputs[0]]))]


@_transfer.register
def _(op: Pad, tensors: Tensors, inputs: list[Range]) -> Sequence[Range]:
    value, x = int(op.value), inputs[0]
    if any(op.before[:-1]) or any(op.after[:-1]):
        x = x.hull(_uniform(value, value, x.low.size))
    sides = (op.before[-1], op.after[-1])
    return [Range(*(np.pad(end, sides, constant_values=value) for end in (x.low, x.high)))]


@_transfer.register
def _(op: Concat, tensors: Tensors, inputs: list[Range]) -> Sequence[Range]:
    if op.axis == len(tensors[op.outputs[0]].shape) - 1:
        return [Range(np.concatenate([r.low for r in inputs]), np.concatenate([r.high for r in inputs]))]
    first, *rest = inputs
    for other in rest:
        first = first.hull(other)
    return [first]


@_transfer.register
def _(op: Split, tensors: Tensors, inputs: list[Range]) -> Sequence[Range]:
    if op.axis != len(tensors[op.inputs[0]].shape) - 1:
        return inputs * len(op.outputs)
    cuts = np.cumsum(op.sizes)[:-1]
    return [inputs[0].at(part) for part in np.split(np.arange(sum(op.sizes)), cuts)]


@_transfer.register
def _(op: StridedSlice, tensors: Tensors, inputs: list[Range]) -> Sequence[Range]:
    part = inputs[0].at(op.begin[-1] + op.step[-1] * np.arange(op.size[-1]))
    return [part.regrouped(channels_of(tensors[op.outputs[0]]))]


@_transfer.register
def _(op: Transpose, tensors: Tensors, inputs: list[Range]) -> Sequence[Range]:
    if op.perm[-1] == len(op.perm) - 1:
        return inputs
    return [inputs[0].regrouped(1).regrouped(channels_of(tensors[op.outputs[0]]))]
