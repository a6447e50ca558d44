"""The command line: the only place that prints or exits. One function per subcommand."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from rich.console import Console
from rich.status import Status

import mcugen
from mcugen import bench as benching
from mcugen import doctor as doctoring
from mcugen import explain as explaining
from mcugen import verify as verifying
from mcugen.boards import Board, board_names, load_board
from mcugen.build import build_project
from mcugen.compile import (
    CompileOptions,
    Progress,
    check_arena,
    compile_for,
    compile_model,
    inspect_model,
    load_quantized,
)
from mcugen.emit.c_format import identifier
from mcugen.emit.outputs import OUTPUTS
from mcugen.emit.project import check_target
from mcugen.emit.several import together
from mcugen.errors import EXIT_BUG, DoesNotFitError, InputError, McugenError
from mcugen.firmware import run_project
from mcugen.ir import Shape
from mcugen.lowering.variant import LEVELS
from mcugen.passes import rewrite_names
from mcugen.regions import SINGLE
from mcugen.report import data, text
from mcugen.report import plan as plans
from mcugen.report import several as several_report
from mcugen.report.plan_html import plan_html
from mcugen.report.plan_svg import plan_svg
from mcugen.several import build_several

app = typer.Typer(
    name="mcugen",
    help="Neural networks (ONNX, TFLite) to exact int8 C for Cortex-M.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Screen:
    """Where words go: results to stdout, progress and errors to stderr; JSON or quiet silence them."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def out(self) -> Console:
        return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=_width())

    @property
    def err(self) -> Console:
        return Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, *items: Any) -> None:
        """Prints for people, unless quiet or JSON."""
        if not self.quiet and not self.as_json:
            for item in items:
                self.out.print(item, markup=not isinstance(item, str))

    def give(self, value: Any) -> None:
        """Prints JSON if asked for."""
        if self.as_json:
            print(json.dumps(value, indent=2))

    def notes(self, notes: Sequence[str]) -> None:
        if not self.quiet and not self.as_json:
            for note in notes:
                self.err.print(f"note: {note}", markup=False, style="yellow")

    def working(self) -> AbstractContextManager[Progress]:
        """Progress of a long step: a spinner on a terminal, lines with --verbose, else nothing."""
        if self.verbose:
            return nullcontext(lambda message: self.err.print(message, markup=False))
        if self.quiet or self.as_json or not sys.stderr.isatty():
            return nullcontext(lambda message: None)
        return _Spinner(self.err.status("starting"))


class _Spinner(AbstractContextManager[Progress]):
    def __init__(self, status: Status) -> None:
        self._status = status

    def __enter__(self) -> Progress:
        self._status.start()
        return lambda message: self._status.update(message)

    def __exit__(self, *_: object) -> None:
        self._status.stop()


def _width() -> int | None:
    """Tables keep their full width when piped."""
    return None if sys.stdout.isatty() else 200


