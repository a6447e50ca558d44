"""Where tensors lie in the memory of others."""

from __future__ import annotations

from dataclasses import dataclass

from mcugen.ir import Graph
from mcugen.ops import Join, View


@dataclass(frozen=True)
class Place:
    """A tensor begins ``offset`` bytes into the memory of the tensor ``root``. whole: it takes all of it."""

    root: str
    offset: int
    whole: bool


def places(graph: Graph) -> dict[str, Place]:
    """The place of every activation and state: most are their own root."""
    within = _within(graph)
    return {t.name: _followed(graph, within, t.name) for t in graph.tensors.values() if not t.is_const}


def _within(graph: Graph) -> dict[str, tuple[str, int]]:
    """Of tensors that are parts of another: its name, and the byte at which they begin."""
    found: dict[str, tuple[str, int]] = {}
    for op in graph.ops:
        if isinstance(op, Join):
            offset = 0
            for name in op.inputs:
                found[name] = op.outputs[0], offset
                offset += graph.tensors[name].bytes
        elif op.is_alias and not graph.tensors[op.inputs[0]].is_const:
            tensor = graph.tensors[op.outputs[0]]
            first = op.first if isinstance(op, View) else 0
            found[op.outputs[0]] = op.inputs[0], first * tensor.dtype.size
    return found


def _followed(graph: Graph, within: dict[str, tuple[str, int]], name: str) -> Place:
    root, offset = name, 0
    while root in within:
        root, further = within[root]
        offset += further
    return Place(root, offset, graph.tensors[name].bytes == graph.tensors[root].bytes)


def alias_roots(graph: Graph) -> dict[str, str]:
    """The tensor whose memory each activation or state uses: its own name, or that of what it is a part of."""
    return {name: place.root for name, place in places(graph).items()}
