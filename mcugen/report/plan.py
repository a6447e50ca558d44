"""The memory plan of a compiled model: its buffers as rows, as a table for people, and as data for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Literal, TypeAlias

from rich.table import Table

from mcugen.compiled import Compiled
from mcugen.lowering import Program
from mcugen.memory import Buffer
from mcugen.memory.spread import Copy, CopyKind
from mcugen.memory.views import alias_roots
from mcugen.report.text import kib, plain_table

Kind: TypeAlias = Literal["input", "input window", "output", "activation", "state", "scratch", "constant"]
_MOST_CHARACTERS = 60
KINDS: tuple[Kind, ...] = (
    "input", "input window", "output", "activation", "state", "scratch", "constant",
)  # fmt: skip
COPIES: Mapping[CopyKind, str] = {
    "keep": "constant, once at the start",
    "stage": "constant, each time",
    "spill": "away",
    "restore": "back",
}


def span(first: int, last: int) -> str:
    """Steps as text."""
    return f"{first}-{last}" if last > first else str(first)


@dataclass(frozen=True)
class Row:
    """A buffer of the plan.

    number: its place in the table, from 1. maker: the operator that first writes it, or what it is.
    first, last: the steps it lives in, both included. views: other names of the same memory.
    """

    number: int
    name: str
    kind: Kind
    maker: str
    region: str
    size: int
    offset: int
    first: int
    last: int
    views: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + self.size

    @property
    def steps(self) -> str:
        return span(self.first, self.last)


@dataclass(frozen=True)
class Shared:
    """Bytes ``start`` to ``end`` of a region that two buffers, by number, both have in steps ``first`` to ``last``."""

    a: int
    b: int
    region: str
    start: int
    end: int
    first: int
    last: int

    @property
    def bytes(self) -> int:
        return self.end - self.start

    @property
    def steps(self) -> str:
        return span(self.first, self.last)


@dataclass(frozen=True)
class RegionPeak:
    """Bytes that a region needs, and that no plan of this order of operators could do without.

    capacity: bytes it may have; None for the arena.
    """

    name: str
    peak: int
    lower_bound: int
    capacity: int | None = None


@dataclass(frozen=True)
class CopyRow:
    """Bytes copied into buffer ``target``, begun before step ``begin`` and done before step ``end``; -1 is init.

    source: a buffer's name, or "flash".
    """

    kind: CopyKind
    source: str
    target: str
    bytes: int
    begin: int
    end: int


@dataclass(frozen=True)
class PlanView:
    """What there is to say about a plan. steps: the operators in order. outside: tensors in the caller's memory.

    costs: of a plan for several memories, the modelled cost of an inference's accesses, and what it would be with all
    buffers in the board's arena and no copies.
    """

    model: str
    board: str
    arena_bytes: int
    lower_bound: int
    method: str
    proven: bool
    peak_step: int
    steps: tuple[str, ...]
    kinds: tuple[str, ...]
    regions: tuple[RegionPeak, ...]
    rows: tuple[Row, ...]
    shared: tuple[Shared, ...]
    outside: tuple[str, ...]
    copies: tuple[CopyRow, ...] = ()
    costs: tuple[float, float] | None = None

    @property
    def gap(self) -> int:
        return self.arena_bytes - self.lower_bound

    @property
    def names_regions(self) -> bool:
        """Whether the region of a buffer is worth saying."""
        return len(self.regions) > 1 or self.costs is not None

    def at_peak(self) -> str:
        """The step with the most live bytes, as text."""
        return f"{self.peak_step}, {self.steps[self.peak_step]}" if self.steps else "0"


def plan_view(compiled: Compiled) -> PlanView:
    """The plan of a compiled model; rows by first step, then by offset."""
    memory, steps = compiled.memory, compiled.program.steps
    plan = memory.plan
    spread = memory.spread
    names = _names(compiled)
    found = [_row(compiled, buffer, names.get(buffer.name, [])) for buffer in memory.problem.buffers]
    found.sort(key=lambda row: (row.first, row.region, row.offset, row.name))
    rows = tuple(replace(row, number=i + 1) for i, row in enumerate(found))
    return PlanView(
        model=compiled.name,
        board=compiled.board.name,
        arena_bytes=plan.peak,
        lower_bound=plan.lower_bound,
        method=plan.method,
        proven=plan.proven,
        peak_step=memory.peak_step,
        steps=tuple(step.title for step in steps),
        kinds=tuple(step.kind for step in steps),
        regions=_regions(compiled),
        rows=rows,
        shared=tuple(s for a, b in combinations(rows, 2) if (s := _shared(a, b)) is not None),
        outside=tuple(f"{name} ({io})" for name, io in memory.external.items()),
        copies=() if spread is None else tuple(_copy(copy) for copy in spread.copies),
        costs=None if spread is None else (spread.cost, spread.arena_cost),
    )


def _names(compiled: Compiled) -> dict[str, list[str]]:
    """The tensors in each buffer."""
    spread = compiled.memory.spread
    buffers: dict[str, list[str]] = {}
    for name, root in alias_roots(compiled.graph).items():
        found = [root]
        if spread is not None:
            found = [b.name for b in spread.pieces.get(root, ())]
            found += [b.name for b in (spread.rest.get(root), spread.between.get(root)) if b is not None]
        for buffer in dict.fromkeys(found):
            buffers.setdefault(buffer, []).append(name)
    return buffers


def _regions(compiled: Compiled) -> tuple[RegionPeak, ...]:
    memory = compiled.memory
    capacities = {} if memory.spread is None else {bank.name: bank.size for bank in memory.spread.banks}
    return tuple(
        RegionPeak(name, peak, memory.plan.lower_bounds[name], capacities.get(name))
        for name, peak in memory.plan.peaks.items()
    )


def _copy(copy: Copy) -> CopyRow:
    source = copy.source if isinstance(copy.source, str) else "flash"
    return CopyRow(copy.kind, source, copy.target, copy.bytes, copy.begin, copy.end)


def _row(compiled: Compiled, buffer: Buffer, names: Sequence[str]) -> Row:
    """The row of a buffer that holds the tensors of these names; scratch holds none."""
    memory, steps = compiled.memory, compiled.program.steps
    spread = memory.spread
    is_constant = spread is not None and buffer in spread.constants.values()
    kind: Kind = "constant" if is_constant else _kind(compiled.program, names)
    made = kind in ("output", "activation") and steps
    return Row(
        number=0,
        name=buffer.name,
        kind=kind,
        maker=steps[buffer.lower].kind if made else kind,
        region=memory.problem.region_of(buffer),
        size=buffer.size,
        offset=memory.plan.offsets[buffer.name],
        first=buffer.lower,
        last=buffer.upper - 1,
        views=tuple(name for name in names if name != buffer.name),
    )


def _kind(program: Program, names: Sequence[str]) -> Kind:
    """What a buffer is for."""
    graph = program.graph
    if not names:
        return "scratch"
    if program.streamed in names:
        return "input window"
    if set(names) & set(graph.inputs):
        return "input"
    if set(names) & set(graph.outputs):
        return "output"
    return "state" if any(graph.tensors[name].variable for name in names) else "activation"


def _shared(a: Row, b: Row) -> Shared | None:
    start, end = max(a.offset, b.offset), min(a.end, b.end)
    first, last = max(a.first, b.first), min(a.last, b.last)
    if a.region != b.region or start >= end or first > last:
        return None
    return Shared(a.number, b.number, a.region, start, end, first, last)


def plan_facts(view: PlanView) -> list[tuple[str, str]]:
    """The figures of the arena as a whole, by name."""
    proof = "nothing smaller exists" if view.proven else "a smaller one may exist"
    facts = [
        ("arena" if view.costs is None else "regions", kib(view.arena_bytes)),
        ("lower bound", kib(view.lower_bound)),
        ("gap", f"{view.gap:,} B; {proof} for this order of operators ({view.method})"),
        ("peak", f"step {view.at_peak()}"),
    ]
    if view.names_regions:
        facts += [(f"region {r.name}", _region_text(r)) for r in view.regions]
    if view.costs is not None:
        facts.append(("access cost", _cost_text(*view.costs)))
    return facts + [("outside", text) for text in view.outside]


def _region_text(region: RegionPeak) -> str:
    text = f"{region.peak:,} B, lower bound {region.lower_bound:,} B"
    return text if region.capacity is None else f"{text}, room for {region.capacity:,} B"


def _cost_text(cost: float, arena: float) -> str:
    share = f", {100 * cost / arena:.0f} %" if arena else ""
    return (
        f"{cost:,.0f} modelled (bytes touched x cost of the memory); in the arena alone {arena:,.0f}{share}"
    )


def plan_summary(view: PlanView) -> list[str]:
    """The same as lines of text."""
    facts = plan_facts(view)
    width = max(len(name) for name, _ in facts)
    return [f"{view.model} for {view.board}", *(f"{name:{width}}  {value}" for name, value in facts)]


def plan_table(view: PlanView) -> Table:
    """One row per buffer; those live at the peak are marked."""
    several = view.names_regions
    columns = ["#", "buffer", "kind", "bytes", "offset", "end", "steps", "at peak"]
    table = plain_table(*columns, *(["region"] if several else []), right=(0, 3, 4, 5, 6))
    for row in view.rows:
        at_peak = "yes" if row.first <= view.peak_step <= row.last else ""
        table.add_row(
            str(row.number), _cell(row.name), row.kind, f"{row.size:,}", f"{row.offset:,}", f"{row.end:,}",
            row.steps, at_peak, *([row.region] if several else []),
        )  # fmt: skip
    return table


def _cell(name: str) -> str:
    """A name for the table: shortened, and so that rich does not take it for markup."""
    half = _MOST_CHARACTERS // 2
    short = name if len(name) <= _MOST_CHARACTERS else f"{name[:half]}…{name[-half:]}"
    return short.replace("[", "\\[")


def shared_table(view: PlanView) -> Table:
    """The bytes that two live buffers share because the kernel between them allows it."""
    table = plain_table("buffers", "shared bytes", "at", "steps", right=(1, 2, 3), title="overlaps used")
    for s in view.shared:
        table.add_row(f"{s.a} and {s.b}", f"{s.bytes:,}", f"{s.start:,}", s.steps)
    return table


def copies_table(view: PlanView) -> Table:
    """What is copied from one memory to another, and when."""
    table = plain_table(
        "copy", "from", "to", "bytes", "begun before", "done before", right=(3, 4, 5), title="copies"
    )
    for copy in view.copies:
        when = ("init", "init") if copy.begin < 0 else (f"step {copy.begin}", f"step {copy.end}")
        table.add_row(COPIES[copy.kind], _cell(copy.source), _cell(copy.target), f"{copy.bytes:,}", *when)
    return table


def plan_data(view: PlanView) -> dict[str, Any]:
    """The same for machines; steps count from 0, the last one is included."""
    return {
        "name": view.model,
        "board": view.board,
        "arena_bytes": view.arena_bytes,
        "lower_bound_bytes": view.lower_bound,
        "gap_bytes": view.gap,
        "proven": view.proven,
        "method": view.method,
        "peak_step": view.peak_step,
        "steps": list(view.steps),
        "regions": [asdict(region) for region in view.regions],
        "buffers": [asdict(row) for row in view.rows],
        "overlaps": [asdict(s) for s in view.shared],
        "outside": list(view.outside),
        "copies": [asdict(copy) for copy in view.copies],
        "access_cost": None if view.costs is None else view.costs[0],
        "arena_access_cost": None if view.costs is None else view.costs[1],
    }
