"""Which operators are computed together, and with which kernels, so that the arena becomes as small as possible.

The search looks at the step at which the arena is fullest. It tries every run of operators around it, and the
kernels that take less working memory, keeps what makes the arena smallest, and goes on with the step that is fullest
then, until nothing helps. It also tries every operator in the fastest way within a limit, for several limits. At the
end every step of the divisions that are left is made as fast as it can be in their arenas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from mcugen.lowering import Costs, KernelCall, Program, Rules, Step, step_of
from mcugen.lowering.choice import least_scratch
from mcugen.memory import Problem, plan
from mcugen.rows.effort import Effort
from mcugen.rows.feed import ReadRows, readers
from mcugen.rows.fuse import BandLowering, fused_in, layout_of
from mcugen.rows.order import Run, works_by_rows
from mcugen.rows.windows import Layout, least_bytes

ProblemOf = Callable[[Program], Problem]
Score: TypeAlias = tuple[int, ...]

SLOWEST = 2.5
"""How many times the usual instructions a division may take to be looked at."""
WORTH = 1.55
"""How many times the usual instructions the smallest arena may cost when no number of bytes was asked for."""
_BEAM = 2
_SECONDS = 0.1
_SECONDS_ALONE = 0.02
_LONGEST_RUN = 12
_UNITS = (8, 4, 2, 1)
_NEARLY = 1.03
_LIMITS = 6


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
    def score(self) -> Score:
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
        start = before[-1].end if before else 0
        end = after[0].start if after else self.parts[-1].end
        return (*before, part, *after) if (start, end) == (part.start, part.end) else None

    def split(self, part: Part) -> Iterator[tuple[Part, ...]]:
        """The parts with one of them cut in two."""
        at = self.parts.index(part)
        for middle in range(part.start + 1, part.end):
            halves = (replace(part, end=middle), replace(part, start=middle))
            yield (*self.parts[:at], *halves, *self.parts[at + 1 :])


@dataclass(frozen=True, eq=False)
class _Change:
    """A part put into a division, with what is known of the result so far.

    needs: bytes that each step needs; of the new one a lower bound at first. exact: whether it is none any more.
    division: the result, once it is planned.
    """

    before: Division
    parts: tuple[Part, ...]
    place: int
    needs: tuple[int, ...]
    calls: int = 0
    exact: bool = False
    division: Division | None = None

    @property
    def stuck(self) -> bool:
        """Whether a step needs as much as before, so that the arena cannot be smaller."""
        limit = self.before.arena
        return max(self.needs) >= limit and max(self.before.needs) >= limit

    @property
    def score(self) -> Score:
        """That of the division; while it is not planned no more than that."""
        if self.division is not None:
            return self.division.score
        arena = self.before.arena if self.stuck else max(self.needs)
        return (arena, *sorted(self.needs, reverse=True))

    @property
    def mended(self) -> Score:
        """First what the step changed needs, then the score."""
        return (self.needs[self.place], *self.score)


@dataclass(frozen=True)
class Setting:
    """What the search depends on besides the program.

    costs: see `lower`. problem_of: the planning problem of a program. effort: instructions of a call.
    streamed: an input that the caller gives by rows, see `stream`; what reads it is computed by rows.
    """

    rules: Rules
    costs: Costs | None
    problem_of: ProblemOf
    effort: Effort
    streamed: str | None = None


@dataclass(frozen=True)
class TradeOff:
    """A program with the bytes of its arena and the instructions that it takes, of what is known.

    fullest: the step that needs most memory for itself; need: how many bytes.
    """

    program: Program
    arena: int
    effort: float
    fullest: int
    need: int


def only_streamed(program: Program, setting: Setting) -> Program:
    """The program with nothing computed by rows but the first operators, as many as make the arena small.

    Of the ways that come near to the smallest arena it is the fastest.
    """
    return _Search(program, setting).streaming().program


def trade_offs(program: Program, setting: Setting) -> list[TradeOff]:
    """The divisions found than which none is both smaller and faster, the smallest first.

    None takes more than SLOWEST times the program's instructions.
    """
    search = _Search(program, setting)
    return [
        TradeOff(d.program, d.arena, search.effort(d.parts), d.needs.index(max(d.needs)), max(d.needs))
        for d in search.run()
    ]


def smallest(found: Sequence[TradeOff], usual: float) -> TradeOff:
    """The smallest of a program's trade-offs that is worth it. usual: instructions of the program itself."""
    return next((way for way in found if way.effort <= WORTH * usual), found[-1])


