"""Numbers and tables for people: rich renderables, nothing printed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

from mcugen.bench import BenchResult, modelled_columns
from mcugen.boards import Board, Memory
from mcugen.build import Built
from mcugen.compile import is_float_model
from mcugen.compiled import Compiled
from mcugen.explain import Explanation, Layer, Trade
from mcugen.ir import Graph, Op, Tensor
from mcugen.verify import Outcome


def thousands(value: float) -> str:
    return f"{value:,.0f}"


def kib(value: int) -> str:
    """Bytes, with KiB or MiB beside them from one KiB on."""
    if value < 1024:
        return f"{value:,} B"
    number, unit = (value / 1024, "KiB") if value < 1 << 20 else (value / (1 << 20), "MiB")
    return f"{value:,} B ({number:.1f} {unit})"


def plain_table(*headers: str, right: Iterable[int] = (), title: str | None = None) -> Table:
    """An empty table; the columns numbered in ``right`` are aligned right."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    numbers = set(right)
    for i, header in enumerate(headers):
        table.add_column(header, justify="right" if i in numbers else "left", overflow="fold")
    return table


def build_table(built: Built) -> Table:
    """Flash, RAM, fit, work and kernels of a build."""
    compiled, board = built.compiled, built.compiled.board
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in build_rows(built):
        table.add_row(name, value)
    table.title = f"{compiled.name} for {board.title}"
    table.title_justify = "left"
    return table


def build_rows(built: Built) -> list[tuple[str, str]]:
    compiled, board, foot = built.compiled, built.compiled.board, built.footprint
    rows = []
    if foot is not None:
        rows.append(("flash", f"code {kib(foot.code)}, weights {kib(foot.weights)}"))
    other = "" if foot is None else f", stack about {foot.stack:,} B"
    rows.append(("RAM", f"{_arena(compiled)}{other}{_other_ram(built)}"))
    rows += _spread_rows(compiled)
    if foot is not None:
        rows.append(("whole image", _fit(foot.image_flash, board.flash_bytes, "flash")))
        rows.append(("", _fit(foot.image_ram, board.ram_bytes, "RAM")))
    rows.append(("MACs", thousands(compiled.graph.macs())))
    rows.append(("RAM peak", _peak(compiled)))
    rows += [("rewrites" if i == 0 else "", line) for i, line in enumerate(savings_lines(compiled))]
    rows.append(("kernels", kernels_text(compiled)))
    rows += [
        (f"optimize {compiled.program.optimize}" if i == 0 else "", line)
        for i, line in enumerate(trade_lines(built.trades, compiled.program.optimize))
    ]
    return rows


def _arena(compiled: Compiled) -> str:
    """The arena, or what lies in each memory."""
    memory = compiled.memory
    if memory.spread is None:
        return f"arena {kib(memory.arena_bytes)}"
    return ", ".join(f"{name} {kib(peak)}" for name, peak in memory.plan.peaks.items())


def _spread_rows(compiled: Compiled) -> list[tuple[str, str]]:
    """What several memories gain, and what a program has to do for them."""
    spread = compiled.memory.spread
    if spread is None:
        return []
    kept = [copy.bytes for copy in spread.copies if copy.kind == "keep"]
    moved = [copy.bytes for copy in spread.copies if copy.kind != "keep"]
    gain = f"{100 * spread.cost / spread.arena_cost:.0f} %" if spread.arena_cost else "none"
    rows = [("access cost", f"{gain} of that in the single arena, modelled")]
    if spread.copies:
        rows.append(("copies", f"{sum(kept):,} B once at the start, {sum(moved):,} B in each inference"))
    return rows + [(f"set up {bank.name}", bank.setup) for bank in spread.banks if bank.setup]


def trade_lines(found: Sequence[Trade], level: str) -> list[str]:
    """What the level chosen takes, then what the others would."""
    own = [_trade(trade) for trade in found if trade.optimize == level]
    return own + [
        f"{trade.optimize} would take {_trade(trade)}" for trade in found if trade.optimize != level
    ]


def _trade(trade: Trade) -> str:
    expected = "" if trade.expected is None else f", about {_rough(trade.expected)} instructions"
    return f"{trade.functions} kernel functions, constants {kib(trade.constants)}{expected}"


