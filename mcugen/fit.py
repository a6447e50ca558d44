"""The fastest program that fits a limit of RAM, or why none does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcugen.errors import DoesNotFitError
from mcugen.lowering import Program
from mcugen.memory.liveness import MemoryPlan
from mcugen.passes import Saving
from mcugen.rows.select import TradeOff

OPTION = "--max-ram"


@dataclass(frozen=True)
class Planned:
    """A program with its memory.

    effort: instructions, of what is known; 0 when nobody asked. savings: of the passes for this program alone.
    """

    program: Program
    memory: MemoryPlan
    effort: float = 0.0
    savings: tuple[Saving, ...] = ()

    @property
    def arena_bytes(self) -> int:
        return self.memory.arena_bytes


def fastest_within(limit: int, found: Sequence[Planned]) -> Planned | None:
    """The fastest of those that fit, the first of equals."""
    fitting = [planned for planned in found if planned.arena_bytes <= limit]
    return min(fitting, key=lambda planned: planned.effort, default=None)


def by_rows_within(limit: int, found: Sequence[TradeOff], plan: Callable[[Program], MemoryPlan]) -> Planned:
    """The fastest of several divisions of a program that fits; ``found``: the smallest first.

    Raises DoesNotFitError that says what the smallest one needs and where.
    """
    smallest = found[0]
    for way in sorted((way for way in found if way.arena <= limit), key=lambda way: way.effort):
        planned = Planned(way.program, plan(way.program), way.effort)
        if planned.arena_bytes <= limit:
            return planned
    # Planned with more patience it may take less than the search found.
    planned = Planned(smallest.program, plan(smallest.program), smallest.effort)
    if planned.arena_bytes <= limit:
        return planned
    raise _does_not_fit(limit, planned, smallest)


def _does_not_fit(limit: int, planned: Planned, smallest: TradeOff) -> DoesNotFitError:
    step = planned.program.steps[smallest.fullest]
    return DoesNotFitError(
        f"the smallest arena found is {planned.arena_bytes:,} bytes, {OPTION} allows {limit:,}; "
        f"layer {step.title} holds it, with {min(smallest.need, planned.arena_bytes):,} bytes for itself; "
        f"its largest buffers:\n"
        + "\n".join(buffer_lines(planned.program, planned.memory, smallest.fullest)),
        hint=f"{OPTION} {planned.arena_bytes}, or a smaller model or input",
    )


def trade_note(limit: int, taken: Planned, usual: Planned) -> str:
    """What was given for fitting the limit: the level, what runs by rows, and instructions against the usual."""
    program = taken.program
    text = f"{OPTION} {limit:,}: {taken.arena_bytes:,} bytes at --optimize {program.optimize}"
    if by_rows := operators_by_rows(program):
        text += f", {by_rows} of {len(program.graph.ops)} operators computed row by row"
    if usual.program is not program and usual.effort > 0:
        change = 100 * (taken.effort / usual.effort - 1)
        text += (
            f", about {abs(change):.0f} % {'more' if change >= 0 else 'fewer'} instructions than "
            f"--optimize {usual.program.optimize} with {usual.arena_bytes:,} bytes (estimated)"
        )
    return text


def operators_by_rows(program: Program) -> int:
    """How many operators are computed a few rows at a time."""
    return sum(len(step.ops) for step in program.steps if step.accesses is not None)


def buffer_lines(program: Program, memory: MemoryPlan, step: int, count: int = 5) -> list[str]:
    """The largest buffers live at a step, as text."""
    tensors = program.graph.tensors
    return [
        f"  {b.size:>9,} bytes  {tensors[b.name] if b.name in tensors else b.name}"
        for b in memory.live_at(step)[:count]
    ]
