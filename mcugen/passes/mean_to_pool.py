"""Turns means over height and width into average pooling."""

from __future__ import annotations

import numpy as np

from mcugen.ir import Graph, Op, Tensor, Tensors
from mcugen.ops import AveragePool2D, Mean, Reshape, common
from mcugen.passes.common import unused_name
from mcugen.passes.intervals import Range, channel_ranges

# Above this, testing all sums takes longer than it is worth.
_MOST_ELEMENTS = 1 << 14


def mean_to_pool(graph: Graph) -> Graph:
    """``Mean(x, axes=(1, 2))`` becomes AveragePool2D over the whole image (and a Reshape without keep_dims).

    In int8 graphs, when both round alike for every sum that can occur. They differ in general: a mean rounds
    what is above the zero point and multiplies by an approximate reciprocal, a pooling rounds the value itself,
    away from 0. Average pooling exists in all kernel libraries and takes a fused activation.
    """
    if not any(isinstance(op, Mean) for op in graph.ops):
        return graph
    ranges = channel_ranges(graph)
    tensors = dict(graph.tensors)
    kept: list[Op] = []
    for op in graph.ops:
        fits = isinstance(op, Mean) and _over_image(op, tensors) and _equal(op, tensors, ranges[op.inputs[0]])
        kept += _pooled(op, tensors) if fits else [op]
    return graph.with_ops(kept, tensors)


def _over_image(op: Mean, tensors: Tensors) -> bool:
    x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
    image = len(x.shape) == 4 and x.shape[0] == 1 and sorted(op.axes) == [1, 2]
    return (
        image and not op.check(tensors) and x.quant == y.quant and x.elements // y.elements <= _MOST_ELEMENTS
    )


def _equal(op: Mean, tensors: Tensors, reached: Range) -> bool:
    """Whether the results agree for all sums of values within the range."""
    x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
    count = x.elements // y.elements
    sums = np.arange(int(reached.low.min()) * count, int(reached.high.max()) * count + 1)
    try:
        mean = common.requantize(sums - x.zero_point * count, *op.multiplier(tensors), y, y.dtype.bounds)
    except ValueError:
        return False
    pooled = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
    return bool((mean == pooled).all())


def _pooled(op: Op, tensors: dict[str, Tensor]) -> list[Op]:
    x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
    kernel, image = (x.shape[1], x.shape[2]), (1, 1, 1, x.shape[3])
    if y.shape == image:
        return [AveragePool2D(inputs=op.inputs, outputs=op.outputs, kernel=kernel, origin=op.origin)]
    name = unused_name(tensors, f"{y.name}/pooled")
    tensors[name] = y.replace(name=name, shape=image)
    return [
        AveragePool2D(inputs=op.inputs, outputs=(name,), kernel=kernel, origin=op.origin),
        Reshape(inputs=(name,), outputs=op.outputs, shape=y.shape, origin=op.origin),
    ]
