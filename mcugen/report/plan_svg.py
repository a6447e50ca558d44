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
from mcugen.report.plan_labels import CHARACTER, LINE, Area, Box, Label, fitted, other_areas, own_areas

_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 150, 84, 150
_HEIGHT = 460
_NAME = 28  # for the name of a region above its chart
_WIDTH = 1000
_LEAST_STEP, _MOST_STEP = 26, 120
_LEAST_WIDTH = 760
_MOST_TICKS = 8
_APART = 4.0
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

    def box(self, area: Area) -> Box:
        x, y = self.x(area.first), self.y(area.end)
        return Box(x, y, self.x(area.last) - x, self.y(area.start) - y)


def plan_svg(view: PlanView, *, heading: bool = True) -> str:
    """The drawing as an SVG file: one chart per region, a legend, and a heading if wanted."""
    steps = max(len(view.steps), 1)
    step_width = min(max(_WIDTH / steps, _LEAST_STEP), _MOST_STEP)
    named = view.names_regions
    charts = [
        _Chart(region, steps, step_width, _TOP + named * _NAME + i * (_HEIGHT + _BOTTOM + _NAME))
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
        "charts": [_chart(view, chart, named=named) for chart in charts],
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
        x += 28 + CHARACTER * len(text) + 26
    return places


def _chart(view: PlanView, chart: _Chart, named: bool) -> dict[str, Any]:
    name = chart.region.name
    rows = [row for row in view.rows if row.region == name]
    shared = [s for s in view.shared if s.region == name]
    return {
        "name": safe(f"region {name}") if named else "",
        "top": _number(chart.top),
        "bottom": _number(chart.bottom),
        "left": _number(_LEFT),
        "right": _number(chart.right),
        "name_y": _number(chart.top - 24),
        "ticks": list(_ticks(chart)),
        "steps": [_step(view, chart, t) for t in range(len(view.steps))],
        "peak": _peak(view, chart),
        "buffers": [_buffer(view, chart, row) for row in rows],
        "labels": [line for label in _labels(chart, rows, shared).values() for line in _text_lines(label)],
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
    """The peak and the lower bound, with labels right of the chart that keep apart; one line where they would touch."""
    region = chart.region
    top, bound = chart.y(region.peak), chart.y(region.lower_bound)
    if region.peak == region.lower_bound:
        texts = [
            ("bound", bound, bound + 4, f"needed: {region.peak:,} B"),
            ("", 0.0, bound + 4 + LINE, "= lower bound"),
        ]
    else:
        text_y = max(bound + 4, top + 4 + LINE)
        texts = [
            ("top" if bound - top >= _APART else "", top, top + 4, f"needed: {region.peak:,} B"),
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


def _buffer(view: PlanView, chart: _Chart, row: Row) -> dict[str, str]:
    area = Area(row.first, row.last + 1, row.offset, row.end)
    return {"kind": row.kind, **_rectangle(chart.box(area)), "title": safe(_title(view, row))}


def _rectangle(box: Box) -> dict[str, str]:
    """At least so high that it can be seen."""
    return {
        "x": _number(box.x),
        "y": _number(box.y),
        "width": _number(box.width),
        "height": _number(max(box.height, 1.5)),
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


def _labels(chart: _Chart, rows: list[Row], shared: list[Shared]) -> dict[int, Label]:
    """The labels by number of buffer. Those come first that have bytes of their own for one."""
    found: dict[int, Label] = {}
    for areas in (own_areas, other_areas):
        for row in rows:
            if row.number not in found:
                common = [s for s in shared if row.number in (s.a, s.b)]
                boxes = [chart.box(area) for area in areas(row, common)]
                label = fitted(_texts(row), boxes, [other.box for other in found.values()])
                found |= {row.number: label} if label else {}
    return found


def _texts(row: Row) -> list[tuple[str, ...]]:
    """What a label may say, the longest first."""
    name, size, number = f"{row.number} {_shortened(row.maker)}", f"{row.size:,} B", str(row.number)
    return [(name, size), (name,), (number, size), (number,)]


def _text_lines(label: Label) -> list[dict[str, str]]:
    """Lines centred on a point, one below the other, or turned to the left."""
    x, y = label.box.centre
    found = []
    for i, text in enumerate(label.lines):
        shift = (i - (len(label.lines) - 1) / 2) * LINE + 4
        at_x, at_y = (x + shift, y) if label.turned else (x, y + shift)
        turn = f"rotate(-90 {_number(at_x)} {_number(at_y)})" if label.turned else ""
        found.append({"x": _number(at_x), "y": _number(at_y), "text": safe(text), "turn": turn})
    return found


def _shared(chart: _Chart, shared: Shared) -> dict[str, str]:
    box = chart.box(Area(shared.first, shared.last + 1, shared.start, shared.end))
    title = f"{shared.a} and {shared.b} share {shared.bytes:,} bytes at {shared.start:,}"
    return {**_rectangle(box), "title": safe(title)}
