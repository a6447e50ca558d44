"""--optimize, --tune and explain from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_cli import CALIBRATION, MODEL, Run, fails, mcugen

__all__ = ["mcugen"]  # a fixture

ON_M4 = ("-b", "mps2-an386", "--calibration", CALIBRATION)


def test_explain_shows_kernels_and_costs(mcugen: Run) -> None:
    result = mcugen("explain", MODEL, *ON_M4)
    assert result.returncode == 0, result.stderr
    for word in ("conv2d_s8_dsp", "why", "expected", "measured", "others would take"):
        assert word in result.stdout


def test_explain_as_data(mcugen: Run) -> None:
    result = mcugen("explain", MODEL, *ON_M4, "--no-measure", "--optimize", "speed", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["core"], report["optimize"]) == ("cortex-m4", "speed")
    for layer in report["layers"]:
        assert layer["kernel"].startswith(f"mcugen_{layer['contract']}_") and layer["reason"]
        assert layer["measured"] is None


def test_build_says_what_the_level_trades(mcugen: Run) -> None:
    result = mcugen("build", MODEL, *ON_M4, "--optimize", "size")
    assert result.returncode == 0, result.stderr
    assert "optimize size" in result.stdout and "speed would take" in result.stdout


def test_levels_reach_the_project(mcugen: Run, tmp_path: Path) -> None:
    for level, flag in (("size", "-Os"), ("speed", "-O2")):
        result = mcugen("build", MODEL, *ON_M4, "--optimize", level, "-o", level, "--no-compile", "-q")
        assert result.returncode == 0, result.stderr
        assert json.loads((tmp_path / level / "mcugen.json").read_text())["optimize"] == level
        assert f'_OPTIMIZE "{flag}"' in (tmp_path / level / "CMakeLists.txt").read_text()


def test_bench_compares_levels(mcugen: Run) -> None:
    result = mcugen("bench", MODEL, *ON_M4, "--optimize", "size", "--optimize", "speed", "--json")
    assert result.returncode == 0, result.stderr
    size, speed = json.loads(result.stdout)["results"]
    assert (size["optimize"], speed["optimize"]) == ("size", "speed")
    assert size["code_bytes"] <= speed["code_bytes"] and speed["instructions"] <= size["instructions"]


def test_an_unknown_level_is_refused(mcugen: Run) -> None:
    fails(mcugen("build", MODEL, *ON_M4, "--optimize", "fast"), 2, "--optimize", "balanced")


def test_tuning_for_size_is_refused(mcugen: Run) -> None:
    fails(mcugen("build", MODEL, *ON_M4, "--optimize", "size", "--tune"), 2, "--tune")
