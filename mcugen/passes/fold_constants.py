"""Evaluates operators whose inputs are all constant."""

from __future__ import annotations

from mcugen.ir import Array, Graph, Op, Tensor


def fold_constants(graph: Graph) -> Graph:
    """``op(const, ...)`` becomes const; the result is kept under the same name.

    An operator that writes a model output stays, since something must write it; so does one whose values cannot
    be computed, which the support check will name.
    """
    tensors = dict(graph.tensors)
    kept: list[Op] = []
    for op in graph.ops:
        foldable = _is_constant(op, tensors) and not set(op.outputs) & set(graph.outputs)
        results = _results(op, tensors) if foldable else None
        if results is None:
            kept.append(op)
            continue
        for name, data in zip(op.outputs, results, strict=True):
            tensors[name] = tensors[name].replace(data=data)
    return graph.with_ops(kept, tensors)


def _is_constant(op: Op, tensors: dict[str, Tensor]) -> bool:
    return not op.states and bool(op.inputs) and all(n and tensors[n].is_const for n in op.inputs)


def _results(op: Op, tensors: dict[str, Tensor]) -> tuple[Array, ...] | None:
    arrays = (tensors[n].data for n in op.inputs)
    try:
        return op.evaluate(tensors, *(a for a in arrays if a is not None))
    except ValueError:
        return None
