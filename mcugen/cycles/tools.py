"""Runs the programs this package needs: host compiler, disassembler, emulator."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from mcugen.errors import ToolError

_LAST_LINES = 20


def run_tool(
    command: Sequence[str], *, cwd: Path | None = None, seconds: float | None = None, hint: str = ""
) -> str:
    """Standard output. Raises ToolError when the tool cannot run, fails, or takes longer than ``seconds``."""
    name = Path(command[0]).name
    try:
        result = subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except OSError as error:
        raise ToolError(f"cannot run {command[0]}: {error.strerror}", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"did not end within {seconds:g} seconds", where=name, hint=hint) from error
    output = result.stdout.decode(errors="replace")
    if result.returncode != 0:
        lines = (output + result.stderr.decode(errors="replace")).strip().splitlines()[-_LAST_LINES:]
        raise ToolError("\n".join([f"failed: {' '.join(command)}", *lines]), where=name, hint=hint)
    return output
