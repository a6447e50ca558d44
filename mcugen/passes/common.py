"""What several passes ask of a graph."""

from __future__ import annotations

from mcugen.ir import Graph, Op, Tensors


def private_tensors(graph: Graph) -> set[str]:
    """Tensors that exactly one operator reads and that are no model output: passes may change them."""
    return {name for name, readers in graph.consumers().items() if len(readers) == 1} - set(graph.outputs)


def unused_name(tensors: Tensors, base: str) -> str:
    """``base``, or ``base`` with the first number that makes it new."""
    name, number = base, 1
    while name in tensors:
        number += 1
        name = f"{base}{number}"
    return name


def writer_positions(ops: list[Op]) -> dict[str, int]:
    """The index of the operator that writes each tensor."""
    return {name: i for i, op in enumerate(ops) for name in op.outputs}