ModelArg = Annotated[Path, typer.Argument(help="A .onnx or .tflite file.", show_default=False)]
BoardOpt = Annotated[
    str, typer.Option("--board", "-b", help="A board's name (mcugen boards) or a board's .toml file.")
]
KernelsOpt = Annotated[str, typer.Option(help="native, cmsis-nn or auto.")]
CmsisOpt = Annotated[
    Optional[str],
    typer.Option("--cmsis-nn", metavar="PATH", help="Your CMSIS-NN; else CMSIS_NN_ROOT or the pack cache."),
]
OptimizeOpt = Annotated[
    str, typer.Option("--optimize", help="size, balanced or speed: what to spend flash on.")
]
TuneOpt = Annotated[
    bool, typer.Option("--tune", help="Measure the kernels of every layer in the emulator and take the best.")
]
OverlapOpt = Annotated[
    bool,
    typer.Option("--overlap/--no-overlap", help="Outputs of layers may take the place of their inputs."),
]
RegionsOpt = Annotated[
    str,
    typer.Option(
        metavar="single|auto|NAME[=BYTES],...",
        help="Memories for activations: one arena, all that the board gives for it, or those named.",
    ),
]
CalibrationOpt = Annotated[
    Optional[str],
    typer.Option(
        help="Data to quantize a float model with: .npy, .npz, .csv, a folder of images, or 'random'."
    ),
]
ObserverOpt = Annotated[str, typer.Option(help="Range of activations: minmax or percentile.")]
IoOpt = Annotated[
    str,
    typer.Option("--io", help="Type of inputs and outputs: model (int8 for float models), int8 or float32."),
]
IoMemoryOpt = Annotated[
    str, typer.Option(help="Memory of inputs and outputs: arena, or caller to bind your own.")
]
ShapeOpt = Annotated[
    Optional[list[str]],
    typer.Option("--shape", metavar="INPUT=D,D,...", help="Fixes the shape of an ONNX input."),
]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
QuietOpt = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
VerboseOpt = Annotated[bool, typer.Option("--verbose", "-v", help="Print each step.")]
JobsOpt = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes at the same time.")]
OutputOpt = Annotated[
    str,
    typer.Option("--output", help="all, or argmax: only the largest score matters, drop a final softmax."),
]
DisableOpt = Annotated[
    Optional[list[str]],
    typer.Option("--disable-pass", metavar="NAME", help="Leave out a rewrite of the graph."),
]
DumpOpt = Annotated[
    Optional[Path], typer.Option(help="Write the graph as text after every pass into this folder.")
]

_CPUS = os.cpu_count() or 1


def _options(
    kernels: str, calibration: str | None, observer: str, io: str, shape: list[str] | None, name: str | None = None,
    dump: Path | None = None, io_memory: str = "arena",
) -> CompileOptions:  # fmt: skip
    return CompileOptions(
        kernels=_choice("--kernels", kernels, ("native", "cmsis-nn", "auto")),
        calibration=calibration,
        observer=_choice("--observer", observer, ("minmax", "percentile")),
        io=_choice("--io", io, ("model", "int8", "float32")),
        io_in_arena=_choice("--io-memory", io_memory, ("arena", "caller")) == "arena",
        name=name,
        shapes=dict(_shape(text_) for text_ in shape or ()),
        dump=dump,
    )


def _chosen_by(
    options: CompileOptions,
    optimize: str,
    tune: bool = False,
    cmsis_nn: str | None = None,
    overlap: bool = True,
    regions: str = SINGLE,
) -> CompileOptions:
    """The options with what kernels are chosen by, and where in memory their buffers may lie."""
    level = _choice("--optimize", optimize, LEVELS)
    return replace(options, optimize=level, tune=tune, cmsis_nn=cmsis_nn, overlap=overlap, regions=regions)


def _rewritten_by(options: CompileOptions, output: str, disabled: list[str] | None) -> CompileOptions:
    """The options with what the graph is rewritten by."""
    names = frozenset(_choice("--disable-pass", name, rewrite_names()) for name in disabled or ())
    argmax = _choice("--output", output, ("all", "argmax")) == "argmax"
    return replace(options, argmax=argmax, disabled=names)


def _choice(option: str, value: str, allowed: Sequence[str]) -> Any:
    if value not in allowed:
        raise InputError(f"'{value}' is not one of {', '.join(allowed)}", where=option)
    return value


def _shape(value: str) -> tuple[str, Shape]:
    name, _, dims = value.rpartition("=")
    numbers = dims.split(",")
    if not name or not all(n.strip().isdigit() and int(n) > 0 for n in numbers):
        raise InputError(
            f"'{value}' is not INPUT=D,D,...", where="--shape", hint="for example --shape input=1,3,96,96"
        )
    return name, tuple(int(n) for n in numbers)


