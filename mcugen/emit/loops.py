"""Repeated calls as loops: what is computed row by row is one call per row for the planner, and a loop in C."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

_LONGEST_BODY = 64
_WORTH_A_LOOP = 3


@dataclass(frozen=True)
class Call:
    """A call: calls with equal keys differ in nothing but these offsets."""

    key: Hashable
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Loop:
    """``count`` times the ``length`` calls from number ``start`` on; their offsets grow by ``steps`` each time."""

    start: int
    length: int
    count: int
    steps: tuple[tuple[int, ...], ...]


def roll(calls: Sequence[Call]) -> list[Loop]:
    """The calls in order as loops; a call that does not repeat is a loop that runs once."""
    loops = []
    at = 0
    while at < len(calls):
        lengths = range(1, min(_LONGEST_BODY, (len(calls) - at) // _WORTH_A_LOOP) + 1)
        found = [(length, _repetitions(calls, at, length)) for length in lengths]
        length, count = max(found, key=lambda f: (f[0] * (f[1] - 1), -f[0]), default=(1, 1))
        if count < _WORTH_A_LOOP:
            length, count = 1, 1
        loops.append(Loop(at, length, count, _steps(calls, at, length) if count > 1 else ((),)))
        at += length * count
    return loops


def _steps(calls: Sequence[Call], at: int, length: int) -> tuple[tuple[int, ...], ...]:
    return tuple(
        tuple(b - a for a, b in zip(calls[k].offsets, calls[k + length].offsets, strict=True))
        for k in range(at, at + length)
    )


def _repetitions(calls: Sequence[Call], at: int, length: int) -> int:
    """How often the calls from ``at`` on repeat, with offsets that grow evenly."""
    if any(calls[at + k].key != calls[at + length + k].key for k in range(length)):
        return 1
    steps = _steps(calls, at, length)
    count = 2
    while at + length * (count + 1) <= len(calls):
        last, this = at + length * (count - 1), at + length * count
        for k in range(length):
            grown = tuple(o + s for o, s in zip(calls[last + k].offsets, steps[k], strict=True))
            if calls[this + k] != Call(calls[at + k].key, grown):
                return count
        count += 1
    return count
