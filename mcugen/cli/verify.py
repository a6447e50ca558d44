"""``mcugen run`` and ``mcugen verify``: models in the emulator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer

from mcugen import verify as verifying
from mcugen.boards import load_board
from mcugen.cli.files import inputs_for, model_files, write_text
from mcugen.cli.groups import with_groups
from mcugen.cli.options import (
    DEFAULT_BOARD,
    DEFAULT_JOBS,
    BoardsOpt,
    CmsisOpt,
    CompileFlags,
    JobsOpt,
    MarkdownOpt,
    ModelsArg,
)
from mcugen.cli.screen import Screen
from mcugen.errors import InputError, McugenError
from mcugen.firmware import run_project
from mcugen.ir import Array
from mcugen.report import text


@with_groups
def run(
    project: Annotated[Path, typer.Argument(help="A folder made by mcugen build.", show_default=False)],
    inputs: Annotated[
        Optional[Path], typer.Option("--input", "-i", help="A .npy or .npz file; default zeros.")
    ] = None,
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="Save the outputs as .npz.")
    ] = None,
    cmsis_nn: CmsisOpt = None,
    *,
    screen: Screen,
) -> None:
    """Build a project's firmware and run it in the board's emulator."""
    with screen.working() as progress:
        result = run_project(project, inputs, cmsis_nn, progress)
    if output is not None:
        try:
            np.savez(output, allow_pickle=False, **result.outputs)
        except OSError as error:
            raise InputError(f"cannot write the outputs: {error.strerror}", where=str(output)) from error
    for name, values in result.real_outputs().items():
        screen.show(*_case_lines(name, values, saved=output is not None))
    screen.show(f"{result.instructions:,} instructions per inference, {result.stack_bytes} bytes of stack")
    screen.give(result.summary())


def _case_lines(name: str, values: Array, saved: bool, count: int = 10) -> list[str]:
    """The first values of an output, a line per case."""
    lines = [
        f"{name}[{i}] = "
        + np.array2string(
            case.reshape(-1), precision=5, threshold=24, max_line_width=120, suppress_small=True
        )
        for i, case in enumerate(values[:count])
    ]
    if len(values) > count:
        lines.append(
            f"{name}: {len(values) - count} more cases" + ("" if saved else "; save them with --output")
        )
    return lines


@with_groups
def verify(
    models: ModelsArg,
    board: BoardsOpt = None,
    inputs: Annotated[
        Optional[Path],
        typer.Option(
            help="A .npy or .npz of cases, or a folder with MODEL.npz; expected outputs in it are compared too."
        ),
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Compare the result of every layer too.")] = False,
    junit: Annotated[Optional[Path], typer.Option(help="Write a JUnit report.")] = None,
    markdown: MarkdownOpt = None,
    jobs: JobsOpt = DEFAULT_JOBS,
    *,
    flags: CompileFlags,
    screen: Screen,
) -> None:
    """Compare firmware in the emulator with the reference, byte for byte."""
    options = flags.options()
    boards = [name if name.endswith(".toml") else load_board(name).name for name in board or [DEFAULT_BOARD]]
    files = model_files(models)
    work = [
        verifying.Job(file, name, options, inputs_for(file, inputs), options.cmsis_nn, layers)
        for file in files
        for name in boards
    ]
    with screen.working() as progress:
        outcomes = verifying.verify_all(work, jobs, progress)
    write_text(junit, verifying.junit(outcomes))
    write_text(markdown, verifying.markdown(outcomes))
    screen.show(text.outcomes_table(outcomes), _counts(outcomes))
    screen.give({"results": [vars(o) for o in outcomes]})
    _fail_if_any_did(screen, outcomes, single=len(files) == 1)


def _counts(outcomes: Sequence[verifying.Outcome]) -> str:
    return ", ".join(
        f"{sum(o.status == s for o in outcomes)} {s}" for s in ("passed", "failed", "error", "refused")
    )


def _fail_if_any_did(screen: Screen, outcomes: Sequence[verifying.Outcome], single: bool) -> None:
    """A refused model is an error when it was the only one asked for, and a remark among many."""
    bad = [o for o in outcomes if o.status in ("failed", "error") or (single and o.status == "refused")]
    if not bad:
        return
    for outcome in bad:
        screen.error(McugenError(outcome.message, where=f"{outcome.model} on {outcome.board}"))
    raise typer.Exit(min(bad, key=lambda o: o.status != "failed").exit_code)
