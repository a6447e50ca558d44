"""Which channels (indices of the last axis) of an operator's tensors can only be removed together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen.ir import Array, Op, Tensors
from mcugen.ops import (
    Concat,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Mean,
    Pad,
    Quantize,
    Reshape,
    Split,
    StridedSlice,
    Table,
    Transpose,
    common,
)  # fmt: skip
from mcugen.ops.binary import BinaryOp
from mcugen.ops.pool2d import Pool2D
from mcugen.ops.unary import UnaryOp
from mcugen.passes.intervals import Range, channels_of, outside_taps

Group: TypeAlias = NDArray[np.int64]
Links: TypeAlias = list[tuple[str, Group]]
"""Tensor names with a group per channel: channels of the same group go or stay together, those of STAYS stay."""

STAYS = -1


@singledispatch
def links(op: Op, tensors: Tensors) -> Links:
    """The links of an operator that passes its check. Tensors that are not named keep all channels."""
    return []


def _one_to_one(op: Op, tensors: Tensors) -> Links:
    return [(n, np.arange(channels_of(tensors[n]))) for n in (op.inputs[0], op.outputs[0])]


for _kind in (UnaryOp, Quantize, Table, Pool2D):
    links.register(_kind, _one_to_one)


@links.register
def _(op: Mean, tensors: Tensors) -> Links:
    return [] if len(tensors[op.inputs[0]].shape) - 1 in op.axes else _one_to_one(op, tensors)


@links.register
def _(op: DepthwiseConv2D, tensors: Tensors) -> Links:
    channels, outputs = (channels_of(tensors[n]) for n in (op.inputs[0], op.outputs[0]))
    return [
        (op.inputs[0], np.arange(channels)),
        (op.outputs[0], np.arange(outputs) // (outputs // channels)),
    ]


@links.register
def _(op: BinaryOp, tensors: Tensors) -> Links:
    channels = channels_of(tensors[op.outputs[0]])
    return [
        (n, np.arange(channels) if channels_of(tensors[n]) == channels else np.full(1, STAYS))
        for n in (*op.inputs, *op.outputs)
    ]


@links.register
def _(op: Reshape, tensors: Tensors) -> Links:
    lengths = [channels_of(tensors[n]) for n in (op.inputs[0], op.outputs[0])]
    period = math.gcd(*lengths)
    return [
        (n, np.arange(length) % period) for n, length in zip((*op.inputs, *op.outputs), lengths, strict=True)
    ]


@links.register
def _(op: Pad, tensors: Tensors) -> Links:
    padded = np.arange(channels_of(tensors[op.outputs[0]]))
    return [
        (op.inputs[0], op.before[-1] + np.arange(channels_of(tensors[op.inputs[0]]))),
        (op.outputs[0], padded),
    ]


@links.register
def _(op: Concat, tensors: Tensors) -> Links:
    return _side_by_side(op.outputs[0], op.inputs, op.axis, tensors)


@links.register
def _(op: Split, tensors: Tensors) -> Links:
    return _side_by_side(op.inputs[0], op.outputs, op.axis, tensors)


def _side_by_side(whole: str, parts: tuple[str, ...], axis: int, tensors: Tensors) -> Links:
    found: Links = [(whole, np.arange(channels_of(tensors[whole])))]
    offset = 0
    for name in parts:
        length = channels_of(tensors[name])
        found.append((name, offset + np.arange(length)))
        offset += length if axis == len(tensors[whole].shape) - 1 else 0
    return found


@links.register
def _(op: StridedSlice, tensors: Tensors) -> Links:
    x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
    if op.step[-1] != 1 or channels_of(y) != op.size[-1]:
        return []
    return [(x.name, np.arange(channels_of(x))), (y.name, op.begin[-1] + np.arange(op.size[-1]))]


@links.register
def _(op: Transpose, tensors: Tensors) -> Links:
    return _one_to_one(op, tensors) if op.perm[-1] == len(op.perm) - 1 else []


@dataclass(frozen=True, eq=False)
class DenseReader:
    """An operator all of whose outputs may read all input channels: any output channel of it can go.

    reads: bool[outputs, channels], whether a weight is not zero; reads_border: whether one of those is that can
    lie in the padding; folds: channels whose constant contribution inside the input fits the bias; at_zero:
    channels that are constant at the zero point, the value of the padding.
    """

    source: str
    output: str
    reads: Array
    reads_border: Array
    folds: Array
    at_zero: Array

    def can_do_without(self, kept_outputs: Array) -> Array:
        """bool[channels]: constant and foldable, or of no influence on the outputs that are kept."""
        read, border = self.reads[kept_outputs].any(axis=0), self.reads_border[kept_outputs].any(axis=0)
        return ~read | (self.folds & (self.at_zero | ~border))


def dense_reader(op: Op, tensors: Tensors, x: Range) -> DenseReader | None:
    """The reader for a Conv2D without groups or a FullyConnected that reads whole pixels."""
    weights = taps_by_channel(op, tensors)
    if weights is None:
        return None
    source = tensors[op.inputs[0]]
    border = np.zeros(weights.shape[1], dtype=bool)
    if isinstance(op, Conv2D):
        border = outside_taps(op, source.shape, tensors[op.outputs[0]].shape).reshape(-1)
    offsets = np.where(x.constant, x.low - source.zero_point, 0)
    bias = common.integer_bias(common.optional(tensors, op, 2), len(weights)).astype(np.int64)
    largest = np.abs(bias) + np.abs(weights.sum(axis=1)) @ np.abs(offsets)
    return DenseReader(
        source=source.name,
        output=op.outputs[0],
        reads=(weights != 0).any(axis=1),
        reads_border=(weights[:, border] != 0).any(axis=1),
        folds=x.constant & (largest.max(initial=0) < 2**31),
        at_zero=x.constant & (offsets == 0),
    )


def taps_by_channel(op: Op, tensors: Tensors) -> Array | None:
    """The weights as int64 [outputs, taps, input channels], None for operators that are no dense reader."""
    if not (isinstance(op, FullyConnected) or (isinstance(op, Conv2D) and op.groups == 1)):
        return None
    weights = tensors[op.inputs[1]].data
    channels = channels_of(tensors[op.inputs[0]])
    if weights is None or weights[0].size % channels:
        return None
    return weights.reshape(len(weights), -1, channels).astype(np.int64)
