"""Runs a program on a board's QEMU machine, deterministically.

One executed instruction is one nanosecond of the guest's time (``-icount shift=0``), so that instruction
counts repeat exactly. The program talks through semihosting; its files are relative to the working directory
given.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mcugen.boards import Board, Emulator
from mcugen.errors import ToolError

_INSTALL_HINT = (
    "install it, on Debian or Ubuntu with: apt install qemu-system-arm; or set MCUGEN_QEMU to the program"
)
_LAST_LINES = 20


@dataclass(frozen=True)
class EmulatorResult:
    """What a program printed, its exit code, and the seconds it took on this computer."""

    stdout: str
    exit_code: int
    seconds: float


def find_qemu() -> str:
    """Path of qemu-system-arm: MCUGEN_QEMU, else the one on PATH. Raises ToolError if there is none."""
    setting = os.environ.get("MCUGEN_QEMU", "")
    path = shutil.which(setting or "qemu-system-arm")
    if path is None:
        raise ToolError(
            f"MCUGEN_QEMU={setting} is not a program" if setting else "no qemu-system-arm found on PATH",
            hint=_INSTALL_HINT,
        )
    return path


def qemu_version() -> str:
    """The first line of what QEMU says of itself. Raises ToolError if it is missing."""
    result = subprocess.run([find_qemu(), "--version"], capture_output=True, text=True, check=False)
    return result.stdout.partition("\n")[0]


def qemu_command(elf: Path, emulator: Emulator) -> list[str]:
    """The command line that runs a program on a machine."""
    return [
        find_qemu(),
        *("-machine", emulator.machine, "-cpu", emulator.cpu),
        *("-icount", "shift=0"),
        *("-display", "none", "-monitor", "none", "-serial", "none"),
        *("-chardev", "stdio,id=semihosting,signal=off"),
        *("-semihosting-config", "enable=on,target=native,chardev=semihosting"),
        *("-kernel", str(elf.resolve())),
    ]


def run(
    elf: Path,
    board: Board,
    workdir: Path,
    timeout: float = 60.0,
    *,
    check: bool = True,
    options: Sequence[str] = (),
) -> EmulatorResult:
    """Runs a program linked for the board's twin (``board.twin()``) until it exits.

    timeout: seconds on this computer. check: an exit code other than 0 is an error. options: more for QEMU.
    Raises ToolError, with the last lines printed, if the program hangs, locks up or (with check) faults
    or ends with an error, and if QEMU itself fails or is missing.
    """
    _check_program(elf)
    emulator = board.twin().emulator
    assert emulator is not None, "load_board lets no board through whose twin has no machine"
    command = [*qemu_command(elf, emulator), *options]
    start = time.monotonic()
    try:
        process = subprocess.run(
            command, cwd=workdir, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        output = _text(error.stdout) + _text(error.stderr)
        raise _failure(elf, emulator, f"did not end within {timeout:g} seconds", output) from error
    except OSError as error:
        raise ToolError(f"cannot run {command[0]}: {error.strerror}", hint=_INSTALL_HINT) from error
    result = EmulatorResult(_text(process.stdout), process.returncode, time.monotonic() - start)
    if result.exit_code < 0:
        # QEMU gives up (SIGABRT) on a core that locks up
        problem = f"stopped QEMU with signal {-result.exit_code}"
        raise _failure(elf, emulator, problem, result.stdout + _text(process.stderr))
    if check and result.exit_code != 0:
        problem = f"ended with exit code {result.exit_code}"
        raise _failure(elf, emulator, problem, result.stdout + _text(process.stderr))
    return result


def _check_program(elf: Path) -> None:
    """QEMU would take any other file for a memory image and run whatever is in it."""
    try:
        with elf.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise ToolError(f"cannot read the program: {error.strerror}", where=str(elf)) from error
    if magic != b"\x7fELF":
        raise ToolError("is not an ELF program", where=str(elf))


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")


def _failure(elf: Path, emulator: Emulator, problem: str, output: str) -> ToolError:
    lines = output.strip().splitlines()[-_LAST_LINES:]
    return ToolError("\n".join([f"the program {problem}", *lines]), where=f"{elf.name} on {emulator.machine}")
