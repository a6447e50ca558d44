"""`mcugen plan`: the table, the JSON, and the drawings, which load nothing and escape what a model file brings."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mcugen.report.plan import PlanView, RegionPeak, Row, Shared, plan_data, plan_facts
from mcugen.report.plan_html import plan_html
from mcugen.report.plan_labels import Area, Box, fitted, own_areas
from mcugen.report.plan_svg import plan_svg

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"
PLAN = ("plan", DIGITS / "digits.onnx", "--calibration", DIGITS / "calibration.npz")
SVG = "{http://www.w3.org/2000/svg}"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mcugen(tmp_path: Path) -> Run:
    """Runs the command line in an empty folder."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mcugen", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def row(number: int, kind: str, size: int, offset: int, first: int, last: int, name: str = "") -> Row:
    return Row(number, name or f"buffer{number}", kind, "Conv2D", "arena", size, offset, first, last)  # type: ignore[arg-type]


def view() -> PlanView:
    """Every kind of buffer, an overlap, a gap, and names that are markup."""
    rows = (
        row(1, "state", 512, 0, 0, 3, "<script>alert(1)</script>"),
        row(2, "input", 4096, 512, 0, 0),
        row(3, "activation", 8192, 4608, 0, 1, 'a "quoted" & <b>bold</b>\x07'),
        row(4, "activation", 8192, 4096, 1, 2),
        row(5, "scratch", 1000, 12800, 2, 2),
        row(6, "output", 10, 512, 3, 3),
    )
    return PlanView(
        model="model",
        board="nrf52",
        arena_bytes=13808,
        lower_bound=13280,
        method="search",
        proven=False,
        peak_step=2,
        steps=("CONV #0 '<i>'", "ADD #1", "CONV #2", "SOFTMAX #3"),
        kinds=("Conv2D", "Add", "Conv2D", "Softmax"),
        regions=(RegionPeak("arena", 13808, 13280),),
        rows=rows,
        shared=(Shared(3, 4, "arena", 4608, 12288, 1, 1),),
        outside=(),
    )


def boxes(svg: str) -> list[tuple[str, dict[str, float]]]:
    """Class and geometry of the buffers' rectangles."""
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")
    rects = [g.find(f"{SVG}rect") for g in groups if g.get("class") == "buffer"]
    return [
        (r.attrib["class"], {k: float(r.attrib[k]) for k in ("x", "y", "width", "height")})
        for r in rects
        if r is not None
    ]


def test_table(mcugen: Run) -> None:
    result = mcugen(*PLAN)
    assert result.returncode == 0, result.stderr
    for word in ("arena", "lower bound", "gap", "peak", "image", "scratch for", "at peak"):
        assert word in result.stdout


