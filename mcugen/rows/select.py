"""Which operators are computed together, and with which kernels, so that the arena becomes as small as possible.

The search looks at the step at which the arena is fullest. It tries every run of operators around it, and the
kernels that take less working memory, keeps what makes the arena smallest, and goes on with the step that is fullest
then, until nothing helps. At the end every step is made as fast as it can be in that arena.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mcugen.lowering import Costs, Program, Rules, Step, step_of
from mcugen.lowering.choice import least_scratch
from mcugen.memory import Problem, plan
from mcugen.rows.fuse import BandLowering, fused
from mcugen.rows.order import Run, works_by_rows

ProblemOf = Callable[[Program], Problem]

_BEAM = 2
_SECONDS = 0.1
_SECONDS_ALONE = 0.02
_LONGEST_RUN = 12
_LARGER_UNITS = (8, 4, 2)


@dataclass(frozen=True)
class Part:
    """Operators ``start <= i < end`` as a step.

    unit: rows at a time, 0 for the whole operator at once; frugal: with the kernels that take the least working
    memory; upwards: one operator from the last row to the first, so that its output comes to lie behind its input.
    """

    start: int
    end: int
    unit: int = 0
    frugal: bool = False
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


def smallest(
    program: Program, rules: Rules, costs: Costs | None, problem_of: ProblemOf, enough: int = 0
) -> Program:
    """The program in the division found that needs the least memory, or in a fast one that needs ``enough``."""
    return _Search(program, rules, costs, problem_of, enough).run().program


def _most_promising(found: Sequence[Division]) -> list[Division]:
    """The best, and those that mend best what has just been changed: what is good for one step and small may come to
    more in the end than what is good for many."""
    best = sorted(found, key=lambda d: (d.score, len(d.program.calls)))
    mended = sorted(found, key=lambda d: (d.needs[d.changed], d.score, len(d.program.calls)))
    return list({d.parts: d for d in (*best[:_BEAM], *mended[:_BEAM])}.values())


def _faster_ways(part: Part) -> Iterator[Part]:
    """Ways to compute the same operators in less time, the fastest first."""
    if part.alone and (part.unit or part.frugal):
        yield Part(part.start, part.end)
    for unit in _LARGER_UNITS if part.unit else ():
        for frugal in sorted({False, part.frugal}):
            yield replace(part, unit=unit, frugal=frugal)
    if part.frugal:
        yield replace(part, frugal=False)


@dataclass
class _Search:
    program: Program
    rules: Rules
    costs: Costs | None
    problem_of: ProblemOf
    enough: int
    steps: dict[Part, Step] = field(default_factory=dict)
    needs: dict[tuple[Part, frozenset[str]], int] = field(default_factory=dict)
    usual: BandLowering = field(init=False)
    frugal: BandLowering = field(init=False)
    by_rows: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        graph = self.program.graph
        self.usual = BandLowering(graph.tensors, self.rules, self.costs)
        self.frugal = BandLowering(graph.tensors, self.rules, self.costs, frugal=True)
        self.by_rows = [works_by_rows(op, graph.tensors) for op in graph.ops]

    def run(self) -> Division:
        usual = self._division(tuple(Part(k, k + 1) for k in range(len(self.program.steps))))
        if usual.arena <= self.enough:
            return usual
        beam = [usual, self._all_mended(usual, in_turn=False), self._all_mended(usual, in_turn=True)]
        best = min(beam, key=lambda d: d.score)
        while beam and best.arena > self.enough:
            found = {d.parts: d for division in beam for d in self._better(division)}
            beam = _most_promising(list(found.values()))
            best = min((best, *beam), key=lambda d: d.score)
        return self._faster(best)

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
        for part in dict.fromkeys(way for full in division.fullest() for way in self._ways(full)):
            parts = division.with_part(part)
            if parts is not None and parts != division.parts:
                changed = self._division(parts, division, parts.index(part))
                if changed.score < division.score:
                    yield changed

    def _ways(self, full: Part) -> Iterator[Part]:
        """Other ways to compute some operators, and runs of operators that they belong to."""
        if full.alone:
            yield Part(full.start, full.end, frugal=True)
        for start in range(max(0, full.end - _LONGEST_RUN), full.start + 1):
            for end in range(full.end, min(len(self.by_rows), start + _LONGEST_RUN) + 1):
                if all(self.by_rows[start:end]):
                    yield from self._runs(start, end)

    def _runs(self, start: int, end: int) -> Iterator[Part]:
        for frugal in (False, True):
            yield Part(start, end, 1, frugal)
            if end - start == 1:
                yield Part(start, end, 1, frugal, upwards=True)

    def _faster(self, best: Division) -> Division:
        """Every step in the fastest way that takes no more memory."""
        limit = max(best.arena, self.enough)
        for part in best.parts:
            for way in _faster_ways(part):
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
        problem = self.problem_of(program)
        found = plan(problem, seconds=_SECONDS)
        ends = [
            max(
                (found.offsets[b.name] + b.size for b in problem.buffers if b.lower <= t < b.upper), default=0
            )
            for t in range(len(parts))
        ]
        return Division(parts, program, needs, found.peak, tuple(ends), changed)

    def _needs(self, parts: tuple[Part, ...], program: Program) -> tuple[int, ...]:
        problem = self.problem_of(program)
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
            self.steps[part] = self._made(part)
        return self.steps[part]

    def _made(self, part: Part) -> Step:
        if part.unit:
            lowering = self.frugal if part.frugal else self.usual
            return fused(self._run_of(part), part.unit, lowering, part.upwards)
        step = self.program.steps[part.start]
        return self._frugal_step(step) if part.frugal else step

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
        return Run(ops, graph.tensors, tuple(results))

    def _frugal_step(self, step: Step) -> Step:
        """The step with the kernels that take the least working memory."""
        contracts = step.ops[0].lower(self.program.graph.tensors)
        return step_of(step.ops[0], contracts, [least_scratch(call, self.rules) for call in contracts])
