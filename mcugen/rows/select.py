"""Which operators are computed together, and with which kernels, so that the arena becomes as small as possible.

The search looks at the step at which the arena is fullest. It tries every run of operators around it, and the
kernels that take less working memory, keeps what makes the arena smallest, and goes on with the step that is fullest
then, until nothing helps. At the end every step is made as fast as it can be in that arena.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mcugen.lowering import Costs, KernelCall, Program, Rules, Step, step_of
from mcugen.lowering.choice import least_scratch
from mcugen.memory import Problem, plan
from mcugen.rows.effort import Effort
from mcugen.rows.feed import ReadRows, readers
from mcugen.rows.fuse import BandLowering, fused
from mcugen.rows.order import Run, works_by_rows

ProblemOf = Callable[[Program], Problem]

SLOWEST = 2.5
_BEAM = 2
_SECONDS = 0.1
_SECONDS_ALONE = 0.02
_LONGEST_RUN = 12
_UNITS = (8, 4, 2, 1)
_NEARLY = 1.03
_THRIFTS = (0, 1, 2)


@dataclass(frozen=True)
class Part:
    """Operators ``start <= i < end`` as a step.

    unit: rows at a time, 0 for the whole operator at once.
    thrift: with which kernels, see `BandLowering`.
    upwards: one operator from the last row to the first, so that its output comes to lie behind its input.
    """

    start: int
    end: int
    unit: int = 0
    thrift: int = 0
    upwards: bool = False

    @property
    def alone(self) -> bool:
        """Whether it is one operator."""
        return self.end - self.start == 1


@dataclass(frozen=True, eq=False)
class Division:
    """A division of the operators into steps, and the memory that it takes.

    needs: bytes that each step would need for itself. All steps together need more when what they leave to each other
    does not lie where it should.
    arena: bytes found for all of them, or those of the division before while a step still needs as many.
    ends: per step, the end of the memory in use; empty while ``arena`` is that of the division before.
    changed: the step changed last.
    """

    parts: tuple[Part, ...]
    program: Program
    needs: tuple[int, ...]
    arena: int
    ends: tuple[int, ...]
    changed: int = 0

    @property
    def score(self) -> tuple[int, ...]:
        """What the search makes smaller: the arena, then the needs of the steps that need most."""
        return (self.arena, *sorted(self.needs, reverse=True))

    def fullest(self) -> tuple[Part, ...]:
        """The step that needs most, and the one at which the arena is fullest."""
        columns = (column for column in (self.needs, self.ends) if column)
        return tuple(dict.fromkeys(self.parts[column.index(max(column))] for column in columns))

    def with_part(self, part: Part) -> tuple[Part, ...] | None:
        """The parts with this one in the place of those that it covers; None when it cuts one in two."""
        before = tuple(p for p in self.parts if p.end <= part.start)
        after = tuple(p for p in self.parts if p.start >= part.end)
        whole = (not before or before[-1].end == part.start) and (not after or after[0].start == part.end)
        return (*before, part, *after) if whole else None

    def split(self, part: Part) -> Iterator[tuple[Part, ...]]:
        """The parts with one of them cut in two."""
        at = self.parts.index(part)
        for middle in range(part.start + 1, part.end):
            halves = (replace(part, end=middle), replace(part, start=middle))
            yield (*self.parts[:at], *halves, *self.parts[at + 1 :])


@dataclass(frozen=True)
class Setting:
    """What the search depends on besides the program.

    costs: see `lower`. problem_of: the planning problem of a program. effort: instructions of a call.
    enough: bytes of an arena that need not be smaller.
    streamed: an input that the caller gives by rows, see `stream`; what reads it is computed by rows.
    """

    rules: Rules
    costs: Costs | None
    problem_of: ProblemOf
    effort: Effort
    enough: int = 0
    streamed: str | None = None


def smallest(program: Program, setting: Setting) -> Program:
    """The program in the division found that needs the least memory, or in a fast one that needs little enough.

    Divisions that take more than SLOWEST times the program's instructions are not considered.
    """
    return _Search(program, setting).run().program


def only_streamed(program: Program, setting: Setting) -> Program:
    """The program with nothing computed by rows but the first operators, as many as make the arena small.

    Of the ways that come near to the smallest arena it is the fastest.
    """
    return _Search(program, setting).streaming().program


def _most_promising(found: Sequence[Division]) -> list[Division]:
    """The best, and those that mend best what has just been changed: what is good for one step and small may come to
    more in the end than what is good for many."""
    best = sorted(found, key=lambda d: (d.score, len(d.program.calls)))
    mended = sorted(found, key=lambda d: (d.needs[d.changed], d.score, len(d.program.calls)))
    return list({d.parts: d for d in (*best[:_BEAM], *mended[:_BEAM])}.values())


def _all_ways(start: int, end: int) -> Iterator[Part]:
    """All ways to compute some operators in one step."""
    alone = end - start == 1
    for thrift in _THRIFTS:
        if alone:
            yield Part(start, end, 0, thrift)
        for unit in _UNITS:
            yield Part(start, end, unit, thrift)
            if alone:
                yield Part(start, end, unit, thrift, upwards=True)


@dataclass
class _Search:
    program: Program
    setting: Setting
    steps: dict[Part, Step] = field(default_factory=dict)
    efforts: dict[Part, float] = field(default_factory=dict)
    needs: dict[tuple[Part, frozenset[str]], int] = field(default_factory=dict)
    lowerings: list[BandLowering] = field(init=False)
    by_rows: list[bool] = field(init=False)
    reading: range = range(0)
    slowest: float = math.inf

    def __post_init__(self) -> None:
        graph = self.program.graph
        self.lowerings = [
            BandLowering(graph.tensors, self.setting.rules, self.setting.costs, t) for t in _THRIFTS
        ]
        self.by_rows = [works_by_rows(op, graph.tensors) for op in graph.ops]
        if self.setting.streamed is not None:
            self.reading = readers(graph, self.setting.streamed)

    def run(self) -> Division:
        usual = self.streaming() if self.reading else self._division(self._operators(0, len(self.by_rows)))
        self.slowest = SLOWEST * self._effort(usual.parts)
        if usual.arena <= self.setting.enough:
            return usual
        mended = [self._all_mended(usual, in_turn) for in_turn in (False, True)]
        beam = [usual, *(d for d in mended if self._effort(d.parts) <= self.slowest)]
        best = min(beam, key=lambda d: d.score)
        while beam and best.arena > self.setting.enough:
            found = {d.parts: d for division in beam for d in self._better(division)}
            beam = _most_promising(list(found.values()))
            best = min((best, *beam), key=lambda d: d.score)
        return self._faster(best)

    def streaming(self) -> Division:
        """Every operator for itself, but a run of those that read the streamed input and of some after them."""
        by_one = {run: self._arena(run) for run in self._streaming_runs()}
        limit = _NEARLY * min(by_one.values())
        near = [replace(run, unit=unit) for run in by_one if by_one[run] <= limit for unit in _UNITS]
        near = [run for run in near if (by_one.get(run) or self._arena(run)) <= limit]
        return self._division(self._with_run(min(near, key=lambda run: self._effort(self._with_run(run)))))

    def _streaming_runs(self) -> Iterator[Part]:
        """The runs that may be, row by row."""
        start, least = self.reading.start, self.reading.stop
        for end in range(least, min(max(least, start + _LONGEST_RUN), len(self.by_rows)) + 1):
            if not all(self.by_rows[start:end]):
                return
            yield Part(start, end, 1)

    def _with_run(self, run: Part) -> tuple[Part, ...]:
        return (*self._operators(0, run.start), run, *self._operators(run.end, len(self.by_rows)))

    def _arena(self, run: Part) -> int:
        """Bytes that were found for all operators, none but a run by rows."""
        return plan(self.setting.problem_of(self._program(self._with_run(run))), seconds=_SECONDS).peak

    @staticmethod
    def _operators(start: int, end: int) -> tuple[Part, ...]:
        return tuple(Part(k, k + 1) for k in range(start, end))

    def _allowed(self, part: Part) -> bool:
        """Whether those that read the streamed input are all left out, or are all computed by rows as they come."""
        first, stop = self.reading.start, self.reading.stop
        if part.end <= first or part.start >= stop:
            return True
        return part.start <= first and stop <= part.end and part.unit > 0 and not part.upwards

    # Changes

    def _all_mended(self, usual: Division, in_turn: bool) -> Division:
        """Every operator in the way that needs least for itself. in_turn: upwards after downwards, and so on."""
        parts = list(usual.parts)
        upwards = False
        for k, part in enumerate(usual.parts):
            needs = {way: self._needs_with(usual, way)[k] for way in self._ways(part) if way.alone}
            ways = [way for way in needs if needs[way] == min(needs.values()) < usual.needs[k]]
            if ways:
                parts[k] = next((way for way in ways if way.upwards == upwards), ways[0])
                upwards = in_turn and not parts[k].upwards
        return self._division(tuple(parts))

    def _needs_with(self, division: Division, part: Part) -> tuple[int, ...]:
        parts = division.with_part(part)
        assert parts is not None
        return self._needs(parts, self._program(parts))

    def _better(self, division: Division) -> Iterator[Division]:
        """Changes of the step at which the arena is fullest that make it smaller."""
        changes = {way: division.with_part(way) for full in division.fullest() for way in self._ways(full)}
        found = [(parts, parts.index(way)) for way, parts in changes.items() if parts is not None]
        for full in division.fullest():
            cuts = (parts for parts in division.split(full) if all(map(self._allowed, parts)))
            found += [(parts, division.parts.index(full)) for parts in cuts]
        for parts, place in found:
            if parts != division.parts and self._effort(parts) <= self.slowest:
                changed = self._division(parts, division, place)
                if changed.score < division.score:
                    yield changed

    def _ways(self, full: Part) -> Iterator[Part]:
        """Other ways to compute some operators, and runs of operators that they belong to."""
        return filter(self._allowed, self._any_ways(full))

    def _any_ways(self, full: Part) -> Iterator[Part]:
        if full.alone:
            yield from (Part(full.start, full.end, thrift=thrift) for thrift in _THRIFTS[1:])
        for start in range(max(0, full.end - _LONGEST_RUN), full.start + 1):
            for end in range(full.end, min(len(self.by_rows), start + _LONGEST_RUN) + 1):
                if all(self.by_rows[start:end]):
                    yield from self._runs(start, end)

    def _runs(self, start: int, end: int) -> Iterator[Part]:
        for thrift in _THRIFTS:
            yield Part(start, end, 1, thrift)
            if end - start == 1:
                yield Part(start, end, 1, thrift, upwards=True)

    def _faster(self, best: Division) -> Division:
        """Every step in the fastest way that takes no more memory."""
        limit = max(best.arena, self.setting.enough)
        for part in best.parts:
            self._effort([part])
            by_rows = all(self.by_rows[part.start : part.end])
            ways = [way for way in _all_ways(part.start, part.end) if by_rows or not way.unit]
            ways = [way for way in ways if self._allowed(way) and self._effort([way]) < self.efforts[part]]
            for way in sorted(ways, key=lambda way: self.efforts[way]):
                parts = best.with_part(way)
                assert parts is not None
                found = self._division(parts, best)
                if max(found.needs) <= limit and found.arena <= limit:
                    best = found
                    break
        return best

    # Memory

    def _division(
        self, parts: tuple[Part, ...], before: Division | None = None, changed: int = 0
    ) -> Division:
        program = self._program(parts)
        needs = self._needs(parts, program)
        if before is not None and max(needs) >= before.arena and max(before.needs) >= before.arena:
            return Division(parts, program, needs, before.arena, (), changed)
        problem = self.setting.problem_of(program)
        found = plan(problem, seconds=_SECONDS)
        ends = [
            max(
                (found.offsets[b.name] + b.size for b in problem.buffers if b.lower <= t < b.upper), default=0
            )
            for t in range(len(parts))
        ]
        return Division(parts, program, needs, found.peak, tuple(ends), changed)

    def _needs(self, parts: tuple[Part, ...], program: Program) -> tuple[int, ...]:
        problem = self.setting.problem_of(program)
        return tuple(self._need(part, t, problem) for t, part in enumerate(parts))

    def _need(self, part: Part, t: int, problem: Problem) -> int:
        """Bytes for a step alone, with what lives on beside it."""
        live = {b.name: b for b in problem.buffers if b.lower <= t < b.upper}
        key = (part, frozenset(live))
        if key not in self.needs:
            pairs = tuple(o for o in problem.overlaps if o.a in live and o.b in live)
            alone = Problem(tuple(replace(b, lower=0, upper=1) for b in live.values()), pairs)
            self.needs[key] = plan(alone, seconds=_SECONDS_ALONE).peak
        return self.needs[key]

    # Steps

    def _program(self, parts: tuple[Part, ...]) -> Program:
        return replace(self.program, steps=tuple(self._step(part) for part in parts))

    def _step(self, part: Part) -> Step:
        if part not in self.steps:
            self.steps[part], contracts = self._made(part)
            self.efforts[part] = sum(self.setting.effort(call, function) for call, function in contracts)
        return self.steps[part]

    def _made(self, part: Part) -> tuple[Step, Sequence[tuple[KernelCall, str]]]:
        """The step, and its calls in contract form with their C functions."""
        if part.unit:
            made = fused(self._run_of(part), part.unit, self.lowerings[part.thrift], part.upwards)
            return made.step, made.contracts
        step = self.program.steps[part.start]
        contracts = step.ops[0].lower(self.program.graph.tensors)
        if part.thrift:
            choices = [least_scratch(call, self.setting.rules, part.thrift > 1) for call in contracts]
            step = step_of(step.ops[0], contracts, choices)
        return step, list(zip(contracts, (call.function for call in step.calls), strict=True))

    def _effort(self, parts: Sequence[Part]) -> float:
        """Instructions of a division, of what is known."""
        for part in parts:
            self._step(part)
        return sum(self.efforts[part] for part in parts)

    def _run_of(self, part: Part) -> Run:
        graph = self.program.graph
        ops = graph.ops[part.start : part.end]
        readers = graph.consumers()
        results = (
            name
            for op in ops
            for name in op.outputs
            if name in graph.outputs or any(reader not in ops for reader in readers.get(name, []))
        )
        fed = self.setting.streamed if part.start <= self.reading.start < part.end else None
        first = (ReadRows.of(fed),) if fed is not None else ()
        return Run((*first, *ops), graph.tensors, tuple(results))