def test_json_is_a_plan(mcugen: Run) -> None:
    result = mcugen(*PLAN, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["arena_bytes"] == report["lower_bound_bytes"] + report["gap_bytes"]
    kinds = {b["kind"] for b in report["buffers"]}
    assert {"input", "output", "activation"} <= kinds
    assert max(b["offset"] + b["size"] for b in report["buffers"]) <= report["arena_bytes"]
    assert all(0 <= b["first"] <= b["last"] < len(report["steps"]) for b in report["buffers"])


def test_drawings_are_written_and_the_same_each_time(mcugen: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        result = mcugen(*PLAN, "-q", "--html", f"{name}.html", "--svg", f"{name}.svg")
        assert (result.returncode, result.stdout) == (0, "")
    for suffix in ("html", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    assert boxes((tmp_path / "one.svg").read_text(encoding="utf-8"))


def test_several_regions(mcugen: Run, tmp_path: Path) -> None:
    board = ("--board", "stm32f746g-disco", "--regions", "dtcm=2K,sram1")
    result = mcugen(*PLAN, *board, "--svg", "plan.svg", "--html", "plan.html")
    assert result.returncode == 0, result.stderr
    for word in ("region dtcm", "region sram1", "access cost", "copies", "constant"):
        assert word in result.stdout
    svg = (tmp_path / "plan.svg").read_text(encoding="utf-8")
    assert "region dtcm" in svg and "region sram1" in svg
    assert "begun before" in (tmp_path / "plan.html").read_text(encoding="utf-8")
    report = json.loads(mcugen(*PLAN, *board, "--json").stdout)
    assert {region["name"] for region in report["regions"]} == {"dtcm", "sram1"}
    assert all(region["peak"] <= region["capacity"] for region in report["regions"])
    assert report["access_cost"] < report["arena_access_cost"] and report["copies"]


def test_regions_that_are_not_there(mcugen: Run) -> None:
    result = mcugen(*PLAN, "--regions", "dtcm")
    assert result.returncode == 2
    assert "'dtcm' is not a memory of the board" in result.stderr and "nrf52 has ram" in result.stderr


def test_regions_that_are_too_small(mcugen: Run) -> None:
    result = mcugen(*PLAN, "--regions", "ram=100")
    assert result.returncode == 4 and "cannot be divided among the regions" in result.stderr


def test_io_outside(mcugen: Run) -> None:
    result = mcugen(*PLAN, "--io-memory", "caller", "--json")
    report = json.loads(result.stdout)
    assert len(report["outside"]) >= 2 and not any(b["kind"] == "input" for b in report["buffers"])


def test_too_large_for_the_board_shows_the_plan_and_fails(mcugen: Run, tmp_path: Path) -> None:
    board = (ROOT / "boards" / "microbit.toml").read_text()
    board = board.replace('name = "microbit"', 'name = "tiny"').replace('size = "16K"', 'size = "4K"')
    (tmp_path / "tiny.toml").write_text(board)
    result = mcugen(*PLAN, "--board", "tiny.toml", "--json")
    assert result.returncode == 4 and result.stderr.startswith("error: ")
    assert json.loads(result.stdout)["arena_bytes"] > 0


def test_cannot_write(mcugen: Run) -> None:
    result = mcugen(*PLAN, "--svg", "nowhere/plan.svg")
    assert result.returncode == 2 and "nowhere" in result.stderr and "Traceback" not in result.stderr


def test_geometry() -> None:
    """Rectangles are to scale: heights by bytes, widths by steps, offset 0 at the bottom."""
    found = boxes(plan_svg(view()))
    assert [kind for kind, _ in found] == [r.kind for r in view().rows]
    step = found[1][1]["width"]
    scale = found[2][1]["height"] / 8192
    bottom = found[0][1]["y"] + found[0][1]["height"]
    for (_, box), r in zip(found, view().rows, strict=True):
        assert box["width"] == pytest.approx(step * (r.last - r.first + 1), abs=0.2)
        assert box["height"] == pytest.approx(max(r.size * scale, 1.5), abs=0.2)
        assert box["y"] + r.size * scale == pytest.approx(bottom - r.offset * scale, abs=0.3)


def test_labels_lie_in_their_rectangles() -> None:
    svg = plan_svg(view())
    labels = [t for t in ElementTree.fromstring(svg).iter(f"{SVG}text") if t.get("class") == "label"]
    places = [(float(t.attrib["x"]), float(t.attrib["y"])) for t in labels]
    assert places
    for x, y in places:
        assert any(
            b["x"] <= x <= b["x"] + b["width"] and b["y"] <= y <= b["y"] + b["height"] for _, b in boxes(svg)
        )


def crowded() -> tuple[list[Row], list[Shared]]:
    """Buffers that each share bytes with the next one."""
    rows = [row(i + 1, "activation", 4000 - 700 * i, 100 * i, i, i + 1) for i in range(5)]
    shared = [
        Shared(a.number, b.number, "arena", b.offset, min(a.end, b.end), b.first, b.first)
        for a, b in itertools.pairwise(rows)
    ]
    return rows, shared


def test_own_areas_touch_no_shared_bytes() -> None:
    rows, shared = crowded()
    for r in rows:
        common = [s for s in shared if r.number in (s.a, s.b)]
        areas = own_areas(r, common)
        sizes = [(a.last - a.first) * (a.end - a.start) for a in areas]
        assert sizes == sorted(sizes, reverse=True) and min(sizes) > 0
        for a in areas:
            assert r.first <= a.first < a.last <= r.last + 1 and r.offset <= a.start < a.end <= r.end
            for s in common:
                assert a.last <= s.first or s.last < a.first or a.end <= s.start or s.end <= a.start
    assert own_areas(row(1, "activation", 64, 0, 0, 0), []) == [Area(0, 1, 0, 64)]
    assert own_areas(row(1, "activation", 64, 0, 0, 0), [Shared(1, 2, "arena", 0, 64, 0, 0)]) == []


def test_labels_never_meet() -> None:
    placed: list[Box] = []
    texts = [("12 Conv2D", "4,096 B"), ("12",)]
    boxes = [Box(0, 0, 80, 40), Box(50, 20, 40, 110)]
    labels = []
    while (label := fitted(texts, boxes, placed)) is not None:
        labels.append(label)
        placed.append(label.box)
    assert [(label.lines, label.turned) for label in labels] == [(texts[0], False), (texts[0], True)]
    assert not any(a.meets(b) for a, b in itertools.combinations(placed, 2))


@pytest.mark.parametrize("draw", [plan_svg, plan_html])
def test_names_are_escaped_and_nothing_is_loaded(draw: Callable[[PlanView], str]) -> None:
    text = draw(view())
    assert "<script" not in text and "<b>" not in text and "<i>" not in text and "\x07" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(?:src|href)=|@import|url\((?!#)", text)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_bound_and_overlap_are_drawn() -> None:
    svg = plan_svg(view())
    assert "bound: 13,280 B" in svg and "needed: 13,808 B" in svg
    assert "3 and 4 share 7,680 bytes" in svg and "bytes shared by two buffers" in svg
    assert "3 and 4" in plan_html(view())


def test_regions_have_a_chart_each() -> None:
    two = replace(
        view(),
        regions=(*view().regions, RegionPeak("fast", 256, 256)),
        rows=(*view().rows, replace(row(7, "activation", 256, 0, 0, 1), region="fast")),
    )
    svg = plan_svg(two)
    assert "region arena" in svg and "region fast" in svg and len(boxes(svg)) == 7
    heights = {t.text: float(t.attrib["y"]) for t in ElementTree.fromstring(svg).iter(f"{SVG}text")}
    assert heights["input"] + 12 < heights["region arena"] < heights["peak"] < heights["region fast"] + 20
    assert ("region fast", "256 B, lower bound 256 B") in plan_facts(two)


def test_plan_without_operators() -> None:
    empty = replace(view(), steps=(), kinds=(), rows=(), shared=(), regions=(), arena_bytes=0, lower_bound=0)
    ElementTree.fromstring(plan_svg(empty))
    assert plan_data(empty)["buffers"] == [] and plan_html(empty)
