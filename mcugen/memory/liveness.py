"""From a program to a planning problem: which buffers there are and when they live."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mcugen.errors import InputError
from mcugen.ir import Graph
from mcugen.lowering import Program
from mcugen.memory import Buffer, Plan, Problem, plan

ALIGNMENT = 16


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything lies in the arena.

    offsets: byte offset of every activation and state tensor in the arena; aliases share one.
    external: for tensors in the caller's memory, the input or output they are: "input", "output_1" ...
    scratch: byte offset of the working memory of each step that needs some.
    peak_step: the step at which the most bytes are live.
    """

    problem: Problem
    plan: Plan
    offsets: Mapping[str, int]
    scratch: Mapping[int, int]
    peak_step: int
    external: Mapping[str, str] = field(default_factory=dict)

    @property
    def arena_bytes(self) -> int:
        return self.plan.peak

    @property
    def scratch_bytes(self) -> int:
        """The largest working memory of any step."""
        return max((b.size for b in self.problem.buffers if b.name.startswith(_SCRATCH)), default=0)

    def live_at(self, step: int) -> tuple[Buffer, ...]:
        """The buffers live at a step, largest first."""
        live = (b for b in self.problem.buffers if b.lower <= step < b.upper)
        return tuple(sorted(live, key=lambda b: (-b.size, b.name)))


_SCRATCH = "scratch of step "


def alias_roots(graph: Graph) -> dict[str, str]:
    """The tensor whose memory each activation or state uses: its own name, or that of what it is a view of."""
    roots = {t.name: t.name for t in graph.tensors.values() if not t.is_const}
    for op in graph.ops:
        if op.is_alias and op.inputs[0] in roots:
            roots[op.outputs[0]] = roots[op.inputs[0]]
    return roots


def io_names(graph: Graph) -> dict[str, str]:
    """What the C interface calls each model input and output: "input", or "input_0", "input_1" ... of several."""
    names = {}
    for role, tensors in (("input", graph.inputs), ("output", graph.outputs)):
        for i, name in enumerate(tensors):
            names.setdefault(name, role if len(tensors) == 1 else f"{role}_{i}")
    return names


def external_tensors(graph: Graph) -> dict[str, str]:
    """The tensors that lie in the caller's memory when inputs and outputs do: these and all views of them.

    Raises InputError when one memory would have to be two of them.
    """
    roots = alias_roots(graph)
    homes: dict[str, str] = {}
    for name, io in io_names(graph).items():
        if homes.setdefault(roots[name], io) != io:
            raise InputError(
                f"'{name}' shares its memory with another input or output", where="--io-memory", hint="use arena"
            )
    return {name: homes[root] for name, root in roots.items() if root in homes}


def memory_problem(program: Program, outside: Collection[str] = ()) -> Problem:
    """One buffer per activation, state and scratch; time is the index of the step. ``outside``: names left out.

    Model inputs live from step 0, outputs and states to the end; states live all the time, since they must
    survive from one inference to the next.
    """
    graph, steps = program.graph, program.steps
    roots = alias_roots(graph)
    end = max(len(steps), 1)
    first: dict[str, int] = {roots[n]: 0 for n in graph.inputs if n in roots}
    last: dict[str, int] = {}
    for t, step in enumerate(steps):
        for name in (*step.op.inputs, *step.op.outputs):
            if name in roots:
                first.setdefault(roots[name], t)
                last[roots[name]] = t + 1
    for name in graph.outputs:
        if name in roots:
            last[roots[name]] = end
    for variable in graph.variables():
        first[variable.name], last[variable.name] = 0, end
    buffers = [
        Buffer(name, max(graph.tensors[name].bytes, 1), start, max(last.get(name, 0), start + 1), ALIGNMENT)
        for name, start in first.items()
        if name not in outside
    ]
    for t, step in enumerate(steps):
        scratch = max((call.scratch or 0 for call in step.calls), default=0)
        if scratch:
            buffers.append(Buffer(f"{_SCRATCH}{t}", scratch, t, t + 1, ALIGNMENT))
    return Problem(tuple(buffers))


def plan_memory(program: Program, io_in_arena: bool = True) -> MemoryPlan:
    """The arena of a program; the validator has passed it. Raises InputError, see `external_tensors`."""
    external = {} if io_in_arena else external_tensors(program.graph)
    problem = memory_problem(program, external)
    found = plan(problem)
    roots = alias_roots(program.graph)
    offsets = {name: found.offsets[root] for name, root in roots.items() if root in found.offsets}
    scratch = {
        t: found.offsets[f"{_SCRATCH}{t}"]
        for t in range(len(program.steps))
        if f"{_SCRATCH}{t}" in found.offsets
    }
    steps = range(max(len(program.steps), 1))
    peak = max(steps, key=lambda t: sum(b.size for b in problem.buffers if b.lower <= t < b.upper))
    return MemoryPlan(problem, found, offsets, scratch, peak, external)
