"""The pipeline, readable from top to bottom: a model file becomes a program with a memory plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from mcugen import frontends, passes
from mcugen.boards import Board
from mcugen.cmsis_nn_source import find_cmsis_nn
from mcugen.compiled import Compiled
from mcugen.emit.c_format import identifier
from mcugen.errors import DoesNotFitError, InputError, McugenError, ToolError
from mcugen.fit import Planned, buffer_lines, by_rows_within, fastest_within, trade_note
from mcugen.frontends import Format
from mcugen.ir import DType, Graph, Op, Shape
from mcugen.lowering import Costs, Kernels, Optimize, Program, Rules, Step, lower
from mcugen.lowering.costs import table_costs
from mcugen.memory.liveness import external_tensors, memory_problem, plan_memory
from mcugen.memory.schedule import schedule
from mcugen.passes.drop_softmax import drop_softmax
from mcugen.quantize import quantize_float, quantize_qdq
from mcugen.regions import AUTO, SINGLE, banks_of
from mcugen.rows.effort import effort_of, effort_on
from mcugen.rows.select import Setting, only_streamed, smallest, trade_offs
from mcugen.rows.stream import OPTION, orders_for, streamed_input
from mcugen.tune import measured_costs
from mcugen.verify_ir import check_supported

Progress = Callable[[str], None]


@dataclass(frozen=True)
class CompileOptions:
    """What the user asks for.

    calibration: a file, a folder or "random"; needed for float models only.
    io: element type of the model's inputs and outputs: "model" keeps what an already quantized file has and
        means int8 for float files; "int8" or "float32".
    io_in_arena: inputs and outputs lie in the arena; otherwise in memory that the caller binds.
    overlap: outputs may share memory with inputs that are not needed any more.
    regions: the memories that activations may lie in, see `regions.banks_of`.
    input_rows: the input that the caller gives by rows, "" for the only one, None when all are there as a whole.
    shapes: fixed shapes of inputs by name. dump: folder for the graph after every pass.
    optimize: size, speed or what lies between.
    max_ram: bytes that the arena may take; the fastest program that fits is looked for. any_level: among the kernels
        of all levels, not only those of ``optimize``.
    tune: measure the kernels of every layer and take the best.
    cmsis_nn: the path given for CMSIS-NN, to which "auto" kernels may resort.
    disabled: names of passes to leave out. argmax: only the position of the largest output is asked for.
    """

    kernels: Kernels = "native"
    optimize: Optimize = "balanced"
    max_ram: int | None = None
    any_level: bool = False
    tune: bool = False
    cmsis_nn: str | None = None
    disabled: frozenset[str] = frozenset()
    argmax: bool = False
    calibration: str | None = None
    observer: str = "minmax"
    io: str = "model"
    io_in_arena: bool = True
    overlap: bool = True
    regions: str = SINGLE
    input_rows: str | None = None
    name: str | None = None
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    dump: Path | None = None


@dataclass(frozen=True)
class Quantized:
    """A graph in integers that passed all checks, with the model file it came from."""

    graph: Graph
    model: bytes
    model_format: Format
    notes: tuple[str, ...]
    savings: tuple[passes.Saving, ...] = ()


def silent(message: str) -> None:
    """Progress that goes nowhere."""


def compile_model(path: Path, board: Board, options: CompileOptions, progress: Progress = silent) -> Compiled:
    """Reads, quantizes, simplifies, orders, lowers and plans a model for a board.

    Raises the errors of each stage; DoesNotFitError when the arena is larger than the board's memory for it.
    """
    compiled = compile_for(load_quantized(path, options, progress), path.name, board, options, progress)
    check_arena(compiled, options)
    return compiled


def load_quantized(path: Path, options: CompileOptions, progress: Progress = silent) -> Quantized:
    """The integer graph of a model file, simplified and checked. Independent of the board."""
    progress("reading the model")
    data, model_format = frontends.read_model(path)
    try:
        imported = frontends.import_model(data, model_format, path.stem, options.shapes)
        _check_sizes(imported.graph)
        graph, notes = _to_integers(imported.graph, data, model_format, options, progress)
        progress("simplifying the graph")
        rewritten = passes.apply_passes(
            drop_softmax(graph) if options.argmax else graph,
            passes.INTEGER_PIPELINE, options.dump, "int8_", options.disabled,
        )  # fmt: skip
        check_supported(rewritten.graph)
    except McugenError as error:
        error.where = _located(error.where, path)
        raise
    notes = (*imported.notes, *notes)
    return Quantized(rewritten.graph, data, model_format, notes, rewritten.savings)


def _located(where: str, path: Path) -> str:
    """The place an error names: the file itself where it names none, or only the model."""
    return str(path) if where in ("", path.stem) else where


def compile_for(
    quantized: Quantized, source: str, board: Board, options: CompileOptions, progress: Progress = silent
) -> Compiled:
    """Orders, lowers and plans an integer graph for a board; does not check that it fits the board.

    Raises DoesNotFitError when it cannot be made to fit ``options.max_ram``.
    """
    notes = choice_notes(kernel_rules(board, options))
    try:
        if options.max_ram is not None:
            planned, note = _within(options.max_ram, quantized.graph, board, options, progress)
            notes = (*notes, note)
        else:
            planned = _planned(quantized.graph, board, options, progress)
    except DoesNotFitError as error:
        error.where = error.where or source
        raise
    if options.optimize == "ram" and options.max_ram is None:
        planned = _smallest_by_rows(planned, board, options, progress)
    if (banks := banks_of(board, options.regions)) is not None:
        progress("spreading buffers over memories")
        memory = plan_memory(planned.program, options.io_in_arena, options.overlap, banks)
        planned = replace(planned, memory=memory)
    return Compiled(
        identifier(options.name or Path(source).stem), source, quantized.model, board, planned.program,
        planned.memory, (*quantized.notes, *notes), (*quantized.savings, *planned.savings),
    )  # fmt: skip


def _planned(graph: Graph, board: Board, options: CompileOptions, progress: Progress) -> Planned:
    """Every operator at once, with the kernels of the level asked for."""
    progress(f"choosing kernels for {board.core}")
    rules = kernel_rules(board, options)
    costs = known_costs(graph, board, rules, options, progress)
    progress("ordering the operators")
    streamed = _streamed(graph, options)
    forms = _forms(graph, options, streamed)
    programs = [lower(form.graph, rules, costs) for form in forms]
    progress("planning memory")
    if streamed is not None:
        programs = [only_streamed(p, _setting(p.graph, board, options)) for p in programs]
    planned = _smallest_plan(programs, options)
    savings = next(form.savings for form in forms if form.graph is planned.program.graph)
    return replace(planned, savings=savings)


def _streamed(graph: Graph, options: CompileOptions) -> str | None:
    """The input that comes by rows, if one shall. Raises InputError."""
    if options.input_rows is None:
        return None
    if not options.io_in_arena:
        raise InputError(
            "an input that comes by rows lies in the arena, a few rows of it at a time", where=OPTION,
            hint="leave out --io-memory caller",
        )  # fmt: skip
    if options.regions != SINGLE:
        raise InputError(
            "an input that comes by rows needs the one arena", where=OPTION, hint="leave out --regions"
        )
    return streamed_input(graph, options.input_rows)


def _smallest_by_rows(
    usual: Planned, board: Board, options: CompileOptions, progress: Progress = silent
) -> Planned:
    """What takes the least memory when operators are computed row by row too."""
    progress("computing row by row what needs most memory")
    whole, setting = _whole(usual, board, options)
    by_rows = smallest(trade_offs(whole, setting), effort_of(whole, setting.effort))
    return replace(_smallest_plan([usual.program, by_rows.program], options), savings=usual.savings)


def _whole(planned: Planned, board: Board, options: CompileOptions) -> tuple[Program, Setting]:
    """A program with every operator at once, and what a search by rows goes by."""
    setting = _setting(planned.program.graph, board, options)
    if setting.streamed is None:
        return planned.program, setting
    return lower(planned.program.graph, setting.rules, setting.costs), setting


def _within(
    limit: int, graph: Graph, board: Board, options: CompileOptions, progress: Progress
) -> tuple[Planned, str]:
    """The fastest program found whose arena is within the limit, and what that takes. Raises DoesNotFitError."""
    found = []
    for level in _levels(options):
        planned = _planned(graph, board, replace(options, optimize=level), progress)
        whole, setting = _whole(planned, board, replace(options, optimize=level))
        found.append(replace(planned, effort=effort_of(whole, setting.effort)))
    taken = fastest_within(limit, found)
    if taken is None:
        if options.any_level:
            options = replace(options, optimize="ram")
        usual = _planned(graph, board, options, progress)
        progress("computing row by row what needs most memory")
        ways = trade_offs(*_whole(usual, board, options))
        taken = by_rows_within(limit, ways, lambda p: _smallest_plan([p], options).memory)
        taken = replace(taken, savings=usual.savings)
    return taken, trade_note(limit, taken, found[-1])


def _levels(options: CompileOptions) -> tuple[Optimize, ...]:
    """Those of which the kernels are tried with whole operators; the last is what others are compared to."""
    return ("speed", "balanced") if options.any_level else (options.optimize,)


def _setting(graph: Graph, board: Board, options: CompileOptions) -> Setting:
    """What a search by rows goes by."""
    rules = kernel_rules(board, options)
    outside = () if options.io_in_arena else external_tensors(graph)
    return Setting(
        rules,
        known_costs(graph, board, rules, options),
        lambda program: memory_problem(program, outside, options.overlap),
        effort_on(board.twin().core),
        _streamed(graph, options),
    )


def _smallest_plan(programs: Sequence[Program], options: CompileOptions) -> Planned:
    """The program with the smallest arena, the first of equals."""
    plans = [plan_memory(program, options.io_in_arena, options.overlap) for program in programs]
    return min(map(Planned, programs, plans), key=lambda planned: planned.arena_bytes)


def _forms(graph: Graph, options: CompileOptions, streamed: str | None) -> list[passes.PassResult]:
    """The graph with parts of tensors in place, as far as allowed, and without, each in all orders worth planning.

    Which of them has the smallest arena is seen when they are planned: what is in place saves a copy, but keeps all of
    a tensor's memory in use for longer.
    """
    names = [p.__name__ for p in passes.MEMORY_PIPELINE]
    left_out = [frozenset(s) for n in range(len(names) + 1) for s in combinations(names, n)]
    found: dict[str, passes.PassResult] = {}
    for some in left_out:
        form = passes.apply_passes(graph, passes.MEMORY_PIPELINE, None, "", options.disabled | some)
        changed = any(saving.copied_bytes for saving in form.savings)
        found.setdefault(str(form.graph), form if changed else passes.PassResult(graph, ()))
    return [
        passes.PassResult(ordered, form.savings)
        for form in found.values()
        for ordered in _orders(form.graph, options, streamed)
    ]


def _orders(graph: Graph, options: CompileOptions, streamed: str | None = None) -> list[Graph]:
    """The graph in its own order and in that of the lowest peak, if there is a lower one.

    Which of them has the smaller arena is seen when they are planned: a peak knows no overlaps. Raises InputError when
    an input cannot be streamed.
    """
    outside = external_tensors(graph) if not options.io_in_arena else () if streamed is None else (streamed,)
    ordered = schedule(graph, outside)
    orders = [graph] if ordered is graph else [graph, ordered]
    return orders if streamed is None else orders_for(streamed, orders)


def kernel_rules(board: Board, options: CompileOptions) -> Rules:
    """Which kernels may be chosen for a board. "auto" resorts to CMSIS-NN only where there is one."""
    has_cmsis_nn = options.kernels == "auto" and is_cmsis_nn_here(options.cmsis_nn)
    return Rules(board.instruction_class, options.kernels, options.optimize, has_cmsis_nn)


def choice_notes(rules: Rules) -> tuple[str, ...]:
    """What the user should know about the choice of kernels."""
    if rules.kernels == "auto" and not rules.has_cmsis_nn:
        return ("no CMSIS-NN found: --kernels auto chose among native kernels only",)
    return ()


def is_cmsis_nn_here(path: str | None) -> bool:
    """Whether CMSIS-NN can be found. Raises ToolError if a path was given and it is not there."""
    try:
        find_cmsis_nn(path)
    except ToolError:
        if path:
            raise
        return False
    return True


def known_costs(
    graph: Graph, board: Board, rules: Rules, options: CompileOptions, progress: Progress = silent
) -> Costs | None:
    """What kernels are chosen by: measurements with ``tune``, the core's table for "auto", else nothing."""
    if options.tune:
        return measured_costs(graph, board, rules, options.cmsis_nn, progress)
    return table_costs(board.twin().core) if options.kernels == "auto" else None


