"""``mcugen boards`` and ``mcugen doctor``: what there is to compile for and with."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from mcugen import doctor as doctoring
from mcugen.boards import Board, board_names, load_board
from mcugen.cli.groups import Without, with_groups
from mcugen.cli.screen import Screen
from mcugen.errors import ToolError
from mcugen.report import data, text

JsonOnly = Annotated[Screen, Without("quiet", "verbose")]


@with_groups
def boards(
    name: Annotated[
        Optional[str], typer.Argument(help="Show this board in full.", show_default=False)
    ] = None,
    *,
    screen: JsonOnly,
) -> None:
    """List the boards, or show one."""
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


@with_groups
def doctor(screen: JsonOnly) -> None:
    """Check compiler, emulator and packages, with install hints."""
    checks = doctoring.checks()
    for check in checks:
        mark = "ok     " if check.ok else ("missing" if check.required else "absent ")
        screen.show(f"{mark}  {check.name}: {check.found or check.hint}")
    screen.give([vars(c) for c in checks])
    if any(c.required and not c.ok for c in checks):
        raise typer.Exit(ToolError.exit_code)
