"""Options of compilation are declared once, and taken by every command that compiles a model."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import typer

from mcugen.cli import app
from mcugen.cli.groups import Without, with_groups
from mcugen.cli.options import CompileFlags
from mcugen.compile import CompileOptions
from mcugen.errors import InputError
from tests.cli.test_cli import CALIBRATION, MODEL, TEST, Run, fails, mcugen

__all__ = ["mcugen"]  # the fixture

OPTIONS = {field.name for field in fields(CompileFlags)}
COMMANDS = {command.callback.__name__: command.callback for command in app.registered_commands}
ON_M4 = ("--board", "nrf52", "--calibration", CALIBRATION)


@pytest.mark.parametrize("name", ["build", "verify", "bench", "explain", "plan"])
def test_commands_that_compile_take_all_options(name: str) -> None:
    assert set(inspect.signature(COMMANDS[name]).parameters) >= OPTIONS


def test_defaults_are_those_of_the_compiler() -> None:
    assert CompileFlags().options() == CompileOptions()


@pytest.mark.parametrize("option", ["kernels", "optimize", "observer", "io", "io_memory", "output"])
def test_values_are_checked(option: str) -> None:
    with pytest.raises(InputError) as caught:
        CompileFlags(**{option: "nonsense"}).options()
    assert caught.value.where == "--" + option.replace("_", "-")


@dataclass(frozen=True)
class _Flags:
    one: Annotated[int, typer.Option()] = 1
    two: Annotated[int, typer.Option()] = 2


def test_groups_become_options() -> None:
    got: list[object] = []

    @with_groups
    def command(name: str, flags: Annotated[_Flags, Without("two")]) -> None:
        got.append((name, flags))

    assert list(inspect.signature(command).parameters) == ["name", "one"]
    command(name="a", one=5)
    assert got == [("a", _Flags(one=5))]


def test_plan_of_other_kernels(mcugen: Run) -> None:
    def arena(*options: str) -> int:
        result = mcugen("plan", MODEL, *ON_M4, "--json", *options)
        assert result.returncode == 0, result.stderr
        return int(json.loads(result.stdout)["arena_bytes"])

    assert arena("--optimize", "speed", "--output", "argmax") > 0
    assert arena("--no-overlap") > arena()
    fails(mcugen("plan", MODEL, *ON_M4, "--disable-pass", "nonsense"), 2, "--disable-pass")


def test_verify_with_inputs_of_the_caller(mcugen: Run) -> None:
    result = mcugen("verify", MODEL, *ON_M4, "--io-memory", "caller", "--output", "argmax", "--no-overlap")
    assert result.returncode == 0, result.stderr


def test_input_by_rows() -> None:
    assert CompileFlags(input_rows="stream:rows").options().input_rows == ""
    assert CompileFlags(input_rows="a=b=stream:rows").options().input_rows == "a=b"


@pytest.mark.parametrize("value", ["cases.npz", "a=rows", "=stream:rows", "stream:columns", ""])
def test_input_that_is_no_way_of_input(value: str) -> None:
    with pytest.raises(InputError, match="is not stream:rows") as caught:
        CompileFlags(input_rows=value).options()
    assert caught.value.where == "--input" and "--inputs" in caught.value.hint


def test_streamed_project_runs(mcugen: Run, tmp_path: Path) -> None:
    """The same outputs as of a project that has the whole input."""
    np.savez(tmp_path / "cases.npz", image=np.load(TEST)["image"][:5])
    for folder, *more in (("whole",), ("rows", "--input", "stream:rows")):
        assert mcugen("build", MODEL, *ON_M4, "--no-compile", "--out", folder, *more).returncode == 0
        ran = mcugen("run", folder, "--input", "cases.npz", "--output", f"{folder}.npz")
        assert ran.returncode == 0, ran.stderr
    whole, rows = (np.load(tmp_path / f"{folder}.npz")["digit"] for folder in ("whole", "rows"))
    np.testing.assert_array_equal(whole, rows)
    planned = mcugen("plan", MODEL, *ON_M4, "--input", "stream:rows")
    assert planned.returncode == 0 and "input window" in planned.stdout
    fails(mcugen("build", MODEL, *ON_M4, "--input", "x=stream:rows"), 2, "no input is called 'x'", "image")