def _rough(count: int) -> str:
    """Two or three digits of an estimate."""
    return f"{count / 1e6:.2f} M" if count >= 100_000 else f"{count / 1e3:.1f} k"


def savings_lines(compiled: Compiled) -> list[str]:
    """What each pass that took something out of the graph saved."""
    lines = []
    for saving in compiled.savings:
        figures = (
            (saving.macs, "MACs"),
            (saving.constant_bytes, "B of constants"),
            (saving.ops, "operators"),
            (saving.copied_bytes, "B copied"),
        )
        text = ", ".join(f"{-count:+,} {what}" for count, what in figures if count)
        if text and saving.name != "remove_dead":
            lines.append(f"{saving.name}: {text}")
    return lines


def _other_ram(built: Built) -> str:
    foot = built.footprint
    if foot is None:
        return ""
    other = foot.image_ram - built.compiled.memory.arena_bytes - built.compiled.board.layout.stack_bytes
    return f", other {max(other, 0):,} B"


def _fit(used: int, available: int, what: str) -> str:
    return f"{kib(used)} of {kib(available)} {what}, {100 * used / available:.0f} %"


def _peak(compiled: Compiled) -> str:
    steps, memory = compiled.program.steps, compiled.memory
    layer = steps[memory.peak_step].title if steps else "none"
    return f"{layer} (live-set lower bound {memory.plan.lower_bound:,} B)"


def kernels_text(compiled: Compiled) -> str:
    """How many calls each family of kernels has, e.g. "dsp 12, scalar 3"."""
    counts: dict[str, int] = {}
    for call in compiled.program.calls:
        family = call.header.partition("/")[0].replace("cmsis_nn", "CMSIS-NN")
        counts[family] = counts.get(family, 0) + 1
    return ", ".join(f"{family} {count}" for family, count in sorted(counts.items())) or "none"


def inspect_table(graph: Graph, problems: dict[Op, list[str]]) -> Table:
    """One row per operator."""
    table = plain_table(
        "#", "operator", "output", "quantization", "MACs", "weights", "remark", right=(0, 4, 5)
    )
    for i, op in enumerate(graph.ops):
        output = graph.tensors[op.outputs[0]]
        weights = sum(graph.tensors[n].bytes for n in op.inputs if n and graph.tensors[n].is_const)
        table.add_row(
            str(i),
            op.kind,
            f"{output.dtype.value} {_shape(output)}",
            str(output.quant or ""),
            thousands(op.macs(graph.tensors)) if op.macs(graph.tensors) else "",
            thousands(weights) if weights else "",
            "; ".join(problems.get(op, [])),
        )
    return table


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def inspect_summary(graph: Graph, peak: int | None) -> list[str]:
    """Lines on inputs, outputs and totals. ``peak`` is the arena in int8, None when it is not known."""
    weights = sum(t.bytes for t in graph.constants())
    kind = "float32, to be quantized" if is_float_model(graph) else "quantized"
    lines = [f"{graph.name}: {len(graph.ops)} operators, {kind}"]
    lines += [f"input   {graph.tensors[n]}" for n in graph.inputs]
    lines += [f"output  {graph.tensors[n]}" for n in graph.outputs]
    lines.append(f"MACs    {thousands(graph.macs())}")
    lines.append(f"weights {kib(weights)}")
    if peak is not None:
        lines.append(f"RAM     {kib(peak)} of activations at the peak, without kernel scratch")
    return lines


def boards_table(boards: Sequence[Board]) -> Table:
    table = plain_table("board", "title", "core", "flash", "RAM", "emulator", right=(3, 4))
    for board in boards:
        twin = board.twin()
        emulator = twin.emulator.machine if twin.emulator else ""
        note = "" if board is twin else f" (as {twin.name})"
        table.add_row(
            board.name,
            board.title,
            board.core,
            _size(board.flash_bytes),
            _size(board.ram_bytes),
            emulator + note,
        )
    return table


def _size(value: int) -> str:
    for unit, size in (("M", 1 << 20), ("K", 1 << 10)):
        if value >= size:
            return f"{value / size:.10g}{unit}" if value % size == 0 else f"{value / size:.1f}{unit}"
    return str(value)


def memories_table(board: Board) -> Table:
    table = plain_table("memory", "kind", "origin", "size", "wait states", "holds", right=(2, 3, 4))
    for memory in board.memories:
        table.add_row(
            memory.name, memory.kind, f"0x{memory.origin:08x}", _size(memory.size), str(memory.wait_states),
            _holds(board, memory),
        )  # fmt: skip
    return table


