"""Invariants of a graph, checked after every pass, and the support check before lowering."""

from __future__ import annotations

from collections.abc import Iterable

from mcugen.errors import UnsupportedModelError
from mcugen.ir import Graph, Op


class GraphError(Exception):
    """A graph that breaks an invariant: a bug of the front-end or pass that made it."""


def verify(graph: Graph) -> None:
    """Raises GraphError, or ValueError from shape inference, at the first violated invariant."""
    ready = {*graph.inputs, *(t.name for t in graph.tensors.values() if t.data is not None)}
    for name in (*graph.inputs, *graph.outputs):
        if name not in graph.tensors:
            raise GraphError(f"graph input or output '{name}' has no tensor")
    for op in graph.ops:
        _verify_op(graph, op, ready)
        ready.update(op.outputs)
    missing = [name for name in graph.outputs if name not in ready]
    if missing:
        raise GraphError(f"outputs {missing} are never written")


def _verify_op(graph: Graph, op: Op, ready: set[str]) -> None:
    where = f"{op.kind} ({op.origin})"
    unknown = [n for n in (*op.inputs, *op.outputs) if n and n not in graph.tensors]
    if unknown:
        raise GraphError(f"{where}: unknown tensors {unknown}")
    unready = [n for n in op.inputs if n and n not in ready]
    if unready:
        raise GraphError(f"{where}: reads {unready} before they are written")
    again = [n for n in op.outputs if n in ready]
    if again:
        raise GraphError(f"{where}: writes {again} a second time")
    shapes = tuple(graph.tensors[n].shape if n else () for n in op.inputs)
    inferred = op.infer(*shapes)
    declared = tuple(graph.tensors[n].shape for n in op.outputs)
    if inferred != declared:
        raise GraphError(f"{where}: outputs have shapes {declared}, the operator gives {inferred}")


def check_supported(graph: Graph) -> None:
    """Raises UnsupportedModelError with every constraint violated, one line each."""
    problems = [f"{op.origin or op.kind}: {text}" for op in graph.ops for text in _problems(graph, op)]
    problems += [f"output '{n}' of the model does not depend on any input" for n in _constant_outputs(graph)]
    if problems:
        raise UnsupportedModelError(
            "\n".join(problems), hint="docs/OPERATORS.md lists what is supported, with the constraints"
        )


def _constant_outputs(graph: Graph) -> list[str]:
    """Outputs that are constants, or other shapes of one."""
    constant = {t.name for t in graph.constants()}
    for op in graph.ops:
        if op.is_alias and op.inputs[0] in constant:
            constant.add(op.outputs[0])
    return [name for name in graph.outputs if name in constant]


def _problems(graph: Graph, op: Op) -> list[str]:
    violated = op.check(graph.tensors)
    if not violated:
        try:
            op.lower(graph.tensors)
        except ValueError as error:
            return [str(error)]
    return [f"needed: {text}; found: {_found(graph, op)}" for text in violated]


def _found(graph: Graph, op: Op) -> str:
    """What the node has, without names, which can be very long."""

    def described(names: Iterable[str]) -> str:
        return ", ".join(str(graph.tensors[n].replace(name="")).removeprefix(": ") for n in names if n)

    return f"{described(op.inputs)} -> {described(op.outputs)}"
