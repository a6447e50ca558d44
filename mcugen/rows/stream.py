"""Inputs by rows as the user asks for them: which input it is, and what keeps it from being one."""

from __future__ import annotations

from collections.abc import Sequence

from mcugen.errors import InputError
from mcugen.ir import Graph
from mcugen.rows.feed import readers
from mcugen.rows.order import works_by_rows

OPTION = "--input"


def streamed_input(graph: Graph, asked: str) -> str:
    """The name of the input asked for, "" for the only one, which can be given by rows as far as its shape goes.

    Raises InputError.
    """
    name = _named(graph, asked)
    shape = graph.tensors[name].shape
    if len(shape) != 4 or shape[0] != 1:
        dims = "x".join(map(str, shape))
        raise InputError(
            f"input '{name}' has the shape {dims}; only one image, 1 x height x width x channels, comes by rows",
            where=OPTION,
            hint=f"leave out {OPTION}",
        )
    return name


def _named(graph: Graph, asked: str) -> str:
    if asked in graph.inputs:
        return asked
    if not asked and len(graph.inputs) == 1:
        return graph.inputs[0]
    names = ", ".join(graph.inputs)
    found = f"no input is called '{asked}'" if asked else f"the model has {len(graph.inputs)} inputs"
    raise InputError(
        f"{found}; there are: {names}",
        where=OPTION,
        hint=f"for example {OPTION} {graph.inputs[0]}=stream:rows",
    )


def orders_for(name: str, orders: Sequence[Graph]) -> list[Graph]:
    """The orders of the operators in which all that read an input work by rows. Raises InputError when none is left."""
    problems = [_problem(graph, name) for graph in orders]
    if all(problems):
        raise InputError(problems[0], where=OPTION, hint=f"leave out {OPTION}")
    return [graph for graph, problem in zip(orders, problems, strict=True) if not problem]


def _problem(graph: Graph, name: str) -> str:
    """What keeps an input from being streamed, or ""."""
    reading = readers(graph, name)
    if name in graph.outputs or not reading:
        return (
            f"input '{name}' {'is an output as well' if name in graph.outputs else 'is read by no operator'}"
        )
    whole = (op for op in graph.ops[reading.start : reading.stop] if not works_by_rows(op, graph.tensors))
    return next(
        (f"{op.origin or op.kind} does not work row by row: it needs '{name}' as a whole" for op in whole), ""
    )
