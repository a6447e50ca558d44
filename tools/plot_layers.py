"""Draws the instructions of every layer, native kernels against CMSIS-NN, of the MLPerf Tiny models.

    CMSIS_NN_ROOT=... python tools/plot_layers.py [--board BOARD] [--out FOLDER]

Writes docs/layers-CORE.svg for the Cortex-M4 and the Cortex-M55 unless told otherwise. The models come from the
folder MCUGEN_ZOO (default ../shared/models). The same measurements give the same file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from mcugen.bench import BenchJob, BenchResult, bench_all
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, compile_for, load_quantized

ROOT = Path(__file__).resolve().parents[1]
ZOO = Path(os.environ.get("MCUGEN_ZOO") or ROOT.parent / "shared" / "models")
MODELS = ("vww_96_int8", "ic_resnet8_int8", "kws_ref_int8", "ad01_int8")
BOARDS = ("mps2-an386", "mps3-an547")

# Sizes in pixels.
ROW, BAR = 17, 6
LABEL, PLOT, FIGURE = 200, 300, 70
PANEL = LABEL + PLOT + FIGURE
HEAD, FOOT, GAP = 34, 14, 30
TITLE = 56
TICKS = 4
FONT = "font-family='Helvetica, Arial, sans-serif'"


@dataclass(frozen=True)
class Layer:
    label: str
    native: int
    library: int


@dataclass(frozen=True)
class Panel:
    """One model. native, library: instructions of a whole inference."""

    model: str
    native: int
    library: int
    layers: tuple[Layer, ...]

    @property
    def height(self) -> int:
        return HEAD + ROW * len(self.layers) + FOOT


def panels(board_name: str, jobs: int) -> list[Panel]:
    """Measures all models with both kinds of kernels."""
    paths = [ZOO / "mlperf_tiny" / f"{name}.tflite" for name in MODELS]
    work = [
        BenchJob(path, board_name, CompileOptions(kernels=kernels))
        for path in paths
        for kernels in ("native", "cmsis-nn")
    ]
    results = bench_all(work, jobs)
    return [
        _panel(labels(path, board_name), native, library)
        for path, native, library in zip(paths, results[::2], results[1::2], strict=True)
    ]


def labels(path: Path, board_name: str) -> list[str]:
    """Operator and shape of each layer."""
    compiled = compile_for(
        load_quantized(path, CompileOptions()), path.name, load_board(board_name), CompileOptions()
    )
    return [_label(s.kind, s.calls[0].label) for s in compiled.program.steps if s.calls]


def _label(kind: str, shape: str) -> str:
    """For example "DepthwiseConv 3x3, 25x5x64"; windows are named by kernel and output."""
    parts = shape.replace("_to_", "_").split("_")
    text = f"{parts[0]}, {parts[-1]}" if len(parts) == 3 else " to ".join(parts)
    return f"{kind.replace('2D', '')} {text}"


def _panel(names: Sequence[str], native: BenchResult, library: BenchResult) -> Panel:
    rows = zip(names, native.layers, library.layers, strict=True)
    layers = tuple(Layer(name, a.instructions, b.instructions) for name, a, b in rows)
    return Panel(native.model, native.instructions, library.instructions, layers)


# ---- drawing -------------------------------------------------------------------------------------------


def text(x: float, y: float, content: str, size: int = 11, extra: str = "") -> str:
    return f"<text x='{x:g}' y='{y:g}' font-size='{size}' {extra}>{escape(content)}</text>"


def bar(x: float, y: float, width: float, fill: str) -> str:
    return f"<rect x='{x:g}' y='{y:g}' width='{max(width, 0.5):.1f}' height='{BAR}' fill='{fill}' stroke='#000'/>"


def nice_step(largest: float) -> float:
    """1, 2 or 5 times a power of ten, for about TICKS steps up to ``largest``."""
    power = 10 ** (len(str(int(largest / TICKS))) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power * TICKS >= largest)


def thousands(value: float) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value else "0"


def draw_panel(panel: Panel, x: float, y: float) -> Iterable[str]:
    largest = max(max(layer.native, layer.library) for layer in panel.layers)
    step = nice_step(largest)
    scale = PLOT / largest
    left, top, bottom = x + LABEL, y + HEAD, y + panel.height - FOOT
    ratio = panel.library / panel.native
    yield text(x, y + 12, panel.model, 13, "font-weight='bold'")
    summary = f"{panel.native:,} instructions, CMSIS-NN {panel.library:,} ({ratio:.2f} times)"
    yield text(left, y + 12, summary)
    value = 0.0
    while value <= largest:
        at = left + value * scale
        yield f"<path d='M{at:.1f} {top - 4} V{bottom}' stroke='#bbb'/>"
        yield text(at, top - 7, thousands(value), 9, "text-anchor='middle'")
        value += step
    for i, layer in enumerate(panel.layers):
        middle = top + ROW * i + ROW / 2
        yield text(left - 6, middle + 4, layer.label, 10, "text-anchor='end'")
        yield bar(left, middle - BAR - 0.5, layer.native * scale, "#000")
        yield bar(left, middle + 0.5, layer.library * scale, "#fff")
        longest = left + max(layer.native, layer.library) * scale
        yield text(longest + 5, middle + 4, f"{layer.library / max(layer.native, 1):.1f}x", 9)


def svg(core: str, found: Sequence[Panel]) -> str:
    """Two columns of panels: every panel goes where there is room first."""
    places, heights = [], [0, 0]
    for panel in found:
        column = heights.index(min(heights))
        places.append((column * (PANEL + GAP) + GAP, TITLE + heights[column]))
        heights[column] += panel.height + GAP
    width, height = 2 * (PANEL + GAP) + GAP, TITLE + max(heights)
    size = f"width='{width}' height='{height}'"
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} viewBox='0 0 {width} {height}' {FONT}>",
        f"<title>Instructions per layer on the {core}</title>",
        f"<rect {size} fill='#fff'/>",
        text(
            GAP,
            26,
            f"Instructions per layer, {core.replace('cortex-m', 'Cortex-M')}",
            16,
            "font-weight='bold'",
        ),
        bar(GAP + LABEL + 190, 17, 24, "#000"),
        text(GAP + LABEL + 220, 25, "mcugen, native kernels"),
        bar(GAP + LABEL + 370, 17, 24, "#fff"),
        text(GAP + LABEL + 400, 25, "same model and emission, CMSIS-NN"),
        text(
            GAP + LABEL + 610, 25, "at the end of the bars: how many times the instructions of native kernels"
        ),
    ]
    for panel, (x, y) in zip(found, places, strict=True):
        parts += draw_panel(panel, x, y)
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--board", action="append", help=f"default {', '.join(BOARDS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if not os.environ.get("CMSIS_NN_ROOT"):
        sys.exit("set CMSIS_NN_ROOT to a checkout of CMSIS-NN")
    if not (ZOO / "mlperf_tiny").is_dir():
        sys.exit("the model zoo is not here: set MCUGEN_ZOO")
    for name in arguments.board or BOARDS:
        core = load_board(name).core
        path = arguments.out / f"layers-{core}.svg"
        path.write_text(svg(core, panels(name, arguments.jobs)), encoding="utf-8")
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
