"""Evaluates operators whose inputs are all constant."""

from __future__ import annotations

from mcugen.ir import Graph, Op, Tensor


def fold_constants(graph: Graph) -> Graph:
    """``op(const, ...)`` becomes const; the result is kept under the same name."""
    tensors = dict(graph.tensors)
    kept: list[Op] = []
    for op in graph.ops:
        if not _is_constant(op, tensors):
            kept.append(op)
            continue
        arrays = (tensors[n].data for n in op.inputs)
        for name, data in zip(
            op.outputs, op.evaluate(tensors, *(a for a in arrays if a is not None)), strict=True
        ):
            tensors[name] = tensors[name].replace(data=data)
    return graph.with_ops(kept, tensors)


def _is_constant(op: Op, tensors: dict[str, Tensor]) -> bool:
    return not op.states and bool(op.inputs) and all(n and tensors[n].is_const for n in op.inputs)
