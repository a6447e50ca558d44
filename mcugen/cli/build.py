"""``mcugen build``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Optional

import typer

from mcugen.boards import Board, load_board
from mcugen.build import build_project
from mcugen.cli.groups import with_groups
from mcugen.cli.options import DEFAULT_BOARD, BoardOpt, CompileFlags, choice
from mcugen.cli.screen import Screen
from mcugen.compile import CompileOptions, compile_model
from mcugen.emit.c_format import identifier
from mcugen.emit.outputs import OUTPUTS
from mcugen.emit.project import check_target
from mcugen.emit.several import together
from mcugen.report import data, text
from mcugen.report import several as several_report
from mcugen.several import build_several


@dataclass(frozen=True)
class _ProjectFlags:
    """The project to make. A group of options."""

    kind: Annotated[str, typer.Option("--project", help=f"Kind of project: {', '.join(OUTPUTS)}.")] = "cmake"
    out: Annotated[
        Optional[Path],
        typer.Option("--out", "-o", help="Folder to make; default ./NAME.", show_default=False),
    ] = None
    name: Annotated[
        Optional[str],
        typer.Option(
            help="C name of the model, or of the project if it has several; default from the files.",
            show_default=False,
        ),
    ] = None
    concurrent: Annotated[
        bool,
        typer.Option("--concurrent", help="Several models do not share memory, so that runs may interleave."),
    ] = False
    force: Annotated[bool, typer.Option("--force", help="Replace a project made earlier.")] = False
    compile_it: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile to measure flash and stack.")
    ] = True


@with_groups
def build(
    models: Annotated[
        list[Path], typer.Argument(help="A .onnx or .tflite file, or several.", show_default=False)
    ],
    *,
    board: BoardOpt = DEFAULT_BOARD,
    project: _ProjectFlags,
    dump: Annotated[
        Optional[Path], typer.Option(help="Write the graph as text after every pass into this folder.")
    ] = None,
    flags: CompileFlags,
    screen: Screen,
) -> None:
    """Make a C project from a model."""
    target = load_board(board)
    choice("--project", project.kind, tuple(OUTPUTS))
    options = replace(flags.options(), dump=dump)
    if project.out is not None:
        check_target(project.out, project.force)
    if len(models) > 1:
        _build_several(screen, models, target, options, project)
    else:
        _build_one(screen, models[0], target, replace(options, name=project.name), project)


def _build_one(
    screen: Screen, model: Path, board: Board, options: CompileOptions, project: _ProjectFlags
) -> None:
    with screen.working() as progress:
        compiled = compile_model(model, board, options, progress)
        folder = project.out or Path(compiled.name)
        built = build_project(
            compiled, project.kind, folder, progress, force=project.force, compile_it=project.compile_it,
            cmsis_nn=options.cmsis_nn,
        )  # fmt: skip
    screen.notes(compiled.notes)
    screen.show(text.build_table(built), f"wrote {folder}")
    screen.give(data.build_data(built))


def _build_several(
    screen: Screen, models: Sequence[Path], board: Board, options: CompileOptions, project: _ProjectFlags
) -> None:
    with screen.working() as progress:
        compiled = [compile_model(model, board, options, progress) for model in models]
        name = identifier(project.name or "_and_".join(c.name for c in compiled))
        folder = project.out or Path(name)
        built = build_several(
            together(name, compiled, project.concurrent), project.kind, folder, progress, force=project.force,
            compile_it=project.compile_it, cmsis_nn=options.cmsis_nn,
        )  # fmt: skip
    screen.notes(list(dict.fromkeys(f"{c.name}: {note}" for c in compiled for note in c.notes)))
    screen.show(several_report.several_table(built), *several_report.several_lines(built), f"wrote {folder}")
    screen.give(several_report.several_data(built))
