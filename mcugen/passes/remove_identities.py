"""Removes operators that give their input unchanged."""

from __future__ import annotations

from mcugen.ir import DType, Graph, Op
from mcugen.ops import Quantize, Reshape, StridedSlice, Transpose
from mcugen.passes.byte_functions import IDENTITY, byte_function


def remove_identities(graph: Graph) -> Graph:
    """Readers of ``y = identity(x)`` read x instead. Identities are:

    * Reshape, StridedSlice to the same shape and Transpose by the identity permutation;
    * Quantize between integers of the same type, scale and zero point;
    * in 8-bit graphs an element-wise operator that maps all 256 values to themselves.

    A model output keeps its name, so an identity that writes one stays unless its input is made only for it.
    """
    renamed: dict[str, str] = {}
    kept: list[Op] = []
    for op in (op.rewired(renamed) for op in graph.ops):
        source = _unchanged(graph, op)
        if source is not None and op.outputs[0] not in graph.outputs:
            renamed[op.outputs[0]] = source
        else:
            kept.append(op)
    return graph.with_ops(kept)


def _unchanged(graph: Graph, op: Op) -> str | None:
    """The input that the operator gives as its output, if it does."""
    x = graph.tensors[op.inputs[0]]
    if isinstance(op, Transpose):
        return x.name if op.perm == tuple(range(len(op.perm))) else None
    if isinstance(op, (Reshape, StridedSlice)):
        return x.name if _same(graph, x.name, op) and all(s > 0 for s in getattr(op, "step", ())) else None
    function = byte_function(op, graph.tensors)
    if function is not None:
        identity = bool((function.table == IDENTITY).all())
        return function.source if identity and _same(graph, function.source, op) else None
    requantizes = isinstance(op, Quantize) and x.dtype is not DType.FLOAT32
    return x.name if requantizes and _same(graph, x.name, op) else None


def _same(graph: Graph, source: str, op: Op) -> bool:
    x, y = graph.tensors[source], graph.tensors[op.outputs[0]]
    return x.dtype is y.dtype and x.shape == y.shape and x.quant == y.quant
