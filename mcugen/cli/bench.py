"""``mcugen bench``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Optional

import typer

from mcugen import bench as benching
from mcugen.cli.files import model_files, write_text
from mcugen.cli.groups import Without, with_groups
from mcugen.cli.options import (
    DEFAULT_BOARD,
    DEFAULT_JOBS,
    BoardsOpt,
    CompileFlags,
    JobsOpt,
    MarkdownOpt,
    ModelsArg,
)
from mcugen.cli.screen import Screen
from mcugen.report import text


@with_groups
def bench(
    models: ModelsArg,
    board: BoardsOpt = None,
    kernels: Annotated[
        Optional[list[str]], typer.Option(help="native, cmsis-nn or auto; may be repeated.")
    ] = None,
    optimize: Annotated[
        Optional[list[str]], typer.Option("--optimize", help="ram, size, balanced or speed; may be repeated.")
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show every layer.")] = False,
    cycles: Annotated[
        bool, typer.Option("--cycles", help="Add modelled Cortex-M4 cycles, or weighted MVE instructions.")
    ] = False,
    markdown: MarkdownOpt = None,
    jobs: JobsOpt = DEFAULT_JOBS,
    *,
    flags: Annotated[CompileFlags, Without("kernels", "optimize")],
    screen: Screen,
) -> None:
    """Measure instructions, arena, code, weights and stack in the emulator."""
    levels: Sequence[str | None] = optimize or [flags.optimize]
    every = [
        replace(flags, kernels=kind, optimize=level).options()
        for kind in kernels or [flags.kernels]
        for level in levels
    ]
    work = [
        benching.BenchJob(file, name, options, options.cmsis_nn, cycles=cycles)
        for file in model_files(models)
        for options in every
        for name in board or [DEFAULT_BOARD]
    ]
    with screen.working() as progress:
        results = benching.bench_all(work, jobs, progress)
    write_text(markdown, benching.markdown(results))
    screen.show(text.bench_table(results))
    if layers:
        screen.show(*(text.layers_table(r) for r in results))
    screen.give(benching.as_json(results))
