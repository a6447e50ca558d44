"""Spreads the buffers of a program over several memories, by what accesses cost there.

Each memory has a cost per byte touched (:class:`Bank`), :mod:`mcugen.memory.traffic` says how often bytes are
touched, and :mod:`mcugen.memory.placement` takes the cheapest of these ways that fit:

- tensors, states and working memory lie in any region;
- *spilled*: a tensor that is not used for some steps moves to another region and back; a state moves to the region
  where it is used and back;
- *staged*: constants are copied from flash into a region for the step that reads them, every time;
- *kept*: constants that are read more than once are copied into a region when the model is initialised, and stay.

Copies are explicit (:class:`Copy`); they cost a read and a write per byte and something for the call. A staged copy
is begun one step early where there is room for that, so that a DMA controller can work at it meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from typing import Literal, TypeAlias

from mcugen.lowering import Constant, Program
from mcugen.memory.placement import Item, Option, place, repack
from mcugen.memory.problem import Buffer, Problem, Region
from mcugen.memory.traffic import ConstantKey, Traffic, constant_keys

_COPY = 100.0
"""What a copy costs besides its bytes: the call, in bytes touched without waiting."""
_HOT = 2
"""How often an inference must read a constant for it to have memory of its own all the time."""
_LEAST_GAP = 2
"""Steps from one use to the next from which a tensor may be moved away in between."""

CopyKind: TypeAlias = Literal["keep", "stage", "spill", "restore"]


@dataclass(frozen=True)
class Bank:
    """A memory that buffers may lie in: bytes, and the cost of touching one. title: for people; setup: what a program
    must do before it uses the memory."""

    name: str
    size: int
    cost: float
    title: str = ""
    setup: str = ""


@dataclass(frozen=True)
class Banks:
    """The memories of a plan. constants: cost per byte where constants are; arena: in the usual single region."""

    banks: tuple[Bank, ...]
    constants: float
    arena: float

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(Region(bank.name, bank.size) for bank in self.banks)


@dataclass(frozen=True)
class Copy:
    """Bytes that move: begun before the kernels of step ``begin``, done before those of step ``end``.

    source: a buffer by name, or a constant; target: a buffer. Kept constants are copied before everything, at -1; a
    step behind the last is the end of the inference.
    """

    kind: CopyKind
    source: str | ConstantKey
    target: str
    bytes: int
    begin: int
    end: int


@dataclass(frozen=True)
class Spread:
    """What lies in which memory.

    banks: those that hold something. problem: all buffers, with their regions; offsets: a plan of it that fits.
    pieces: the buffers of each tensor in which kernels find it, in the order of time; rest: where a state that is
    moved for its use lies between inferences; between: where other tensors are while they are away.
    constants: the buffers of constants that are copied.
    cost: of the accesses of one inference; arena_cost: with all buffers in the usual region and no copies.
    proven: no cheaper placement of this kind exists.
    """

    banks: tuple[Bank, ...]
    problem: Problem
    offsets: Mapping[str, int]
    pieces: Mapping[str, tuple[Buffer, ...]]
    rest: Mapping[str, Buffer]
    between: Mapping[str, Buffer]
    constants: Mapping[ConstantKey, Buffer]
    copies: tuple[Copy, ...]
    cost: float
    arena_cost: float
    proven: bool


@dataclass(frozen=True)
class _Way:
    """An option: the buffers that kernels use, where the contents are between, and the copies it takes."""

    cost: float
    used: tuple[Buffer, ...] = ()
    between: Buffer | None = None
    copies: tuple[Copy, ...] = ()

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return self.used if self.between is None else (*self.used, self.between)


@dataclass(frozen=True)
class _Holding:
    """A buffer or a constant with the ways to hold it. usual: its cost in the arena or in flash."""

    what: str | ConstantKey
    ways: tuple[_Way, ...]
    usual: float

    @property
    def name(self) -> str:
        return self.what if isinstance(self.what, str) else constant_name(self.what)

    @property
    def item(self) -> Item:
        return Item(self.name, tuple(Option(way.cost, way.buffers) for way in self.ways))


def constant_name(key: ConstantKey) -> str:
    """What the copy of a constant is called among the buffers."""
    step, call, role = key
    return f"{role} of step {step}" + (f", call {call}" if call else "")


def spread(
    program: Program, problem: Problem, traffic: Traffic, banks: Banks, kept: Collection[str]
) -> Spread:
    """Places the buffers of a program's problem (tensors, states, working memory) and the constants worth it.

    traffic: with the buffers of the problem. kept: outputs and states, which matter after an inference.
    Raises DoesNotFitError.
    """
    holdings = (
        *_buffer_holdings(program, problem, _touches(problem, traffic), banks, kept),
        *_constant_holdings(program, traffic, banks),
    )
    placed = place([h.item for h in holdings], banks.regions, problem.overlaps)
    ways = {h.what: h.ways[placed.chosen[h.name]] for h in holdings}
    draft = _Draft(
        _problem(banks, problem, [b for way in ways.values() for b in way.buffers]),
        placed.offsets,
        tuple(copy for way in ways.values() for copy in way.copies),
    )
    final = _begun_early(program, draft)
    buffers = {b.name: b for b in final.problem.buffers}
    used = {what: tuple(buffers[b.name] for b in way.used) for what, way in ways.items()}
    states = {variable.name for variable in program.graph.variables()}
    between = {
        what: way.between for what, way in ways.items() if isinstance(what, str) and way.between is not None
    }
    unmoved = banks.constants * sum(n for key, n in traffic.constants.items() if key not in ways)
    return Spread(
        banks=tuple(bank for bank in banks.banks if bank.name in {r.name for r in final.problem.regions}),
        problem=final.problem,
        offsets=final.offsets,
        pieces={what: pieces for what, pieces in used.items() if isinstance(what, str)},
        rest={name: b for name, b in between.items() if name in states},
        between={name: b for name, b in between.items() if name not in states},
        constants={what: ps[0] for what, ps in used.items() if not isinstance(what, str) and ps},
        copies=tuple(sorted(final.copies, key=lambda copy: (copy.begin, copy.end, copy.target))),
        cost=placed.cost + unmoved,
        arena_cost=sum(h.usual for h in holdings) + unmoved,
        proven=placed.proven,
    )


def _problem(banks: Banks, problem: Problem, buffers: list[Buffer]) -> Problem:
    """The buffers with the overlaps that still concern them, and the regions that hold any."""
    names, used = {b.name for b in buffers}, {b.region for b in buffers}
    overlaps = tuple(o for o in problem.overlaps if o.a in names and o.b in names)
    regions = tuple(r for r in banks.regions if r.name in used)
    return Problem(tuple(buffers), overlaps, regions or banks.regions[:1])


# ---- tensors, states and working memory


def _touches(problem: Problem, traffic: Traffic) -> dict[str, dict[int, int]]:
    """Bytes touched by buffer and step, every step of use included."""
    touched: dict[str, dict[int, int]] = {b.name: {} for b in problem.buffers}
    for (step, name), count in traffic.buffers.items():
        if name in touched:
            touched[name][step] = count
    return touched


def _buffer_holdings(
    program: Program,
    problem: Problem,
    touches: Mapping[str, Mapping[int, int]],
    banks: Banks,
    kept: Collection[str],
) -> Iterator[_Holding]:
    states = {variable.name for variable in program.graph.variables()}
    for buffer in problem.buffers:
        touched = touches[buffer.name]
        ways = [_whole(buffer, bank, touched) for bank in banks.banks]
        for fast, slow in permutations(banks.banks, 2):
            if buffer.name in states:
                ways += _moved_state(buffer, touched, fast, slow)
            elif buffer.name not in kept:
                ways += _spilled(buffer, touched, fast, slow)
        yield _Holding(buffer.name, tuple(ways), banks.arena * sum(touched.values()))


def _whole(buffer: Buffer, bank: Bank, touched: Mapping[int, int]) -> _Way:
    return _Way(bank.cost * sum(touched.values()), (replace(buffer, region=bank.name),))


def _spilled(buffer: Buffer, touched: Mapping[int, int], fast: Bank, slow: Bank) -> Iterator[_Way]:
    """The tensor away in slow memory during the longest time without use, if that is long enough."""
    gaps = [(b - a, a, b) for a, b in pairwise(sorted(touched)) if b - a >= _LEAST_GAP]
    if not gaps:
        return
    _, last, again = max(gaps)
    head = replace(buffer, name=f"{buffer.name} until step {last}", upper=last + 1, region=fast.name)
    tail = replace(buffer, name=f"{buffer.name} from step {again}", lower=again, region=fast.name)
    # The copies lie between two steps; in both the bytes away from the kernels are nobody else's.
    away = replace(buffer, name=f"{buffer.name} between", lower=last, upper=again + 1, region=slow.name)
    copies = (
        Copy("spill", head.name, away.name, buffer.size, last + 1, last + 1),
        Copy("restore", away.name, tail.name, buffer.size, again, again),
    )
    cost = fast.cost * sum(touched.values()) + 2 * _copy_cost(buffer.size, fast.cost, slow.cost)
    yield _Way(cost, (head, tail), away, copies)


def _moved_state(buffer: Buffer, touched: Mapping[int, int], fast: Bank, slow: Bank) -> Iterator[_Way]:
    """The state in slow memory, and in fast memory from its first to its last use."""
    if not touched or fast.cost >= slow.cost:
        return
    first, last = min(touched), max(touched)
    work = replace(buffer, name=f"{buffer.name} in use", lower=first, upper=last + 1, region=fast.name)
    rest = replace(buffer, name=f"{buffer.name} at rest", region=slow.name)
    copies = (
        Copy("restore", rest.name, work.name, buffer.size, first, first),
        Copy("spill", work.name, rest.name, buffer.size, last + 1, last + 1),
    )
    cost = fast.cost * sum(touched.values()) + 2 * _copy_cost(buffer.size, fast.cost, slow.cost)
    yield _Way(cost, (work,), rest, copies)


def _copy_cost(size: int, source: float, target: float) -> float:
    return size * (source + target) + _COPY


# ---- constants


def _constant_holdings(program: Program, traffic: Traffic, banks: Banks) -> Iterator[_Holding]:
    """The constants that some memory would make cheaper, by more than a copy's call."""
    for t, step in enumerate(program.steps):
        keys = constant_keys(t, step)
        for k, call in enumerate(step.calls):
            for constant in call.constants:
                key = keys[k, constant.role]
                if key[1] != k:
                    continue
                usual = banks.constants * traffic.constants[key]
                ways = [
                    way
                    for bank in banks.banks
                    for way in _copied(key, constant, traffic.constants[key], bank, banks, len(program.steps))
                    if way.cost < usual - _COPY
                ]
                if ways:
                    yield _Holding(key, (*ways, _Way(usual)), usual)


