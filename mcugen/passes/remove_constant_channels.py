"""Removes channels that are the same for every input, and channels that no output depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import singledispatch

import numpy as np

from mcugen.ir import Array, DType, Graph, Op, QuantParams, Tensor
from mcugen.ops import Conv2D, DepthwiseConv2D, FullyConnected, Pad, Reshape, Split, StridedSlice, common
from mcugen.passes.channel_links import taps_by_channel
from mcugen.passes.common import unused_name
from mcugen.passes.intervals import Range, channel_ranges
from mcugen.passes.removable import Mask, kept_channels


def remove_constant_channels(graph: Graph) -> Graph:
    """* A channel (index of the last axis) goes when it has the same value for every input and its readers,
      Conv2D and FullyConnected, can add ``(value - zero point) * sum of weights`` to their bias. Where a Conv2D
      sees padding, the value must be the zero point, or the weights that can lie in the padding zero.
    * A channel goes when all weights that read it are zero, or nothing reads it.
    * Between these layers channels go through DepthwiseConv2D, pooling, Mean, Reshape, movement and element-wise
      operators: out of all tensors concerned, or none.

    Constants are found by interval analysis. The model's inputs, outputs and states keep their channels.
    """
    ranges = channel_ranges(graph)
    keep = kept_channels(graph, ranges)
    if not keep:
        return graph
    tensors = {n: _cut(t, keep[n]) if n in keep else t for n, t in graph.tensors.items()}
    surgery = _Surgery(graph, ranges, keep, tensors)
    return graph.with_ops([_shrunk(op, surgery) for op in graph.ops], tensors)


@dataclasses.dataclass(frozen=True)
class _Surgery:
    """``graph`` before, the masks of channels to keep, and the new tensors, which grow on the way."""

    graph: Graph
    ranges: Mapping[str, Range]
    keep: Mapping[str, Mask]
    tensors: dict[str, Tensor]

    def kept(self, name: str) -> Mask | slice:
        return self.keep.get(name, slice(None))

    def concerns(self, op: Op) -> bool:
        return op.inputs[0] in self.keep or op.outputs[0] in self.keep

    def add(self, base: str, like: Tensor | None, data: Array, quant: QuantParams | None) -> str:
        name = unused_name(self.tensors, base)
        shape = tuple(data.shape)
        new = (
            Tensor(name, DType(data.dtype.name), shape)
            if like is None
            else like.replace(name=name, shape=shape)
        )
        self.tensors[name] = new.replace(data=np.ascontiguousarray(data), quant=quant)
        return name


def _cut(tensor: Tensor, keep: Mask) -> Tensor:
    """The tensor with the channels to keep."""
    data = None if tensor.data is None else np.ascontiguousarray(tensor.data[..., keep])
    quant = _cut_quant(tensor, len(tensor.shape) - 1, keep)
    return tensor.replace(shape=(*tensor.shape[:-1], int(keep.sum())), data=data, quant=quant)


def _cut_quant(tensor: Tensor, axis: int, keep: Mask | slice) -> QuantParams | None:
    quant = tensor.quant
    if quant is None or len(quant.scale) == 1 or quant.axis not in (axis, axis - len(tensor.shape)):
        return quant
    scale, zero_point = (tuple(np.array(v)[keep].tolist()) for v in (quant.scale, quant.zero_point))
    return dataclasses.replace(quant, scale=scale, zero_point=zero_point)


@singledispatch
def _shrunk(op: Op, s: _Surgery) -> Op:
    """The operator on the tensors that were cut."""
    return op


@_shrunk.register
def _(op: Reshape, s: _Surgery) -> Op:
    return dataclasses.replace(op, shape=s.tensors[op.outputs[0]].shape)


@_shrunk.register
def _(op: Pad, s: _Surgery) -> Op:
    keep = s.keep.get(op.outputs[0])
    if keep is None:
        return op
    before, after = int(keep[: op.before[-1]].sum()), int(keep[keep.size - op.after[-1] :].sum())
    return dataclasses.replace(op, before=(*op.before[:-1], before), after=(*op.after[:-1], after))


@_shrunk.register
def _(op: Split, s: _Surgery) -> Op:
    return dataclasses.replace(op, sizes=tuple(s.tensors[n].shape[op.axis] for n in op.outputs))


@_shrunk.register
def _(op: StridedSlice, s: _Surgery) -> Op:
    keep = s.keep.get(op.inputs[0])
    if keep is None:
        return op
    y = s.tensors[op.outputs[0]].shape
    first, length = int(keep[: op.begin[-1]].sum()), y[-1]
    return dataclasses.replace(
        op,
        begin=(*op.begin[:-1], first),
        size=(*op.size[:-1], length),
        shape=None if op.shape is None else y,
    )


@_shrunk.register(Conv2D)
@_shrunk.register(FullyConnected)
@_shrunk.register(DepthwiseConv2D)
def _(op: Conv2D | FullyConnected | DepthwiseConv2D, s: _Surgery) -> Op:
    if not s.concerns(op):
        return op
    old = s.graph.tensors
    weights, outputs = old[op.inputs[1]], s.kept(op.outputs[0])
    axis = 3 if isinstance(op, DepthwiseConv2D) else 0
    names = [
        op.inputs[0],
        s.add(f"{weights.name}/kept", weights, _cut_weights(op, s), _cut_quant(weights, axis, outputs)),
    ]
    bias, folded = common.optional(old, op, 2), _folded_bias(op, s)
    if bias is not None or folded.any():
        quant = None if bias is None else _cut_quant(bias, len(bias.shape) - 1, outputs)
        names.append(s.add(f"{op.outputs[0]}/bias", bias, folded[outputs].astype(np.int32), quant))
    return dataclasses.replace(op, inputs=tuple(names))


def _cut_weights(op: Op, s: _Surgery) -> Array:
    data, outputs = s.graph.tensors[op.inputs[1]].data, s.kept(op.outputs[0])
    assert data is not None
    if isinstance(op, DepthwiseConv2D):
        return data[..., outputs]
    keep = s.keep.get(op.inputs[0])
    rows: Array = data[outputs]
    if keep is None:
        return rows
    rest = (len(rows), -1) if isinstance(op, FullyConnected) else (*rows.shape[:3], -1)
    return rows.reshape(len(rows), -1, keep.size)[..., keep].reshape(rest)


def _folded_bias(op: Op, s: _Surgery) -> Array:
    """int64 bias of all outputs, with what the channels removed from the input would have added."""
    tensors = s.graph.tensors
    bias = common.integer_bias(common.optional(tensors, op, 2), tensors[op.outputs[0]].shape[-1])
    total = bias.astype(np.int64)
    keep, weights = s.keep.get(op.inputs[0]), taps_by_channel(op, tensors)
    if keep is None or weights is None:
        return total
    x = s.ranges[op.inputs[0]]
    offsets = np.where(~keep & x.constant, x.low - tensors[op.inputs[0]].zero_point, 0)
    return np.asarray(total + weights.sum(axis=1) @ offsets)
