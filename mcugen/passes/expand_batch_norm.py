"""Turns the batch normalizations that could not be folded into depthwise convolutions."""

from __future__ import annotations

import math

import numpy as np

from mcugen.ir import Array, DType, Graph, Op, Shape, Tensor
from mcugen.ops import BatchNorm, DepthwiseConv2D, Reshape
from mcugen.passes.common import unused_name


def expand_batch_norm(graph: Graph) -> Graph:
    """``BatchNorm(x, scale, offset)`` becomes a 1x1 DepthwiseConv2D with the scales as weights.

    Inputs of other than four dimensions are reshaped to [1, 1, elements / channels, channels] and back.
    """
    tensors = dict(graph.tensors)
    kept: list[Op] = []
    for op in graph.ops:
        kept += _expanded(op, tensors) if isinstance(op, BatchNorm) else [op]
    return graph.with_ops(kept, tensors)


def _expanded(op: BatchNorm, tensors: dict[str, Tensor]) -> list[Op]:
    x, scale, offset = (tensors[n] for n in op.inputs)
    y = op.outputs[0]
    if scale.data is None or offset.data is None or not x.shape:
        return [op]
    channels = x.shape[-1]
    weights = _constant(
        tensors, f"{y}/weights", np.broadcast_to(scale.data, (channels,)).reshape(1, 1, 1, channels)
    )
    bias = _constant(tensors, f"{y}/bias", np.broadcast_to(offset.data, (channels,)))
    if len(x.shape) == 4:
        return [_depthwise(op, x.name, weights, bias, y)]
    image = (1, 1, math.prod(x.shape) // channels, channels)
    source, result = _float(tensors, f"{y}/input", image), _float(tensors, f"{y}/image", image)
    return [
        Reshape(inputs=(x.name,), outputs=(source,), shape=image, origin=op.origin),
        _depthwise(op, source, weights, bias, result),
        Reshape(inputs=(result,), outputs=(y,), shape=x.shape, origin=op.origin),
    ]


def _depthwise(op: Op, x: str, weights: str, bias: str, y: str) -> Op:
    return DepthwiseConv2D(inputs=(x, weights, bias), outputs=(y,), kernel=(1, 1), origin=op.origin)


def _constant(tensors: dict[str, Tensor], base: str, array: Array) -> str:
    name = unused_name(tensors, base)
    data = np.ascontiguousarray(array, dtype=np.float32)
    tensors[name] = Tensor(name, DType.FLOAT32, tuple(data.shape), data=data)
    return name


def _float(tensors: dict[str, Tensor], base: str, shape: Shape) -> str:
    name = unused_name(tensors, base)
    tensors[name] = Tensor(name, DType.FLOAT32, shape)
    return name
