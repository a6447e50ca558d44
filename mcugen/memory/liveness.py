"""From a program to a planning problem: which buffers there are and when they live."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mcugen.errors import InputError
from mcugen.ir import Graph
from mcugen.lowering import Program, Sharing, Step
from mcugen.memory import Buffer, Overlap, Plan, Problem, plan, plan_of
from mcugen.memory.blocks import overlaps_of, scratch_of
from mcugen.memory.spread import Banks, Spread, spread
from mcugen.memory.traffic import ConstantKey, Traffic, traffic_of
from mcugen.memory.views import alias_roots, places

ALIGNMENT = 16


@dataclass(frozen=True)
class Place:
    """An address: bytes from the start of a region."""

    region: str
    offset: int


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything lies in the arena, or in several regions.

    offsets: byte offset of every activation and state tensor in its region, or in the caller's memory.
    external: for tensors in the caller's memory, the input or output they are: "input", "output_1" ...
    scratch: byte offset of working memory, by `scratch_of` the tensor that is made with it.
    peak_step: the step at which the most bytes are live.
    spread: what lies in which region, and when it moves; None where all lies in one arena.
    views: the tensor in whose memory each tensor lies, and the bytes before it there.
    """

    problem: Problem
    plan: Plan
    offsets: Mapping[str, int]
    scratch: Mapping[str, int]
    peak_step: int
    external: Mapping[str, str] = field(default_factory=dict)
    spread: Spread | None = None
    views: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def arena_bytes(self) -> int:
        """Bytes of all regions together."""
        return self.plan.peak

    def place(self, name: str, step: int | None = None) -> Place:
        """Where a tensor lies for the kernels of a step; without a step, between inferences."""
        if self.spread is None:
            return Place(self.problem.all_regions[0].name, self.offsets[name])
        root, offset = self.views.get(name, (name, 0))
        pieces = self.spread.pieces[root]
        if step is None:
            return self._place(self.spread.rest.get(root, pieces[0]), offset)
        return self._place(next((b for b in pieces if b.lower <= step < b.upper), pieces[-1]), offset)

    def scratch_place(self, output: str) -> Place | None:
        """Where the working memory of the operator that makes a tensor lies, if it has any."""
        name = scratch_of(output)
        return self.buffer_place(name) if name in self.scratch else None

    def constant_place(self, key: ConstantKey) -> Place | None:
        """Where the copy of a constant lies for the kernels; None where they read it from flash."""
        copied = {} if self.spread is None else self.spread.constants
        return self._place(copied[key]) if key in copied else None

    def buffer_place(self, name: str) -> Place:
        """Where a buffer of the problem lies."""
        return self._place(next(b for b in self.problem.buffers if b.name == name))

    def _place(self, buffer: Buffer, offset: int = 0) -> Place:
        return Place(self.problem.region_of(buffer), self.plan.offsets[buffer.name] + offset)

    @property
    def scratch_bytes(self) -> int:
        """The largest working memory of any step."""
        return max((b.size for b in self.problem.buffers if b.name in self.scratch), default=0)

    def live_at(self, step: int) -> tuple[Buffer, ...]:
        """The buffers live at a step, largest first."""
        live = (b for b in self.problem.buffers if b.lower <= step < b.upper)
        return tuple(sorted(live, key=lambda b: (-b.size, b.name)))


def io_names(graph: Graph) -> dict[str, str]:
    """What the C interface calls each model input and output: "input", or "input_0", "input_1" ... of several."""
    names: dict[str, str] = {}
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
                f"'{name}' shares its memory with another input or output",
                where="--io-memory",
                hint="use arena",
            )
    return {name: homes[root] for name, root in roots.items() if root in homes}


def memory_problem(program: Program, outside: Collection[str] = (), overlap: bool = True) -> Problem:
    """One buffer per activation, state and scratch; time is the index of the step.

    outside: names left out. overlap: outputs may share bytes with inputs that die at the step, as kernels declare.
    Model inputs live from step 0, outputs and states to the end; states live all the time, since they must
    survive from one inference to the next.
    """
    graph, steps = program.graph, program.steps
    lives = {name: life for name, life in _lifetimes(program).items() if name not in outside}
    sizes = {name: size for step in steps for name, size in step.windows.items()}
    buffers = [
        Buffer(name, sizes.get(name) or max(graph.tensors[name].bytes, 1), start, end, ALIGNMENT)
        for name, (start, end) in lives.items()
    ]
    for t, step in enumerate(steps):
        buffers += [Buffer(n, size, t, t + 1, ALIGNMENT) for n, size in _scratch_sizes(step).items()]
    if not overlap:
        return Problem(tuple(buffers))
    kept = _kept_buffers(graph)
    overlaps = [
        o
        for t, step in enumerate(steps)
        for o in (
            _step_overlaps(program, step, t, lives, kept)
            if step.accesses is None
            else _row_overlaps(program, step, t, lives, kept)
        )
    ]
    return Problem(tuple(buffers), tuple(overlaps))


def _scratch_sizes(step: Step) -> dict[str, int]:
    """Bytes of the working memory of each operator of a step that needs some."""
    sizes: dict[str, int] = {}
    for call in step.calls:
        if call.scratch:
            name = scratch_of(call.outputs[0])
            sizes[name] = max(sizes.get(name, 0), call.scratch)
    return sizes


