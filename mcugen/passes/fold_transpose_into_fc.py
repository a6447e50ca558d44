"""Folds a transposition before a fully connected layer into the layer's weights."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mcugen.ir import Array, Graph, Op, Shape, Tensor
from mcugen.ops import FullyConnected, Reshape, Transpose
from mcugen.passes.common import unused_name


def fold_transpose_into_fc(graph: Graph) -> Graph:
    """``FullyConnected(Reshape*(Transpose(x)), w)`` becomes ``FullyConnected(x, w with its columns
    permuted)``.

    The Transpose must leave the batch dimension in front and the layer must read each sample as one row.
    """
    tensors = dict(graph.tensors)
    producers = graph.producers()
    kept: list[Op] = []
    for op in graph.ops:
        transpose = _transpose_before(op, producers)
        if (
            isinstance(op, FullyConnected)
            and transpose is not None
            and _reads_samples(op, transpose, tensors)
        ):
            op = _folded(op, transpose, tensors)
        kept.append(op)
    return graph.with_ops(kept, tensors)


def _transpose_before(op: Op, producers: dict[str, Op]) -> Transpose | None:
    if not isinstance(op, FullyConnected) or op.keep_dims:
        return None
    source = producers.get(op.inputs[0])
    while isinstance(source, Reshape):
        source = producers.get(source.inputs[0])
    return source if isinstance(source, Transpose) else None


def _reads_samples(op: FullyConnected, transpose: Transpose, tensors: dict[str, Tensor]) -> bool:
    shape, weights = tensors[transpose.inputs[0]].shape, tensors[op.inputs[1]]
    batch_in_front = transpose.perm[0] == 0 or shape[0] == shape[transpose.perm[0]] == 1
    return batch_in_front and weights.is_const and weights.shape[1] == math.prod(shape[1:])


def _column_order(shape: Shape, perm: Shape) -> Array:
    """For each element of a transposed sample its index in the sample as stored before."""
    one = (1, *shape[1:])
    order: Array = np.arange(math.prod(one)).reshape(one).transpose(perm).reshape(-1)
    return order


def _folded(op: FullyConnected, transpose: Transpose, tensors: dict[str, Tensor]) -> Op:
    weights = tensors[op.inputs[1]]
    assert weights.data is not None
    data = np.empty_like(weights.data)
    data[:, _column_order(tensors[transpose.inputs[0]].shape, transpose.perm)] = weights.data
    name = unused_name(tensors, f"{weights.name}/permuted")
    tensors[name] = weights.replace(name=name, data=data)
    return dataclasses.replace(op, inputs=(transpose.inputs[0], name, *op.inputs[2:]))
