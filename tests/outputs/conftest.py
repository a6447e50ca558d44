"""What the tests of project outputs share."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mcugen.compiled import Compiled
from mcugen.emit.project import project_files, write_files

Generate = Callable[[Compiled, str], Path]
Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def generate(tmp_path: Path) -> Generate:
    """Writes a project of some kind into a folder with a blank in its path."""

    def write(compiled: Compiled, kind: str) -> Path:
        folder = tmp_path / "my projects" / kind if kind != "make" else tmp_path / kind
        write_files(project_files(compiled, kind), folder)
        return folder

    return write


@pytest.fixture
def tool() -> Tool:
    """Runs a program in a folder; skips the test where it is not installed."""

    def run(folder: Path, *command: object, fails: bool = False) -> subprocess.CompletedProcess[str]:
        arguments = [str(argument) for argument in command]
        if shutil.which(arguments[0]) is None:
            pytest.skip(f"{arguments[0]} is not installed")
        result = subprocess.run(
            arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
        assert fails == (result.returncode != 0), result.stdout + result.stderr
        return result

    return run


def printed(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that the example firmware printed."""
    return [line for line in result.stdout.splitlines() if line.startswith("output")]