@dataclass(frozen=True)
class Inspected:
    """A model as it is read. problems: what keeps it from being compiled; peak: bytes of activations in int8."""

    graph: Graph
    problems: dict[Op, list[str]]
    peak: int | None
    notes: tuple[str, ...]


def inspect_model(path: Path, shapes: Mapping[str, Shape]) -> Inspected:
    """Reads a model without quantizing it. Raises what the front-end does."""
    data, model_format = frontends.read_model(path)
    try:
        imported = frontends.import_model(data, model_format, path.stem, shapes)
    except McugenError as error:
        error.where = _located(error.where, path)
        raise
    graph = passes.run_passes(imported.graph, (passes.remove_dead, passes.fold_constants, passes.remove_dead))
    if is_float_model(graph):
        # Everything becomes int8: a quarter of the bytes. What is unsupported shows after quantization.
        return Inspected(graph, {}, activation_peak(graph) // DType.FLOAT32.size, imported.notes)
    problems = {op: found for op in graph.ops if (found := op.check(graph.tensors))}
    return Inspected(graph, problems, activation_peak(graph), imported.notes)


def activation_peak(graph: Graph) -> int:
    """The live-set lower bound of the activations in the best order of the operators, in bytes."""
    graph = schedule(graph)
    steps = tuple(Step((op,), ()) for op in graph.ops)
    return plan_memory(Program(graph, steps, "scalar", "native")).plan.lower_bound


def _check_sizes(graph: Graph) -> None:
    empty = [t.name for t in graph.tensors.values() if t.elements == 0]
    if empty:
        raise InputError(
            f"tensors without elements: {', '.join(empty[:5])}", hint="fix the input shape with --shape"
        )


def _to_integers(
    graph: Graph, data: bytes, model_format: Format, options: CompileOptions, progress: Progress
) -> tuple[Graph, tuple[str, ...]]:
    """The graph in integers: a float graph is calibrated, a QDQ graph converted, an integer graph kept."""
    if model_format == "tflite" and not is_float_model(graph):
        if options.calibration:
            raise InputError(
                "the model is quantized already", where="--calibration", hint="leave out --calibration"
            )
        return graph, ()
    graph = passes.run_passes(graph, passes.FLOAT_PIPELINE, options.dump, "float_")
    if model_format == "onnx" and _has_quantization(graph):
        result = quantize_qdq(graph, "int8" if options.io == "int8" else "float32")
        return result.graph, result.notes
    progress("calibrating and quantizing")
    result = quantize_float(
        graph,
        options.calibration,
        observer=options.observer,
        io="float32" if options.io == "float32" else "int8",
        model_bytes=data,
        model_format=model_format,
    )
    return result.graph, result.notes


def is_float_model(graph: Graph) -> bool:
    """Whether the graph computes in float32: it has float activations and no operator on integers."""
    types = {graph.tensors[op.inputs[0]].dtype for op in graph.ops if op.inputs and op.inputs[0]}
    return DType.FLOAT32 in types and types <= {DType.FLOAT32, DType.INT32, DType.INT64, DType.BOOL}


def _has_quantization(graph: Graph) -> bool:
    return any(op.kind in ("Quantize", "Dequantize") for op in graph.ops)


def check_arena(compiled: Compiled, options: CompileOptions) -> None:
    """Raises DoesNotFitError, naming the largest tensors at the peak, when the arena exceeds the board's memory."""
    board, memory = compiled.board, compiled.memory
    if memory.spread is not None or memory.arena_bytes <= board.arena_bytes:
        return
    raise DoesNotFitError(
        f"the arena needs {memory.arena_bytes:,} bytes, {board.title} has {board.arena_bytes:,} for it; "
        f"at the peak, in {_peak_text(compiled)}, these are live:\n"
        + "\n".join(buffer_lines(compiled.program, memory, memory.peak_step)),
        where=compiled.source,
        hint=_hint(compiled, options),
    )


def _fits_spread_out(compiled: Compiled) -> bool:
    """Whether the board's memories together hold what its arena does not."""
    board, in_arena = compiled.board, not compiled.memory.external
    if len(board.arenas) < 2:
        return False
    try:
        plan_memory(compiled.program, in_arena, banks=banks_of(board, AUTO))
    except DoesNotFitError:
        return False
    return True


def _peak_text(compiled: Compiled) -> str:
    steps = compiled.program.steps
    return steps[compiled.memory.peak_step].title if steps else "the start"


def _hint(compiled: Compiled, options: CompileOptions) -> str:
    """What would help a model that does not fit."""
    spread = (
        f"spread over the board's memories it fits: --regions {AUTO}; " if _fits_spread_out(compiled) else ""
    )
    by_rows = _hint_by_rows(compiled, options)
    return f"{spread}{by_rows}choose a board with more RAM (mcugen boards), or a smaller model or input"


def _hint_by_rows(compiled: Compiled, options: CompileOptions) -> str:
    """What computing row by row would do, if it was not asked for."""
    if options.optimize == "ram" or options.max_ram is not None:
        return ""
    board, options = compiled.board, replace(options, optimize="ram", tune=False)
    needed = _smallest_by_rows(_planned(compiled.graph, board, options, silent), board, options).arena_bytes
    if needed > board.arena_bytes:
        return f"computed row by row (--optimize ram) it would still need {needed:,} bytes; "
    return (
        f"computed row by row the arena needs {needed:,} bytes: --optimize ram, or --max-ram {board.arena_bytes} for "
        "the fastest that fits; or "
    )
