"""Which layers need what is in memory: what guards against reads and writes outside the plan go by."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from mcugen.lowering import Program
from mcugen.memory.liveness import MemoryPlan, Place
from mcugen.memory.views import alias_roots

MADE_BEFORE = -1


@dataclass(frozen=True)
class BufferLife:
    """A buffer and the layers, steps with calls, that need it.

    made: the layer that makes it, MADE_BEFORE for inputs, states and constants that stay; last: the last one that
    needs it, not below ``made`` where there is any.
    """

    place: Place
    bytes: int
    made: int
    last: int


def buffer_lives(program: Program, memory: MemoryPlan) -> dict[str, BufferLife]:
    """The lives of all buffers of a plan, by name, counted in layers.

    Copies from one region to another are part of the layer that they precede. They may read what only the layer
    before needs, so that everything lives a layer longer then.
    """
    layers = [0, *accumulate(int(bool(step.calls)) for step in program.steps)]
    before = _there_before(program, memory)
    longer = 0 if memory.spread is None else 1
    return {
        b.name: BufferLife(
            memory.buffer_place(b.name),
            b.size,
            MADE_BEFORE if b.name in before else layers[b.lower],
            layers[min(b.upper, len(program.steps))] - 1 + longer,
        )
        for b in memory.problem.buffers
    }


def _there_before(program: Program, memory: MemoryPlan) -> set[str]:
    """The buffers that hold something when an inference begins."""
    graph, roots, spread = program.graph, alias_roots(program.graph), memory.spread
    there = {roots[name] for name in (*graph.inputs, *(v.name for v in graph.variables())) if name in roots}
    if spread is None:
        return there
    homes = {spread.rest.get(root, spread.pieces[root][0]).name for root in there if root in spread.pieces}
    return homes | {copy.target for copy in spread.copies if copy.kind == "keep"}
