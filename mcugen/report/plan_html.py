"""The memory plan as a page: the drawing, the figures, and the table of buffers; nothing is loaded from elsewhere."""

from __future__ import annotations

from mcugen.compiled import GENERATOR
from mcugen.emit.render import render
from mcugen.report.plan import COPIES, CopyRow, PlanView, Row, Shared, plan_facts
from mcugen.report.plan_svg import plan_svg, safe


def plan_html(view: PlanView) -> str:
    """The page as an HTML file."""
    context = {
        "generator": GENERATOR,
        "title": safe(f"Memory plan of {view.model} for {view.board}"),
        "facts": [{"name": name, "value": safe(value)} for name, value in plan_facts(view)],
        "drawing": plan_svg(view, heading=False),
        "rows": [_row(view, row) for row in view.rows],
        "shared": [_shared(s) for s in view.shared],
        "copies": [_copy(copy) for copy in view.copies],
        "several_regions": view.names_regions,
    }
    return render("plan.html.j2", context)


def _row(view: PlanView, row: Row) -> dict[str, object]:
    return {
        "number": row.number,
        "name": _breakable(safe(row.name)),
        "kind": row.kind,
        "size": f"{row.size:,}",
        "offset": f"{row.offset:,}",
        "end": f"{row.end:,}",
        "steps": row.steps,
        "region": safe(row.region),
        "at_peak": row.first <= view.peak_step <= row.last,
    }


def _breakable(name: str) -> str:
    """A long path as HTML that may go on in the next line after each of its parts."""
    return name.replace("/", "/<wbr>")


def _copy(copy: CopyRow) -> dict[str, str]:
    return {
        "kind": COPIES[copy.kind],
        "source": safe(copy.source),
        "target": safe(copy.target),
        "bytes": f"{copy.bytes:,}",
        "begin": "init" if copy.begin < 0 else f"step {copy.begin}",
        "end": "init" if copy.begin < 0 else f"step {copy.end}",
    }


def _shared(shared: Shared) -> dict[str, str]:
    return {
        "buffers": f"{shared.a} and {shared.b}",
        "bytes": f"{shared.bytes:,}",
        "start": f"{shared.start:,}",
        "steps": shared.steps,
    }
