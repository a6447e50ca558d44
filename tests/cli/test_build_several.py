"""`mcugen build` with several models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mcugen(tmp_path: Path) -> Run:
    """Runs the command line in a folder with two models."""
    for name in ("one", "two"):
        shutil.copy(DIGITS / "digits.onnx", tmp_path / f"{name}.onnx")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mcugen", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


BUILD = ("build", "one.onnx", "two.onnx", "--calibration", DIGITS / "calibration.npz")


def test_two_models_share_the_arena(mcugen: Run, tmp_path: Path) -> None:
    result = mcugen(*BUILD, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["arena_bytes"] == max(m["arena_bytes"] for m in report["models"])
    assert report["stack_bytes"] > 0
    assert (tmp_path / "one_and_two" / "include" / "one_and_two_arena.h").is_file()
    refused = mcugen("run", "one_and_two")
    assert refused.returncode == 2 and "models/two" in refused.stderr


def test_concurrent(mcugen: Run) -> None:
    result = mcugen(*BUILD, "--concurrent", "--no-compile", "--name", "both", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["out"] == "both"
    assert report["arena_bytes"] == sum(m["arena_bytes"] for m in report["models"])


def test_table(mcugen: Run) -> None:
    result = mcugen(*BUILD, "--no-compile", "--out", "here")
    assert result.returncode == 0, result.stderr
    assert "one" in result.stdout and "apart they need" in result.stdout and "wrote here" in result.stdout


def test_same_model_twice_is_refused(mcugen: Run, tmp_path: Path) -> None:
    twice = mcugen("build", "one.onnx", "one.onnx", "--calibration", "random", "--name", "both")
    assert twice.returncode == 2 and "one.h" in twice.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.onnx", "two.onnx"]
