"""Example firmware without an operating system: mcugen's runtime, linker scripts, and how QEMU is started."""

from __future__ import annotations

from typing import Any

from mcugen import toolchain
from mcugen.boards import Board
from mcugen.compiled import Compiled
from mcugen.emit.outputs.common import render_all
from mcugen.resources import resource_dir

RUNTIME_FOLDER = "example/runtime"
MAIN = "example/main.c"
_LINK_FLAGS = ("-nostartfiles", "-static", "-Wl,--gc-sections")


def example_files(
    compiled: Compiled, context: dict[str, Any], main: str = "example/main.c.j2"
) -> dict[str, str]:
    """The example program from a template, the runtime, the linker scripts of the board and of its emulator twin."""
    runtime = resource_dir("firmware") / "runtime"
    sources = {
        f"{RUNTIME_FOLDER}/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted(runtime.glob("*.[ch]"))
    }
    boards = {board.name: board for board in (compiled.board, compiled.board.twin())}
    board = compiled.board
    scripts = {
        # Other boards' memories matter to models that name them.
        _script(b): toolchain.linker_script(
            b, toolchain.absent_memories(board, b) if compiled.memory.spread else ()
        )
        for b in boards.values()
    }
    return {**render_all({MAIN: main}, context), **sources, **scripts}


def example_context(compiled: Compiled) -> dict[str, Any]:
    """Flags, sources and linker scripts of the example, and the command line of its emulator."""
    board = compiled.board
    twin = board.twin()
    return {
        "cpu_flags": list(toolchain.cpu_flags(board)),
        "link_flags": list(_LINK_FLAGS),
        "example_sources": [MAIN, *(f"{RUNTIME_FOLDER}/{path.name}" for path in toolchain.runtime_sources())],
        "runtime_folder": RUNTIME_FOLDER,
        "linker_script": _script(board),
        "twin": twin.name,
        "twin_title": twin.title,
        "twin_script": _script(twin),
        "has_own_emulator": board.emulator is not None,
        "has_twin": board.emulator is None,
        "arena_attribute": '__attribute__((section(".arena")))\n',
        "qemu_flags": _qemu_flags(board),
        "flash_command": board.flash_command,
    }


def _script(board: Board) -> str:
    return f"example/{board.name}.ld"


def _qemu_flags(board: Board) -> list[str]:
    """The arguments of qemu-system-arm, less the program, in groups that belong together.

    One executed instruction is one nanosecond.
    """
    emulator = board.twin().emulator
    assert emulator is not None, "load_board lets no board through whose twin has no machine"
    return [
        f"-machine {emulator.machine}",
        f"-cpu {emulator.cpu}",
        "-icount shift=0",
        "-display none -monitor none -serial none",
        "-chardev stdio,id=semihosting",
        "-semihosting-config enable=on,target=native,chardev=semihosting",
        "-kernel",
    ]
