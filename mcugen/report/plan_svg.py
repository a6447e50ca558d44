"""The memory plan as a drawing: x is the step, y the offset, one rectangle per buffer.

Kinds differ by pattern as well as by colour, so that it reads in black and white. Every rectangle has a title for
hovering, and a label where one fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from mcugen.emit.render import render
from mcugen.report.plan import KINDS, PlanView, RegionPeak, Row, Shared

_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 150, 84, 150
_HEIGHT = 460
_NAME = 18
_WIDTH = 1000
_LEAST_STEP, _MOST_STEP = 26, 120
_LEAST_WIDTH = 760
_CHARACTER, _LINE = 6.5, 14.0
_MOST_TICKS = 8
_LABEL_CHARACTERS = 20


@dataclass(frozen=True)
class _Chart:
    """The axes of one region's chart in pixels. top: y of the region's peak."""

    region: RegionPeak
    steps: int
    step_width: float
    top: float

    @property
    def bottom(self) -> float:
        return self.top + _HEIGHT

    @property
    def right(self) -> float:
        return self.x(self.steps)

    def x(self, step: float) -> float:
        return _LEFT + step * self.step_width

    def y(self, offset: float) -> float:
        return self.bottom - _HEIGHT * offset / max(self.region.peak, 1)


def plan_svg(view: PlanView, *, heading: bool = True) -> str:
    """The drawing as an SVG file: one chart per region, a legend, and a heading if wanted."""
    steps = max(len(view.steps), 1)
    step_width = min(max(_WIDTH / steps, _LEAST_STEP), _MOST_STEP)
    several = len(view.regions) > 1 or view.costs is not None
    top = _TOP + (_NAME if several else 0)
    charts = [
        _Chart(region, steps, step_width, top + i * (_HEIGHT + _BOTTOM + 30))
        for i, region in enumerate(view.regions)
    ]
    used = [kind for kind in KINDS if any(row.kind == kind for row in view.rows)]
    bottom = charts[-1].bottom if charts else _TOP
    context = {
        "width": _number(max(_LEFT + steps * step_width + _RIGHT, _LEAST_WIDTH)),
        "height": _number(bottom + _BOTTOM),
        "title": safe(f"Memory plan of {view.model} for {view.board}"),
        "heading": heading,
        "legend": _legend(used, bool(view.shared)),
        "charts": [_chart(view, c, several=several) for c in charts],
    }
    return render("plan.svg.j2", context)


def safe(text: str) -> str:
    """Text for XML: escaped, without control characters."""
    return escape("".join(c if c.isprintable() or c == "\n" else "?" for c in text))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _legend(used: list[Any], with_shared: bool) -> list[dict[str, str]]:
    entries = [(kind, str(kind)) for kind in used]
    if with_shared:
        entries.append(("shared", "bytes shared by two buffers"))
    places, x = [], float(_LEFT)
    for kind, text in entries:
        places.append({"kind": kind, "text": text, "x": _number(x), "text_x": _number(x + 28)})
        x += 28 + _CHARACTER * len(text) + 26
    return places


def _chart(view: PlanView, chart: _Chart, several: bool) -> dict[str, Any]:
    name = chart.region.name
    rows = [row for row in view.rows if row.region == name]
    shared = [s for s in view.shared if s.region == name]
    return {
        "name": safe(f"region {name}") if several else "",
        "top": _number(chart.top),
        "bottom": _number(chart.bottom),
        "left": _number(_LEFT),
        "right": _number(chart.right),
        "name_y": _number(chart.top - 24),
        "ticks": list(_ticks(chart)),
        "steps": [_step(view, chart, t) for t in range(len(view.steps))],
        "peak": _peak(view, chart),
        "buffers": [_buffer(view, chart, row, shared) for row in rows],
        "shared": [_shared(chart, s) for s in shared],
        "lines": _lines(chart),
    }


def _ticks(chart: _Chart) -> Iterator[dict[str, str]]:
    """Marks of the offset axis, at powers of two and their multiples."""
    unit = 1
    while unit * _MOST_TICKS < chart.region.peak:
        unit *= 2
    for value in range(0, chart.region.peak + 1, unit):
        y = chart.y(value)
        text = f"{value // 1024} KiB" if unit >= 1024 else f"{value:,}"
        yield {"y": _number(y), "text_y": _number(y + 4), "text": text, "text_x": _number(_LEFT - 10)}


def _step(view: PlanView, chart: _Chart, t: int) -> dict[str, str]:
    middle = chart.x(t + 0.5)
    return {
        "x": _number(chart.x(t)),
        "text_x": _number(middle + 4),
        "text_y": _number(chart.bottom + 8),
        "text": safe(_shortened(f"{view.kinds[t]} {t}")),
        "style": "tick strong" if t == view.peak_step else "tick",
        "title": safe(f"step {t}: {view.steps[t]}"),
    }


def _shortened(text: str) -> str:
    return text if len(text) <= _LABEL_CHARACTERS else text[: _LABEL_CHARACTERS - 1] + "…"


def _peak(view: PlanView, chart: _Chart) -> dict[str, str]:
    return {
        "x": _number(chart.x(view.peak_step)),
        "width": _number(chart.step_width),
        "height": _number(_HEIGHT),
        "text_x": _number(chart.x(view.peak_step + 0.5)),
        "text_y": _number(chart.top - 8),
    }


def _lines(chart: _Chart) -> list[dict[str, str]]:
    """The peak and the lower bound, with labels right of the chart that keep apart."""
    region = chart.region
    top, bound = chart.y(region.peak), chart.y(region.lower_bound)
    if region.peak == region.lower_bound:
        texts = [
            ("bound", bound, bound + 4, f"needed: {region.peak:,} B"),
            ("", 0.0, bound + 19, "= lower bound"),
        ]
    else:
        text_y = max(bound + 4, top + 4 + _LINE)
        texts = [
            ("top", top, top + 4, f"needed: {region.peak:,} B"),
            ("bound", bound, text_y, f"bound: {region.lower_bound:,} B"),
        ]
    return [
        {
            "kind": kind,
            "y": _number(y),
            "text": text,
            "text_y": _number(text_y),
            "text_x": _number(chart.right + 8),
        }
        for kind, y, text_y, text in texts
    ]


def _buffer(view: PlanView, chart: _Chart, row: Row, shared: list[Shared]) -> dict[str, Any]:
    x, width = chart.x(row.first), (row.last - row.first + 1) * chart.step_width
    y, height = chart.y(row.end), chart.y(row.offset) - chart.y(row.end)
    return {
        "kind": row.kind,
        "x": _number(x),
        "y": _number(y),
        "width": _number(width),
        "height": _number(max(height, 1.5)),
        "title": safe(_title(view, row)),
        "labels": _labels(chart, row, shared, y, height),
    }


def _title(view: PlanView, row: Row) -> str:
    lines = [
        f"{row.number}: {row.name}",
        f"{row.kind}, {row.size:,} bytes at {row.offset:,} to {row.end - 1:,}",
        f"from step {_step_text(view, row.first)}",
        f"to step {_step_text(view, row.last)}",
    ]
    return "\n".join(lines + [f"also {name}" for name in row.views])


def _step_text(view: PlanView, step: int) -> str:
    return f"{step}, {view.steps[step]}" if view.steps else str(step)


def _labels(chart: _Chart, row: Row, shared: list[Shared], y: float, height: float) -> list[dict[str, str]]:
    """The lines of a buffer's label: the longest form that fits, upright or along the offset axis, or nothing."""
    first, last = _own_steps(row, shared)
    x, width = chart.x(first), (last - first + 1) * chart.step_width
    name, size = f"{row.number} {_shortened(row.maker)}", f"{row.size:,} B"
    number = str(row.number)
    for lines in ((name, size), (name,), (number, size), (number,)):
        along = max(map(len, lines)) * _CHARACTER + 4
        across = len(lines) * _LINE - 1
        if along <= width and across <= height:
            return _text_lines(lines, x + width / 2, y + height / 2, turned=False)
        if along <= height and across <= width < height:
            return _text_lines(lines, x + width / 2, y + height / 2, turned=True)
    return []


