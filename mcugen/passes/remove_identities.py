"""Removes operators that give their input unchanged."""

from __future__ import annotations

from mcugen.ir import DType, Graph, Op
from mcugen.ops import Concat, Mean, Pad, Quantize, Reshape, Split, StridedSlice, Transpose
from mcugen.ops.common import INF
from mcugen.ops.pool2d import Pool2D
from mcugen.passes.byte_functions import IDENTITY, byte_function


def remove_identities(graph: Graph) -> Graph:
    """Readers of ``y = identity(x)`` read x instead. Identities are:

    * Reshape, StridedSlice to the same shape, Transpose by the identity permutation, Pad by nothing, Concat of
      one input and Split into one output;
    * pooling with a window of one element, and Mean of one element;
    * Quantize between integers of the same type, scale and zero point;
    * in 8-bit graphs an element-wise operator that maps all 256 values to themselves.

    A Mean of one element that changes the shape becomes a Reshape. A model output keeps its name, so an identity
    that writes one stays.
    """
    renamed: dict[str, str] = {}
    kept: list[Op] = []
    for op in (op.rewired(renamed) for op in graph.ops):
        source = _unchanged(graph, op)
        if source is not None and op.outputs[0] not in graph.outputs:
            renamed[op.outputs[0]] = source
        else:
            kept.append(_reshaped(graph, op))
    return graph.with_ops(kept)


def _unchanged(graph: Graph, op: Op) -> str | None:
    """The input that the operator gives as its output, if it does."""
    function = byte_function(op, graph.tensors)
    if function is not None:
        identity = bool((function.table == IDENTITY).all())
        return function.source if identity and _same(graph, function.source, op) else None
    source = op.inputs[0]
    return source if _keeps_elements(graph, op) and _same(graph, source, op) else None


def _keeps_elements(graph: Graph, op: Op) -> bool:
    """Whether the operator, if it also keeps shape and format, keeps the elements."""
    if isinstance(op, Reshape | Pad):
        return True
    if isinstance(op, Transpose):
        return op.perm == tuple(range(len(op.perm)))
    if isinstance(op, StridedSlice):
        return all(s > 0 for s in op.step)
    if isinstance(op, Concat | Split):
        return len(op.inputs) == len(op.outputs) == 1
    if isinstance(op, Pool2D):
        return op.kernel == (1, 1) and not any(op.padding) and (op.low, op.high) == (-INF, INF)
    if isinstance(op, Mean):
        return graph.tensors[op.inputs[0]].elements == graph.tensors[op.outputs[0]].elements
    return isinstance(op, Quantize) and graph.tensors[op.inputs[0]].dtype is not DType.FLOAT32


def _same(graph: Graph, source: str, op: Op, *, shape: bool = True) -> bool:
    x, y = graph.tensors[source], graph.tensors[op.outputs[0]]
    return x.dtype is y.dtype and x.quant == y.quant and (x.shape == y.shape or not shape)


def _reshaped(graph: Graph, op: Op) -> Op:
    if not isinstance(op, Mean) or not _keeps_elements(graph, op):
        return op
    if not _same(graph, op.inputs[0], op, shape=False):
        return op
    shape = graph.tensors[op.outputs[0]].shape
    return Reshape(inputs=op.inputs, outputs=op.outputs, shape=shape, origin=op.origin)
