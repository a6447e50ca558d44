"""Folds scalings and offsets per channel into the layer before."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mcugen.ir import Array, DType, Graph, Op, Tensor
from mcugen.ops import Add, BatchNorm, Conv2D, DepthwiseConv2D, FullyConnected, Mul, Sub
from mcugen.passes.common import private_tensors, unused_name

Layer = Conv2D | DepthwiseConv2D | FullyConnected


def fold_batch_norm(graph: Graph) -> Graph:
    """``s * layer(x, w, b) + t`` becomes ``layer(x, s * w, s * b + t)`` in float graphs.

    layer: Conv2D, DepthwiseConv2D or FullyConnected with constant weights and no activation, whose result
    nobody else reads. The right side comes from BatchNorm, or from Add, Sub or Mul with a constant per
    channel; its fused activation and its output name stay.
    """
    private = private_tensors(graph)
    tensors = dict(graph.tensors)
    kept: dict[str, Op] = {}  # by first output, in order
    for op in graph.ops:
        affine = channel_affine(op, tensors)
        layer = kept.get(affine[0]) if affine else None
        if affine is None or layer is None or affine[0] not in private or not _foldable(layer, tensors):
            kept[op.outputs[0]] = op
            continue
        assert isinstance(layer, Layer)
        folded = _folded(layer, op, affine[1], affine[2], tensors)
        kept = {
            (op.outputs[0] if k == affine[0] else k): (folded if k == affine[0] else v)
            for k, v in kept.items()
        }
    return graph.with_ops(kept.values(), tensors)


def channel_affine(op: Op, tensors: dict[str, Tensor]) -> tuple[str, Array, Array] | None:
    """(input, scale, offset) of ``scale * input + offset``, vectors per channel, if the operator is that."""
    y = tensors[op.outputs[0]]
    if y.dtype is not DType.FLOAT32 or not y.shape:
        return None
    ones, zeros = np.ones(y.shape[-1], np.float64), np.zeros(y.shape[-1], np.float64)
    if isinstance(op, BatchNorm):
        scale, offset = (_per_channel(tensors[n], y) for n in op.inputs[1:3])
        return None if scale is None or offset is None else (op.inputs[0], scale, offset)
    if not isinstance(op, Add | Sub | Mul):
        return None
    variable = [i for i, n in enumerate(op.inputs) if not tensors[n].is_const]
    if len(variable) != 1 or tensors[op.inputs[variable[0]]].shape != y.shape:
        return None
    x, constant = op.inputs[variable[0]], _per_channel(tensors[op.inputs[1 - variable[0]]], y)
    if constant is None:
        return None
    if isinstance(op, Mul):
        return x, constant, zeros
    if isinstance(op, Sub):
        return (x, ones, -constant) if variable[0] == 0 else (x, -ones, constant)
    return x, ones, constant


def _per_channel(constant: Tensor, y: Tensor) -> Array | None:
    """The constant as one value per channel of y, None if it varies otherwise."""
    if constant.data is None or constant.elements not in (1, y.shape[-1]):
        return None
    if constant.elements > 1 and constant.shape[-1] != y.shape[-1]:
        return None
    return np.broadcast_to(constant.data.reshape(-1).astype(np.float64), (y.shape[-1],))


def _foldable(layer: Op, tensors: dict[str, Tensor]) -> bool:
    if not isinstance(layer, Layer) or (layer.low, layer.high) != (-math.inf, math.inf):
        return False
    return all(tensors[n].is_const for n in layer.inputs[1:] if n)


def _folded(layer: Layer, op: Op, scale: Array, offset: Array, tensors: dict[str, Tensor]) -> Op:
    """The layer that computes ``op(layer)``; its new constants are added to ``tensors``."""
    weights = tensors[layer.inputs[1]]
    bias = tensors[layer.inputs[2]].data if len(layer.inputs) > 2 and layer.inputs[2] else np.zeros(1)
    assert weights.data is not None and bias is not None
    names = list(layer.inputs[:2])
    if not np.all(scale == 1.0):
        shape = (1, 1, 1, -1) if isinstance(layer, DepthwiseConv2D) else (-1, *(1,) * (weights.data.ndim - 1))
        names[1] = add_float_constant(tensors, f"{weights.name}/folded", weights.data * scale.reshape(shape))
    names.append(add_float_constant(tensors, f"{op.outputs[0]}/bias", bias * scale + offset))
    low, high = (op.low, op.high) if isinstance(op, Add | Sub | Mul) else (-math.inf, math.inf)
    return dataclasses.replace(layer, inputs=tuple(names), outputs=op.outputs, low=low, high=high)


def add_float_constant(tensors: dict[str, Tensor], base: str, array: Array) -> str:
    name = unused_name(tensors, base)
    data = array.astype(np.float32)
    tensors[name] = Tensor(name, DType.FLOAT32, tuple(data.shape), data=data)
    return name