@app.command()
def build(
    models: Annotated[
        list[Path], typer.Argument(help="A .onnx or .tflite file, or several.", show_default=False)
    ],
    board: BoardOpt = "nrf52",
    project: Annotated[str, typer.Option(help=f"Kind of project: {', '.join(OUTPUTS)}.")] = "cmake",
    out: Annotated[
        Optional[Path],
        typer.Option("--out", "-o", help="Folder to make; default ./NAME.", show_default=False),
    ] = None,
    calibration: CalibrationOpt = None,
    kernels: KernelsOpt = "native",
    optimize: OptimizeOpt = "balanced",
    tune: TuneOpt = False,
    cmsis_nn: CmsisOpt = None,
    overlap: OverlapOpt = True,
    regions: RegionsOpt = SINGLE,
    name: Annotated[
        Optional[str],
        typer.Option(
            help="C name of the model, or of the project if it has several; default from the files.",
            show_default=False,
        ),
    ] = None,
    concurrent: Annotated[
        bool,
        typer.Option("--concurrent", help="Several models do not share memory, so that runs may interleave."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a project made earlier.")] = False,
    observer: ObserverOpt = "minmax",
    io: IoOpt = "model",
    io_memory: IoMemoryOpt = "arena",
    shape: ShapeOpt = None,
    compile_it: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile to measure flash and stack.")
    ] = True,
    output: OutputOpt = "all",
    disable_pass: DisableOpt = None,
    dump: DumpOpt = None,
    as_json: JsonOpt = False,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
) -> None:
    """Make a C project from a model."""
    screen = Screen(as_json, quiet, verbose)
    target = load_board(board)
    kind = _choice("--project", project, tuple(OUTPUTS))
    options = _options(kernels, calibration, observer, io, shape, name, dump, io_memory)
    options = _chosen_by(options, optimize, tune, cmsis_nn, overlap, regions)
    options = _rewritten_by(options, output, disable_pass)
    if out is not None:
        check_target(out, force)
    settings = _BuildSettings(kind, out, name, force, compile_it, cmsis_nn)
    if len(models) > 1:
        _build_several(screen, models, target, replace(options, name=None), settings, concurrent)
    else:
        _build_one(screen, models[0], target, options, settings)


@dataclass(frozen=True)
class _BuildSettings:
    """What the build command was told of the project to make."""

    kind: str
    out: Path | None
    name: str | None
    force: bool
    compile_it: bool
    cmsis_nn: str | None


def _build_one(
    screen: Screen, model: Path, board: Board, options: CompileOptions, settings: _BuildSettings
) -> None:
    with screen.working() as progress:
        compiled = compile_model(model, board, options, progress)
        folder = settings.out or Path(compiled.name)
        built = build_project(
            compiled, settings.kind, folder, progress, force=settings.force, compile_it=settings.compile_it,
            cmsis_nn=settings.cmsis_nn,
        )  # fmt: skip
    screen.notes(compiled.notes)
    screen.show(text.build_table(built), f"wrote {folder}")
    screen.give(data.build_data(built))


def _build_several(
    screen: Screen, models: Sequence[Path], board: Board, options: CompileOptions, settings: _BuildSettings,
    concurrent: bool,
) -> None:  # fmt: skip
    with screen.working() as progress:
        compiled = [compile_model(model, board, options, progress) for model in models]
        name = identifier(settings.name or "_and_".join(c.name for c in compiled))
        folder = settings.out or Path(name)
        built = build_several(
            together(name, compiled, concurrent), settings.kind, folder, progress, force=settings.force,
            compile_it=settings.compile_it, cmsis_nn=settings.cmsis_nn,
        )  # fmt: skip
    screen.notes(list(dict.fromkeys(f"{c.name}: {note}" for c in compiled for note in c.notes)))
    screen.show(several_report.several_table(built), *several_report.several_lines(built), f"wrote {folder}")
    screen.give(several_report.several_data(built))


@app.command()
def run(
    project: Annotated[Path, typer.Argument(help="A folder made by mcugen build.", show_default=False)],
    inputs: Annotated[
        Optional[Path], typer.Option("--input", "-i", help="A .npy or .npz file; default zeros.")
    ] = None,
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="Save the outputs as .npz.")
    ] = None,
    cmsis_nn: CmsisOpt = None,
    as_json: JsonOpt = False,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
) -> None:
    """Build a project's firmware and run it in the board's emulator."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working() as progress:
        result = run_project(project, inputs, cmsis_nn, progress)
    if output is not None:
        try:
            np.savez(output, allow_pickle=False, **result.outputs)
        except OSError as error:
            raise InputError(f"cannot write the outputs: {error.strerror}", where=str(output)) from error
    for name, values in result.real_outputs().items():
        for i, case in enumerate(values[:10]):
            line = np.array2string(
                case.reshape(-1), precision=5, threshold=24, max_line_width=120, suppress_small=True
            )
            screen.show(f"{name}[{i}] = {line}")
        if len(values) > 10:
            screen.show(
                f"{name}: {len(values) - 10} more cases" + ("" if output else "; save them with --output")
            )
    screen.show(f"{result.instructions:,} instructions per inference, {result.stack_bytes} bytes of stack")
    screen.give(result.summary())


@app.command()
def verify(
    models: Annotated[
        list[Path], typer.Argument(help="Model files, or folders of them.", show_default=False)
    ],
    board: Annotated[
        Optional[list[str]], typer.Option("--board", "-b", help="A board; may be repeated.")
    ] = None,
    inputs: Annotated[
        Optional[Path],
        typer.Option(
            help="A .npy or .npz of cases, or a folder with MODEL.npz; expected outputs in it are compared too."
        ),
    ] = None,
    kernels: KernelsOpt = "native",
    optimize: OptimizeOpt = "balanced",
    tune: TuneOpt = False,
    cmsis_nn: CmsisOpt = None,
    overlap: OverlapOpt = True,
    regions: RegionsOpt = SINGLE,
    calibration: CalibrationOpt = None,
    observer: ObserverOpt = "minmax",
    io: IoOpt = "model",
    shape: ShapeOpt = None,
    layers: Annotated[bool, typer.Option("--layers", help="Compare the result of every layer too.")] = False,
    junit: Annotated[Optional[Path], typer.Option(help="Write a JUnit report.")] = None,
    markdown: Annotated[Optional[Path], typer.Option(help="Write the table as Markdown.")] = None,
    jobs: JobsOpt = _CPUS,
    as_json: JsonOpt = False,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
) -> None:
    """Compare firmware in the emulator with the reference, byte for byte."""
    screen = Screen(as_json, quiet, verbose)
    options = _options(kernels, calibration, observer, io, shape)
    options = _chosen_by(options, optimize, tune, cmsis_nn, overlap, regions)
    boards = [load_board(name).name if not name.endswith(".toml") else name for name in board or ["nrf52"]]
    files = _model_files(models)
    work = [
        verifying.Job(file, name, options, _inputs_for(file, inputs), cmsis_nn, layers)
        for file in files
        for name in boards
    ]
    with screen.working() as progress:
        outcomes = verifying.verify_all(work, jobs, progress)
    _write(junit, verifying.junit(outcomes))
    _write(markdown, verifying.markdown(outcomes))
    screen.show(text.outcomes_table(outcomes))
    counts = ", ".join(
        f"{sum(o.status == s for o in outcomes)} {s}" for s in ("passed", "failed", "error", "refused")
    )
    screen.show(counts)
    screen.give({"results": [vars(o) for o in outcomes]})
    code = _verify_exit_code(outcomes, single=len(files) == 1)
    if code:
        for outcome in outcomes:
            if outcome.status in ("failed", "error") or (len(files) == 1 and outcome.status == "refused"):
                _print_error(
                    screen, McugenError(outcome.message, where=f"{outcome.model} on {outcome.board}")
                )
        raise typer.Exit(code)


def _verify_exit_code(outcomes: Sequence[verifying.Outcome], single: bool) -> int:
    """A refused model is an error when it was the only one asked for, and a remark among many."""
    bad = [o for o in outcomes if o.status in ("failed", "error") or (single and o.status == "refused")]
    worst = [o.exit_code for o in bad if o.status == "failed"] or [o.exit_code for o in bad]
    return worst[0] if worst else 0


def _model_files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix in (".tflite", ".onnx"))
            if not found:
                raise InputError("no .tflite or .onnx file in this folder", where=str(path))
            files += found
        else:
            files.append(path)
    return files


def _inputs_for(model: Path, inputs: Path | None) -> Path | None:
    if inputs is None or not inputs.is_dir():
        return inputs
    candidate = inputs / f"{model.stem}.npz"
    return candidate if candidate.is_file() else None


def _write(path: Path | None, content: str) -> None:
    if path is None:
        return
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write: {error.strerror}", where=str(path)) from error


@app.command()
def inspect(
    model: ModelArg, shape: ShapeOpt = None, as_json: JsonOpt = False, quiet: QuietOpt = False
) -> None:
    """Show operators, shapes, quantization, MACs, weights, peak RAM, and what is unsupported."""
    screen = Screen(as_json, quiet)
    inspected = inspect_model(model, dict(_shape(s) for s in shape or ()))
    screen.notes(inspected.notes)
    screen.show(*text.inspect_summary(inspected.graph, inspected.peak))
    screen.show(text.inspect_table(inspected.graph, inspected.problems))
    screen.give(data.inspect_data(inspected.graph, inspected.problems, inspected.peak))


@app.command()
def plan(
    model: ModelArg,
    board: BoardOpt = "nrf52",
    calibration: CalibrationOpt = None,
    kernels: KernelsOpt = "native",
    observer: ObserverOpt = "minmax",
    io: IoOpt = "model",
    io_memory: IoMemoryOpt = "arena",
    regions: RegionsOpt = SINGLE,
    shape: ShapeOpt = None,
    html: Annotated[Optional[Path], typer.Option(help="Draw the arena over time as a page.")] = None,
    svg: Annotated[Optional[Path], typer.Option(help="Draw the arena over time as an SVG file.")] = None,
    as_json: JsonOpt = False,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
) -> None:
    """Show where everything lies in the arena, and when."""
    screen = Screen(as_json, quiet, verbose)
    target = load_board(board)
    options = _options(kernels, calibration, observer, io, shape, io_memory=io_memory)
    options = replace(options, regions=regions)
    with screen.working() as progress:
        quantized = load_quantized(model, options, progress)
        compiled = compile_for(quantized, model.name, target, options, progress)
    view = plans.plan_view(compiled)
    _write(html, plan_html(view) if html else "")
    _write(svg, plan_svg(view) if svg else "")
    screen.notes(compiled.notes)
    screen.show(*plans.plan_summary(view), plans.plan_table(view))
    if view.shared:
        screen.show(plans.shared_table(view))
    if view.copies:
        screen.show(plans.copies_table(view))
    screen.give(plans.plan_data(view))
    try:
        check_arena(compiled)
    except DoesNotFitError as error:
        # After the plan, which is what shows why.
        _print_error(screen, error)
        raise typer.Exit(error.exit_code) from error


@app.command()
def boards(
    name: Annotated[
        Optional[str], typer.Argument(help="Show this board in full.", show_default=False)
    ] = None,
    as_json: JsonOpt = False,
) -> None:
    """List the boards, or show one."""
    screen = Screen(as_json)
    if name is None:
        every = [load_board(n) for n in board_names()]
        screen.show(text.boards_table(every))
        screen.give([data.board_data(b) for b in every])
        return
    board = load_board(name)
    screen.show(text.boards_table([board]), text.memories_table(board), *_board_lines(board))
    screen.give(data.board_data(board))


def _board_lines(board: Board) -> list[str]:
    lines = [f"CMSIS-Pack device: {board.cmsis_pack}"] if board.cmsis_pack else []
    return lines + ([f"flash with: {board.flash_command}"] if board.flash_command else [])


@app.command()
def doctor(as_json: JsonOpt = False) -> None:
    """Check compiler, emulator and packages, with install hints."""
    screen = Screen(as_json)
    checks = doctoring.checks()
    for check in checks:
        mark = "ok     " if check.ok else ("missing" if check.required else "absent ")
        screen.show(f"{mark}  {check.name}: {check.found or check.hint}")
    screen.give([vars(c) for c in checks])
    if any(c.required and not c.ok for c in checks):
        raise typer.Exit(6)


@app.command()
def bench(
    models: Annotated[
        list[Path], typer.Argument(help="Model files, or folders of them.", show_default=False)
    ],
    board: Annotated[
        Optional[list[str]], typer.Option("--board", "-b", help="A board; may be repeated.")
    ] = None,
    kernels: Annotated[
        Optional[list[str]], typer.Option(help="native, cmsis-nn or auto; may be repeated.")
    ] = None,
    optimize: Annotated[
        Optional[list[str]], typer.Option("--optimize", help="size, balanced or speed; may be repeated.")
    ] = None,
    tune: TuneOpt = False,
    cmsis_nn: CmsisOpt = None,
    overlap: OverlapOpt = True,
    regions: RegionsOpt = SINGLE,
    calibration: CalibrationOpt = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show every layer.")] = False,
    cycles: Annotated[
        bool, typer.Option("--cycles", help="Add modelled Cortex-M4 cycles, or weighted MVE instructions.")
    ] = False,
    markdown: Annotated[Optional[Path], typer.Option(help="Write the table as Markdown.")] = None,
    jobs: JobsOpt = _CPUS,
    as_json: JsonOpt = False,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
) -> None:
    """Measure instructions, arena, code, weights and stack in the emulator."""
    screen = Screen(as_json, quiet, verbose)
    work = [
        benching.BenchJob(
            file,
            name,
            _chosen_by(
                _options(kind, calibration, "minmax", "model", None), level, tune, cmsis_nn, overlap, regions
            ),
            cmsis_nn,
            cycles=cycles,
        )
        for file in _model_files(models)
        for kind in kernels or ["native"]
        for level in optimize or ["balanced"]
        for name in board or ["nrf52"]
    ]
    with screen.working() as progress:
        results = benching.bench_all(work, jobs, progress)
    _write(markdown, benching.markdown(results))
    screen.show(text.bench_table(results))
    if layers:
        screen.show(*(text.layers_table(r) for r in results))
    screen.give(benching.as_json(results))


@app.command()
def explain(
    model: ModelArg,
    board: BoardOpt = "nrf52",
    calibration: CalibrationOpt = None,
    kernels: KernelsOpt = "native",
    optimize: OptimizeOpt = "balanced",
    tune: TuneOpt = False,
    cmsis_nn: CmsisOpt = None,
    observer: ObserverOpt = "minmax",
    io: IoOpt = "model",
    shape: ShapeOpt = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Run the layers in the emulator.")
    ] = True,
    as_json: JsonOpt = False,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
) -> None:
    """Show which kernel computes each layer, why, what it costs, and what others would."""
    screen = Screen(as_json, quiet, verbose)
    target = load_board(board)
    options = _chosen_by(_options(kernels, calibration, observer, io, shape), optimize, tune, cmsis_nn)
    with screen.working() as progress:
        quantized = load_quantized(model, options, progress)
        compiled = compile_for(quantized, model.name, target, options, progress)
        progress("measuring the layers")
        explanation = explaining.explain(compiled, options, measure=measure)
    screen.notes(compiled.notes)
    screen.show(text.explain_table(explanation), *text.explain_summary(explanation))
    screen.give(explanation.data())


def _version(value: bool) -> None:
    if value:
        print(f"mcugen {mcugen.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Neural networks (ONNX, TFLite) to exact int8 C for Cortex-M."""


def _print_error(screen: Screen, error: McugenError) -> None:
    screen.err.print(f"error: {error}", markup=False, style="red")
    if error.hint:
        screen.err.print(f"hint: {error.hint}", markup=False)


def main() -> None:
    """Runs the command line; every McugenError becomes one message and its exit code."""
    as_json = "--json" in sys.argv[1:]
    try:
        app()
    except McugenError as error:
        if as_json:
            print(json.dumps(data.error_data(error), indent=2))
        _print_error(Screen(), error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away; keep Python from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        print("this is a bug of mcugen: please report it with the text above", file=sys.stderr)
        sys.exit(EXIT_BUG)


if __name__ == "__main__":
    main()
