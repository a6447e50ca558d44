"""Where the labels of a plan's drawing go: into bytes that a buffer has for itself, and never over each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcugen.report.plan import Row, Shared

CHARACTER, LINE = 6.5, 14.0
"""Width of a character and height of a line in pixels."""

_MARGIN = 2.0


@dataclass(frozen=True)
class Area:
    """Steps ``first`` to ``last`` and bytes ``start`` to ``end`` of a region; ``last`` and ``end`` are excluded."""

    first: int
    last: int
    start: int
    end: int


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def meets(self, other: Box) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


@dataclass(frozen=True)
class Label:
    """Lines of text around the centre of a box that they need. turned: to the left by 90 degrees."""

    lines: tuple[str, ...]
    box: Box
    turned: bool


def own_areas(row: Row, shared: Sequence[Shared]) -> list[Area]:
    """The largest areas of a buffer in which it shares nothing, the largest first."""
    cuts = {row.first, row.last + 1}
    for s in shared:
        cuts |= {s.first, s.last + 1}
    steps = sorted(cuts)
    found = [
        Area(first, last, start, end)
        for i, first in enumerate(steps)
        for last in steps[i + 1 :]
        for start, end in _gaps(row, [s for s in shared if s.first < last and first <= s.last])
    ]
    return sorted(found, key=lambda a: (-(a.last - a.first) * (a.end - a.start), a.first, a.start))


def _gaps(row: Row, shared: Sequence[Shared]) -> Iterator[tuple[int, int]]:
    """The bytes of a buffer that are in none of the shared areas."""
    position = row.offset
    for s in sorted(shared, key=lambda s: s.start):
        if s.start > position:
            yield position, s.start
        position = max(position, s.end)
    if position < row.end:
        yield position, row.end


def other_areas(row: Row, shared: Sequence[Shared]) -> list[Area]:
    """All of a buffer, then what it has in common with others: for buffers that have too little for themselves."""
    parts = [Area(s.first, s.last + 1, s.start, s.end) for s in shared]
    return [Area(row.first, row.last + 1, row.offset, row.end), *parts]


def fitted(texts: Sequence[tuple[str, ...]], boxes: Sequence[Box], placed: Sequence[Box]) -> Label | None:
    """The first of several texts that fits into a box, upright or turned, and meets no label placed before."""
    for lines in texts:
        along = max(map(len, lines)) * CHARACTER + 2 * _MARGIN
        across = len(lines) * LINE - 1
        for box in boxes:
            for turned in (False, True):
                width, height = (across, along) if turned else (along, across)
                if width > box.width or height > box.height or (turned and box.height <= box.width):
                    continue
                x, y = box.centre
                need = Box(x - width / 2, y - height / 2, width, height)
                if not any(need.meets(other) for other in placed):
                    return Label(lines, need, turned)
    return None
