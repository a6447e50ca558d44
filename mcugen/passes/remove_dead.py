"""Removes operators whose results nothing reads."""

from __future__ import annotations

from mcugen.ir import Graph, Op


def remove_dead(graph: Graph) -> Graph:
    """An operator goes when none of its outputs is read or a model output, unless it keeps state."""
    wanted = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if op.states or wanted.intersection(op.outputs):
            kept.append(op)
            wanted.update(op.inputs)
    return graph.with_ops(reversed(kept))
