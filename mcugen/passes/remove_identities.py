"""Removes operators that give their input unchanged."""

from __future__ import annotations

import numpy as np

from mcugen.ir import DType, Graph, Op
from mcugen.ops import Clip, Quantize, Reshape, StridedSlice, Transpose
from mcugen.ops.unary import UnaryOp


def remove_identities(graph: Graph) -> Graph:
    """Readers of ``y = identity(x)`` read x instead. Identities are:

    * Reshape, StridedSlice to the same shape and Transpose by the identity permutation;
    * Quantize between integers of the same type, scale and zero point;
    * in integer graphs a Clip whose 256-entry table is the identity.

    A model output keeps its name, so an identity that writes one stays unless its input is made only for it.
    """
    renamed: dict[str, str] = {}
    kept: list[Op] = []
    for op in (op.rewired(renamed) for op in graph.ops):
        if _is_identity(graph, op) and op.outputs[0] not in graph.outputs:
            renamed[op.outputs[0]] = op.inputs[0]
        else:
            kept.append(op)
    return graph.with_ops(kept)


def _is_identity(graph: Graph, op: Op) -> bool:
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    same = x.dtype is y.dtype and x.shape == y.shape and x.quant == y.quant
    if isinstance(op, (Reshape, StridedSlice)):
        return same and all(s > 0 for s in getattr(op, "step", ()))
    if isinstance(op, Transpose):
        return op.perm == tuple(range(len(op.perm)))
    if isinstance(op, Quantize):
        return same and x.dtype is not DType.FLOAT32
    return isinstance(op, Clip) and same and _table_is_identity(graph, op)


def _table_is_identity(graph: Graph, op: UnaryOp) -> bool:
    if graph.tensors[op.inputs[0]].dtype is not DType.INT8:
        return False
    values = np.arange(-128, 128, dtype=np.int8)
    return bool((op.evaluate(graph.tensors, values)[0] == values).all())
