"""Folds scalings and offsets per channel into the layer after."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mcugen.ir import Array, Graph, Op, Tensor
from mcugen.ops import Add, Conv2D, DepthwiseConv2D, FullyConnected, Mul, Sub
from mcugen.passes.common import private_tensors
from mcugen.passes.fold_batch_norm import Layer, add_float_constant, channel_affine


@dataclasses.dataclass(frozen=True)
class _Affine:
    """``scale * source + offset``, one scale and one offset per channel."""

    source: str
    scale: Array
    offset: Array


def fold_channel_scaling(graph: Graph) -> Graph:
    """``layer(s * x + t, w, b)`` becomes ``layer(x, s * w, b + w * t)`` in float graphs.

    layer: Conv2D, DepthwiseConv2D or FullyConnected with constant weights, without padding unless t is 0. The
    scaling is a BatchNorm, or an Add, Sub or Mul with a constant per channel, has no activation, and nobody else
    reads its result.
    """
    private = private_tensors(graph)
    tensors = dict(graph.tensors)
    scalings = {
        op.outputs[0]: _Affine(*found)
        for op in graph.ops
        if op.outputs[0] in private
        and not _has_activation(op)
        and (found := channel_affine(op, tensors)) is not None
    }
    folded: set[str] = set()
    kept: list[Op] = []
    for op in graph.ops:
        affine = scalings.get(op.inputs[0]) if op.inputs else None
        if isinstance(op, Layer) and affine is not None and _foldable(op, affine, tensors):
            folded.add(op.inputs[0])
            op = _folded(op, affine, tensors)
        kept.append(op)
    return graph.with_ops([op for op in kept if op.outputs[0] not in folded], tensors)


def _has_activation(op: Op) -> bool:
    return isinstance(op, Add | Sub | Mul) and (op.low, op.high) != (-math.inf, math.inf)


def _foldable(layer: Layer, affine: _Affine, tensors: dict[str, Tensor]) -> bool:
    if not all(tensors[n].is_const for n in layer.inputs[1:] if n):
        return False
    if isinstance(layer, FullyConnected):
        return len(affine.scale) == tensors[layer.inputs[1]].shape[1]
    return not any(layer.padding) or not affine.offset.any()


def _folded(layer: Layer, affine: _Affine, tensors: dict[str, Tensor]) -> Op:
    weights = tensors[layer.inputs[1]]
    assert weights.data is not None
    exact = weights.data.astype(np.float64)
    names = [affine.source, layer.inputs[1], *layer.inputs[2:]]
    if not np.all(affine.scale == 1.0):
        scaled = exact * _per_weight(layer, affine.scale, exact)
        names[1] = add_float_constant(tensors, f"{weights.name}/folded", scaled)
    if affine.offset.any():
        bias = tensors[layer.inputs[2]].data if len(layer.inputs) > 2 and layer.inputs[2] else np.zeros(1)
        assert bias is not None
        channel = 3 if isinstance(layer, DepthwiseConv2D) else 0
        others = tuple(i for i in range(exact.ndim) if i != channel)
        total = (exact * _per_weight(layer, affine.offset, exact)).sum(axis=others)
        names[2:] = [add_float_constant(tensors, f"{layer.outputs[0]}/bias", bias + total)]
    return dataclasses.replace(layer, inputs=tuple(names))


def _per_weight(layer: Layer, values: Array, weights: Array) -> Array:
    """The value of the input channel that each weight reads, in a form that broadcasts to the weights."""
    if isinstance(layer, DepthwiseConv2D):
        return np.repeat(values, weights.shape[3] // len(values))
    if isinstance(layer, Conv2D) and layer.groups > 1:
        by_group = values.reshape(layer.groups, 1, 1, 1, -1)
        repeated = np.repeat(by_group, len(weights) // layer.groups, axis=1)
        return repeated.reshape(len(weights), 1, 1, -1)
    return values