def _holds(board: Board, memory: Memory) -> str:
    layout = board.layout
    parts = {
        "code": layout.code,
        "weights": layout.weights,
        "data and stack": layout.data,
        "arena": layout.arena,
    }
    held = ", ".join(what for what, where in parts.items() if where == memory.name)
    return f"{held or 'nothing'}; first {memory.setup}" if memory.setup else held


def outcomes_table(outcomes: Sequence[Outcome]) -> Table:
    table = plain_table("model", "board", "result", "cases", "remark", right=(3,))
    styles = {"passed": "green", "failed": "red", "error": "red", "refused": "yellow"}
    for o in outcomes:
        remark = (
            o.message.splitlines()[0] if o.message else ("equal to the outputs given" if o.golden else "")
        )
        table.add_row(o.model, o.board, f"[{styles[o.status]}]{o.status}[/]", str(o.cases or ""), remark)
    return table


def bench_table(results: Sequence[BenchResult]) -> Table:
    table = plain_table(
        "model", "board", "core", "kernels", "instructions", "per MAC", "arena", "scratch", "code", "weights", "stack",
        right=range(4, 11),
    )  # fmt: skip
    modelled = modelled_columns(results)
    for heading, _ in modelled:
        table.add_column(heading, justify="right", overflow="fold")
    for i, r in enumerate(results):
        per_mac = f"{r.instructions / r.macs:.2f}" if r.macs else ""
        table.add_row(
            r.model, r.board, r.core, r.choice, thousands(r.instructions), per_mac, thousands(r.arena_bytes),
            thousands(r.scratch_bytes), thousands(r.code_bytes), thousands(r.weight_bytes), thousands(r.stack_bytes),
            *(column[i] for _, column in modelled),
        )  # fmt: skip
    return table


def explain_table(explanation: Explanation) -> Table:
    """One row per layer."""
    table = plain_table(
        "#", "layer", "shape", "kernel", "why", "MACs", "expected", "measured", "per MAC", "others would take",
        right=(0, 5, 6, 7, 8), title=f"{explanation.model} on {explanation.board} ({explanation.core})",
    )  # fmt: skip
    for layer in explanation.layers:
        table.add_row(
            str(layer.index), layer.name, layer.shape, layer.kernel.removeprefix("mcugen_"), layer.reason,
            thousands(layer.macs) if layer.macs else "", _known(layer.expected), _known(layer.measured),
            "" if layer.per_mac is None else f"{layer.per_mac:.2f}",
            ", ".join(f"{_variant(layer, a.kernel)} {thousands(a.expected)}" for a in layer.alternatives[:3]),
        )  # fmt: skip
    return table


def _variant(layer: Layer, function: str) -> str:
    """The end of a function's name, which tells it from others of its contract."""
    return function.removeprefix(f"mcugen_{layer.contract}_")


def _known(count: int | None) -> str:
    return "" if count is None else thousands(count)


def explain_summary(explanation: Explanation) -> list[str]:
    """Totals, and what the columns are."""
    measured = [layer.measured for layer in explanation.layers if layer.measured is not None]
    expected = [layer.expected for layer in explanation.layers if layer.expected is not None]
    lines = [f"kernels {explanation.kernels}, optimize {explanation.optimize}"]
    if expected:
        unknown = len(explanation.layers) - len(expected)
        rest = f" without {unknown} layers that the table does not know" if unknown else ""
        lines.append(
            f"expected by the cost table of {explanation.core}: {thousands(sum(expected))} instructions{rest}"
        )
    if measured:
        lines.append(f"measured: {thousands(sum(measured))} instructions, calls and hooks included")
    return lines


def layers_table(result: BenchResult) -> Table:
    title = f"{result.model} on {result.board}"
    table = plain_table(
        "#", "layer", "kernel", "MACs", "instructions", "per MAC", right=(0, 3, 4, 5), title=title
    )
    for i, layer in enumerate(result.layers):
        per_mac = f"{layer.instructions / layer.macs:.2f}" if layer.macs else ""
        table.add_row(
            str(i), layer.name, layer.kernel, thousands(layer.macs), thousands(layer.instructions), per_mac
        )
    return table