def _own_steps(row: Row, shared: list[Shared]) -> tuple[int, int]:
    """First and last step of the longest time in which a buffer shares no bytes; of its life if there is none."""
    taken = {t for s in shared if row.number in (s.a, s.b) for t in range(s.first, s.last + 1)}
    runs: list[list[int]] = [[]]
    for t in range(row.first, row.last + 1):
        if t in taken:
            runs.append([])
        else:
            runs[-1].append(t)
    longest = max(runs, key=len)
    return (longest[0], longest[-1]) if longest else (row.first, row.last)


def _text_lines(lines: tuple[str, ...], x: float, y: float, *, turned: bool) -> list[dict[str, str]]:
    """Lines centred on a point, one below the other, or turned to the left."""
    found = []
    for i, text in enumerate(lines):
        shift = (i - (len(lines) - 1) / 2) * _LINE + 4
        at_x, at_y = (x + shift, y) if turned else (x, y + shift)
        turn = f"rotate(-90 {_number(at_x)} {_number(at_y)})" if turned else ""
        found.append({"x": _number(at_x), "y": _number(at_y), "text": safe(text), "turn": turn})
    return found


def _shared(chart: _Chart, shared: Shared) -> dict[str, str]:
    top = chart.y(shared.end)
    return {
        "x": _number(chart.x(shared.first)),
        "y": _number(top),
        "width": _number((shared.last - shared.first + 1) * chart.step_width),
        "height": _number(max(chart.y(shared.start) - top, 1.5)),
        "title": safe(f"{shared.a} and {shared.b} share {shared.bytes:,} bytes at {shared.start:,}"),
    }