def _row_overlaps(
    program: Program, step: Step, t: int, lives: Mapping[str, tuple[int, int]], kept: Collection[str]
) -> Iterator[Overlap]:
    """What is known of the buffers of a step of several operators. Buffers that live on afterwards keep all bytes."""
    assert step.accesses is not None
    known = places(program.graph)
    buffers = {n: known[n].root if n in known else n for n in step.accesses.blocks}
    outside = {root for n, root in buffers.items() if n in known and root not in lives}
    parts = {root for n, root in buffers.items() if n in known and not known[n].whole}
    twice = {root for root, count in Counter(buffers.values()).items() if count > 1}
    later = {n for n, root in buffers.items() if root in kept or (root in lives and lives[root][1] > t + 1)}
    for overlap in overlaps_of(step.accesses, frozenset(later)):
        a, b = buffers[overlap.a], buffers[overlap.b]
        if not {a, b} & (outside | parts | twice):
            yield replace(overlap, a=a, b=b)


def _lifetimes(program: Program) -> dict[str, tuple[int, int]]:
    """(first step, step after the last) of every activation and state that is not a view of another."""
    graph, roots = program.graph, alias_roots(program.graph)
    end = max(len(program.steps), 1)
    first: dict[str, int] = {roots[n]: 0 for n in graph.inputs if n in roots and n != program.streamed}
    last: dict[str, int] = {}
    for t, step in enumerate(program.steps):
        for name in (n for op in step.ops for n in (*op.inputs, *op.outputs)):
            if name in roots:
                first.setdefault(roots[name], t)
                last[roots[name]] = t + 1
    for name in graph.outputs:
        if name in roots:
            last[roots[name]] = end
    for variable in graph.variables():
        first[variable.name], last[variable.name] = 0, end
    return {name: (start, max(last.get(name, 0), start + 1)) for name, start in first.items()}


def _kept_buffers(graph: Graph) -> set[str]:
    """Those whose contents matter after the last step that uses them."""
    roots = alias_roots(graph)
    outputs = {roots[name] for name in graph.outputs if name in roots}
    return outputs | {variable.name for variable in graph.variables()}


def _step_overlaps(
    program: Program, step: Step, t: int, lives: Mapping[str, tuple[int, int]], kept: Collection[str]
) -> Iterator[Overlap]:
    """What the kernel of a step allows its new output and its dying inputs. Steps of several calls allow nothing."""
    if len(step.calls) != 1 or not step.sharings or len(step.calls[0].outputs) != 1:
        return
    graph, known = program.graph, places(program.graph)
    (call,), (sharings,) = step.calls, step.sharings
    output = known[call.outputs[0]].root
    read = [known[name].root if name in known else "" for name in call.inputs]
    for sharing in sharings:
        source, place = read[sharing.input], known.get(call.inputs[sharing.input])
        if output == source or place is None or not place.whole or not known[call.outputs[0]].whole:
            continue
        dies = source in lives and source not in kept and lives[source][1] == t + 1
        if dies and read.count(source) == 1 and output in lives and lives[output][0] == t:
            if sharing.step == 1:
                yield Overlap.ahead(output, source, sharing.distance)
            else:
                more = graph.tensors[output].bytes - graph.tensors[source].bytes
                yield from (Overlap(source, output, -d, -d) for d in _places(sharing, more))


def _places(sharing: Sharing, more: int) -> list[int]:
    """Of the distances that a step allows: the least, that of equal starts and that of equal ends.

    more: bytes that the output is larger than the input.
    """
    step = math.lcm(sharing.step, ALIGNMENT)
    wanted = (sharing.distance, 0, more)
    return sorted({-(-d // step) * step for d in wanted if d >= sharing.distance})


def plan_memory(
    program: Program, io_in_arena: bool = True, overlap: bool = True, banks: Banks | None = None
) -> MemoryPlan:
    """The arena of a program, or with ``banks`` its regions; the validator has passed it.

    Raises InputError, see `external_tensors`; with banks DoesNotFitError.
    """
    external = {} if io_in_arena else external_tensors(program.graph)
    problem = memory_problem(program, external, overlap)
    placed = None
    if banks is not None:
        kept = _kept_buffers(program.graph)
        roots = alias_roots(program.graph)
        placed = spread(program, problem, _traffic_of_buffers(program, roots), banks, kept)
        problem = placed.problem
    found = plan(problem) if placed is None else plan_of(problem, placed.offsets, "spread")
    views = {name: (view.root, view.offset) for name, view in places(program.graph).items()}
    offsets = {n: found.offsets.get(root, 0) + offset for n, (root, offset) in views.items()}
    scratch = {n: found.offsets[n] for step in program.steps for n in _scratch_sizes(step)}
    steps = range(max(len(program.steps), 1))
    peak = max(steps, key=lambda t: sum(b.size for b in problem.buffers if b.lower <= t < b.upper))
    return MemoryPlan(problem, found, offsets, scratch, peak, external, placed, views)


def _traffic_of_buffers(program: Program, roots: Mapping[str, str]) -> Traffic:
    """The bytes touched, those of views counted for what they are views of."""
    traffic = traffic_of(program)
    buffers: Counter[tuple[int, str]] = Counter()
    for (step, name), count in traffic.buffers.items():
        buffers[step, roots.get(name, name)] += count
    return replace(traffic, buffers=buffers)