@dataclass
class _Search:
    program: Program
    setting: Setting
    steps: dict[Part, Step] = field(default_factory=dict)
    layouts: dict[Part, Layout] = field(default_factory=dict)
    efforts: dict[Part, float] = field(default_factory=dict)
    needs: dict[Part, int] = field(default_factory=dict)
    least: dict[Part, int] = field(default_factory=dict)
    divisions: dict[tuple[Part, ...], Division] = field(default_factory=dict)
    lowerings: list[BandLowering] = field(init=False)
    by_rows: list[bool] = field(init=False)
    reading: range = range(0)
    thrifts: tuple[int, ...] = (0, 1)
    slowest: float = math.inf

    def __post_init__(self) -> None:
        graph = self.program.graph
        if self.setting.rules.instruction_class == "mve":
            self.thrifts = (0, 1, 2)
        self.lowerings = [
            BandLowering(graph.tensors, self.setting.rules, self.setting.costs, t) for t in self.thrifts
        ]
        self.by_rows = [works_by_rows(op, graph.tensors) for op in graph.ops]
        if self.setting.streamed is not None:
            self.reading = readers(graph, self.setting.streamed)

    def run(self) -> list[Division]:
        """The divisions than which none found is smaller and faster, the smallest first."""
        usual = self.streaming() if self.reading else self._division(self._operators(0, len(self.by_rows)))
        self.slowest = SLOWEST * self.effort(usual.parts)
        beam = [usual, *(d for d in self._mended(usual) if self.effort(d.parts) <= self.slowest)]
        while beam:
            beam = self._most_promising({c.parts: c for division in beam for c in self._changes(division)})
        found = self._not_beaten()
        for division, larger in zip(found, (*found[1:], None), strict=True):
            self._faster(division, division.arena)
            if larger is not None:
                self._faster(division, larger.arena - 1)
        return self._not_beaten()

    def _not_beaten(self) -> list[Division]:
        least = self.slowest
        found = []
        for division in sorted(self.divisions.values(), key=lambda d: (d.arena, self.effort(d.parts))):
            if self.effort(division.parts) < least:
                least = self.effort(division.parts)
                found.append(division)
        return found

    def streaming(self) -> Division:
        """Every operator for itself, but a run of those that read the streamed input and of some after them."""
        by_one = {run: self._arena(run) for run in self._streaming_runs()}
        limit = _NEARLY * min(by_one.values())
        near = [replace(run, unit=unit) for run in by_one if by_one[run] <= limit for unit in _UNITS]
        near = [run for run in near if (by_one.get(run) or self._arena(run)) <= limit]
        return self._division(self._with_run(min(near, key=lambda run: self.effort(self._with_run(run)))))

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

    def _mended(self, usual: Division) -> Iterator[Division]:
        """Every operator that needs more than a limit in the fastest way that does not, for several limits.

        All downwards, or upwards after downwards, where that is as good.
        """
        ways: dict[Part, list[Part]] = {}
        lowest = 0
        for part, need in sorted(zip(usual.parts, usual.needs, strict=True), key=lambda entry: -entry[1]):
            if need > lowest:
                ways[part] = list(self._ways_of(part))
                lowest = max(lowest, min(map(self._need, ways[part])))
        needs = sorted({self._need(way) for found in ways.values() for way in found})
        limits = [need for need in needs if lowest <= need < usual.arena]
        for limit in limits[:: max(1, len(limits) // _LIMITS)]:
            for in_turn in (False, True):
                yield self._division(self._within(limit, usual, ways, in_turn))

    def _within(
        self, limit: int, usual: Division, ways: Mapping[Part, Sequence[Part]], in_turn: bool
    ) -> tuple[Part, ...]:
        parts = []
        upwards = False
        for part, need in zip(usual.parts, usual.needs, strict=True):
            if need > limit:
                fitting = [way for way in ways[part] if self._need(way) <= limit]
                best = min(fitting, key=lambda way: (self.effort([way]), way.upwards != upwards))
                upwards = in_turn and not best.upwards
                parts.append(best)
            else:
                parts.append(part)
        return tuple(parts)

    def _changes(self, division: Division) -> Iterator[_Change]:
        """Changes of the steps at which the arena is fullest that may make it smaller."""
        for part in dict.fromkeys(way for full in division.fullest() for way in self._ways(full)):
            parts = division.with_part(part)
            if parts is not None and parts != division.parts:
                place = parts.index(part)
                needs = (
                    *map(self._need, parts[:place]),
                    self._least(part),
                    *map(self._need, parts[place + 1 :]),
                )
                change = _Change(division, parts, place, needs)
                if change.score < division.score:
                    yield change
        yield from self._cuts(division)

    def _cuts(self, division: Division) -> Iterator[_Change]:
        """The run with the streamed input cut in two, if that may make the arena smaller: it is there from the start,
        while all others grow from single operators."""
        for full in division.fullest() if self.reading else ():
            for parts in division.split(full):
                if all(map(self._allowed, parts)):
                    place, needs = division.parts.index(full), tuple(map(self._need, parts))
                    change = _Change(division, parts, place, needs, exact=True)
                    if change.score < division.score:
                        yield change

    def _most_promising(self, changes: Mapping[tuple[Part, ...], _Change]) -> list[Division]:
        """The best, and those that mend best what has just been changed: what is good for one step and small may come
        to more in the end than what is good for many."""
        best = self._first(changes.values(), lambda c: (c.score, c.calls))
        mended = self._first(changes.values(), lambda c: (c.mended, c.calls))
        return list({d.parts: d for d in (*best, *mended)}.values())

    def _first(
        self, changes: Iterable[_Change], rank: Callable[[_Change], tuple[Score, int]]
    ) -> list[Division]:
        """The best few. More about a change is only found out when it is the best by what is known."""
        taken: list[Division] = []
        queue = [(rank(change), k, change) for k, change in enumerate(changes)]
        heapify(queue)
        while queue and len(taken) < _BEAM:
            _, k, change = heappop(queue)
            if change.division is not None:
                taken.append(change.division)
                continue
            change = self._known_better(change)
            if self.effort(change.parts) <= self.slowest and change.score < change.before.score:
                heappush(queue, (rank(change), k, change))
        return taken

    def _known_better(self, change: _Change) -> _Change:
        """With the needs of the new step; if they are known, with the division."""
        if change.exact:
            division = self._division(change.parts, change.before, change.place)
            return replace(change, division=division, calls=len(division.program.calls))
        part = change.parts[change.place]
        needs = (*change.needs[: change.place], self._need(part), *change.needs[change.place + 1 :])
        calls = sum(len(self._step(p).calls) for p in change.parts)
        return replace(change, needs=needs, exact=True, calls=calls)

    def _ways(self, full: Part) -> Iterator[Part]:
        """Other ways to compute some operators, and runs of operators that they belong to."""
        return filter(self._allowed, self._any_ways(full))

    def _any_ways(self, full: Part) -> Iterator[Part]:
        if full.alone:
            yield from (Part(full.start, full.end, thrift=thrift) for thrift in self.thrifts[1:])
        for start in range(max(0, full.end - _LONGEST_RUN), full.start + 1):
            for end in range(full.end, min(len(self.by_rows), start + _LONGEST_RUN) + 1):
                if all(self.by_rows[start:end]):
                    yield from self._runs(start, end)

    def _runs(self, start: int, end: int) -> Iterator[Part]:
        for thrift in self.thrifts:
            yield Part(start, end, 1, thrift)
            if end - start == 1:
                yield Part(start, end, 1, thrift, upwards=True)

    def _faster(self, best: Division, limit: int) -> Division:
        """Every step in the fastest way with which the arena stays within the limit."""
        for part in best.parts:
            self.effort([part])
            ways = [way for way in self._ways_of(part) if self.effort([way]) < self.efforts[part]]
            for way in sorted(ways, key=lambda way: self.efforts[way]):
                parts = best.with_part(way)
                assert parts is not None
                if self._least(way) <= limit and self._need(way) <= limit:
                    found = self._division(parts, best)
                    if max(found.needs) <= limit and found.arena <= limit:
                        best = found
                        break
        return best

    def _ways_of(self, part: Part) -> Iterator[Part]:
        """All ways to compute the operators of a part in one step."""
        return filter(self._allowed, self._any_ways_of(part))

    def _any_ways_of(self, part: Part) -> Iterator[Part]:
        by_rows = all(self.by_rows[part.start : part.end])
        for thrift in self.thrifts:
            if part.alone:
                yield Part(part.start, part.end, 0, thrift)
            for unit in _UNITS if by_rows else ():
                yield Part(part.start, part.end, unit, thrift)
                if part.alone:
                    yield Part(part.start, part.end, unit, thrift, upwards=True)

    # Memory

    def _division(
        self, parts: tuple[Part, ...], before: Division | None = None, changed: int = 0
    ) -> Division:
        needs = tuple(map(self._need, parts))
        program = self._program(parts)
        if before is not None and max(needs) >= before.arena and max(before.needs) >= before.arena:
            return Division(parts, program, needs, before.arena, (), changed)
        if parts not in self.divisions:
            arena, ends = self._planned(program)
            self.divisions[parts] = Division(parts, program, needs, arena, ends)
        return replace(self.divisions[parts], changed=changed)

    def _planned(self, program: Program) -> tuple[int, tuple[int, ...]]:
        """Bytes of the arena, and per step the end of the memory in use."""
        problem = self.setting.problem_of(program)
        found = plan(problem, seconds=_SECONDS)
        ends = [0] * len(program.steps)
        for b in problem.buffers:
            for t in range(b.lower, min(b.upper, len(ends))):
                ends[t] = max(ends[t], found.offsets[b.name] + b.size)
        return found.peak, tuple(ends)

    def _need(self, part: Part) -> int:
        """Bytes for a step alone, with what lives on beside it."""
        if part not in self.needs:
            program = self._alone(part)
            t = program.steps.index(self._step(part))
            problem = self.setting.problem_of(program)
            live = {b.name: b for b in problem.buffers if b.lower <= t < b.upper}
            pairs = tuple(o for o in problem.overlaps if o.a in live and o.b in live)
            alone = Problem(tuple(replace(b, lower=0, upper=1) for b in live.values()), pairs)
            self.needs[part] = plan(alone, seconds=_SECONDS_ALONE).peak
        return self.needs[part]

    def _alone(self, part: Part) -> Program:
        """The step of a part, with all operators before and after it as steps without kernels."""
        ops = self.program.graph.ops
        before, after = ops[: part.start], ops[part.end :]
        around = (Step(before, ()), self._step(part), Step(after, ()))
        return replace(self.program, steps=tuple(step for step in around if step.ops))

    def _least(self, part: Part) -> int:
        """What a part needs at least, which is found without choosing kernels; 0 for an operator at once."""
        if not part.unit:
            return 0
        layout = replace(part, thrift=0)
        if layout not in self.least:
            self.least[layout] = least_bytes(self._layout(part))
        return self.least[layout]

    # Steps

    def _program(self, parts: tuple[Part, ...]) -> Program:
        ends = [0, *(part.end for part in parts)]
        assert [part.start for part in parts] == ends[:-1] and ends[-1] == len(self.by_rows)
        return replace(self.program, steps=tuple(self._step(part) for part in parts))

    def _step(self, part: Part) -> Step:
        if part not in self.steps:
            self.steps[part], contracts = self._made(part)
            self.efforts[part] = sum(self.setting.effort(call, function) for call, function in contracts)
        return self.steps[part]

    def _made(self, part: Part) -> tuple[Step, Sequence[tuple[KernelCall, str]]]:
        """The step, and its calls in contract form with their C functions."""
        if part.unit:
            made = fused_in(self._layout(part), self._run_of(part), self.lowerings[part.thrift])
            return made.step, made.contracts
        step = self.program.steps[part.start]
        contracts = step.ops[0].lower(self.program.graph.tensors)
        if part.thrift:
            choices = [least_scratch(call, self.setting.rules, part.thrift > 1) for call in contracts]
            step = step_of(step.ops[0], contracts, choices)
        return step, list(zip(contracts, (call.function for call in step.calls), strict=True))

    def _layout(self, part: Part) -> Layout:
        """Which kernels are taken does not matter to it."""
        key = replace(part, thrift=0)
        if key not in self.layouts:
            self.layouts[key] = layout_of(self._run_of(part), part.unit, part.upwards)
        return self.layouts[key]

    def effort(self, parts: Sequence[Part]) -> float:
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