def _copied(
    key: ConstantKey, constant: Constant, touched: int, bank: Bank, banks: Banks, steps: int
) -> Iterator[_Way]:
    """The constant copied once and for all, or for each use."""
    step, size = key[0], constant.data.nbytes
    if touched >= _HOT * size:
        kept = Buffer(f"{constant_name(key)}, kept", size, 0, steps, region=bank.name)
        yield _Way(bank.cost * touched, (kept,), None, (Copy("keep", key, kept.name, size, -1, -1),))
    staged = Buffer(f"{constant_name(key)}, staged", size, step, step + 1, region=bank.name)
    cost = bank.cost * touched + _copy_cost(size, banks.constants, bank.cost)
    yield _Way(cost, (staged,), None, (Copy("stage", key, staged.name, size, step, step),))


# ---- early copies


@dataclass(frozen=True)
class _Draft:
    problem: Problem
    offsets: Mapping[str, int]
    copies: tuple[Copy, ...]


def _begun_early(program: Program, draft: _Draft) -> _Draft:
    """Staged copies begun a step earlier, one after the other, as long as everything still fits."""
    working = [t for t, step in enumerate(program.steps) if step.calls]
    for copy in draft.copies:
        before = [t for t in working if t < copy.begin]
        if copy.kind == "stage" and before:
            draft = _earlier(draft, copy, before[-1]) or draft
    return draft


def _earlier(draft: _Draft, copy: Copy, step: int) -> _Draft | None:
    """The draft with a copy begun before the kernels of a step, if its region has room for that."""
    buffers = tuple(replace(b, lower=step) if b.name == copy.target else b for b in draft.problem.buffers)
    problem = replace(draft.problem, buffers=buffers)
    region = next(r for b in buffers if b.name == copy.target for r in problem.regions if r.name == b.region)
    offsets = repack(problem, region)
    if offsets is None:
        return None
    copies = tuple(replace(c, begin=step) if c == copy else c for c in draft.copies)
    return _Draft(problem, {**draft.offsets, **offsets}, copies)
