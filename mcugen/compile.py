"""The pipeline, readable from top to bottom: a model file becomes a program with a memory plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mcugen import frontends, passes
from mcugen.boards import Board
from mcugen.cmsis_nn_source import find_cmsis_nn
from mcugen.compiled import Compiled
from mcugen.emit.c_format import identifier
from mcugen.errors import DoesNotFitError, InputError, McugenError, ToolError
from mcugen.frontends import Format
from mcugen.ir import DType, Graph, Op, Shape
from mcugen.lowering import Costs, Kernels, Optimize, Program, Rules, Step, lower
from mcugen.lowering.costs import table_costs
from mcugen.memory.liveness import MemoryPlan, external_tensors, memory_problem, plan_memory
from mcugen.memory.schedule import schedule
from mcugen.passes.drop_softmax import drop_softmax
from mcugen.quantize import quantize_float, quantize_qdq
from mcugen.rows.effort import effort_on
from mcugen.rows.select import Setting, only_streamed, smallest
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
    input_rows: the input that the caller gives by rows, "" for the only one, None when all are there as a whole.
    shapes: fixed shapes of inputs by name. dump: folder for the graph after every pass.
    optimize: size, speed or what lies between. tune: measure the kernels of every layer and take the best.
    cmsis_nn: the path given for CMSIS-NN, to which "auto" kernels may resort.
    disabled: names of passes to leave out. argmax: only the position of the largest output is asked for.
    """

    kernels: Kernels = "native"
    optimize: Optimize = "balanced"
    tune: bool = False
    cmsis_nn: str | None = None
    disabled: frozenset[str] = frozenset()
    argmax: bool = False
    calibration: str | None = None
    observer: str = "minmax"
    io: str = "model"
    io_in_arena: bool = True
    overlap: bool = True
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
    check_arena(compiled)
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
    """Orders, lowers and plans an integer graph for a board; does not check that it fits."""
    progress(f"choosing kernels for {board.core}")
    rules = kernel_rules(board, options)
    costs = known_costs(quantized.graph, board, rules, options, progress)
    progress("ordering the operators")
    streamed = _streamed(quantized.graph, options)
    programs = [lower(graph, rules, costs) for graph in _orders(quantized.graph, options, streamed)]
    outside = () if options.io_in_arena else external_tensors(quantized.graph)
    setting = Setting(
        rules, costs, lambda p: memory_problem(p, outside, options.overlap), effort_on(board.twin().core),
        streamed=streamed,
    )  # fmt: skip
    progress("planning memory")
    usual = programs if streamed is None else [only_streamed(program, setting) for program in programs]
    program, memory = _smallest_plan(usual, options)
    if options.optimize == "ram":
        progress("computing row by row what needs most memory")
        base = next(base for base, made in zip(programs, usual, strict=True) if made is program)
        by_rows = smallest(base, setting)
        program, memory = _smallest_plan([program, by_rows], options)
    name = identifier(options.name or Path(source).stem)
    notes = (*quantized.notes, *choice_notes(rules))
    return Compiled(name, source, quantized.model, board, program, memory, notes, quantized.savings)


def _streamed(graph: Graph, options: CompileOptions) -> str | None:
    """The input that comes by rows, if one shall. Raises InputError."""
    if options.input_rows is None:
        return None
    if not options.io_in_arena:
        raise InputError(
            "an input that comes by rows lies in the arena, a few rows of it at a time", where=OPTION,
            hint="leave out --io-memory caller",
        )  # fmt: skip
    return streamed_input(graph, options.input_rows)


def _smallest_plan(programs: Sequence[Program], options: CompileOptions) -> tuple[Program, MemoryPlan]:
    """The program with the smallest arena, the first of equals, and its plan."""
    plans = [plan_memory(program, options.io_in_arena, options.overlap) for program in programs]
    return min(zip(programs, plans, strict=True), key=lambda planned: planned[1].arena_bytes)


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


def check_arena(compiled: Compiled) -> None:
    """Raises DoesNotFitError, naming the largest tensors at the peak, when the arena exceeds the board's memory."""
    board, memory = compiled.board, compiled.memory
    if memory.arena_bytes <= board.arena_bytes:
        return
    raise DoesNotFitError(
        f"the arena needs {memory.arena_bytes:,} bytes, {board.title} has {board.arena_bytes:,} for it; "
        f"at the peak, in {_peak_text(compiled)}, these are live:\n" + "\n".join(peak_lines(compiled)),
        where=compiled.source,
        hint="choose a board with more RAM (mcugen boards), or a smaller model or input",
    )


def _peak_text(compiled: Compiled) -> str:
    steps = compiled.program.steps
    return steps[compiled.memory.peak_step].title if steps else "the start"


def peak_lines(compiled: Compiled, count: int = 5) -> list[str]:
    """The largest buffers live at the peak, as text."""
    memory, tensors = compiled.memory, compiled.graph.tensors
    return [
        f"  {b.size:>9,} bytes  {tensors[b.name] if b.name in tensors else b.name}"
        for b in memory.live_at(memory.peak_step)[:count]
    ]
