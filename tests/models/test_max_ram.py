"""--max-ram: what fits, how fast it is for how many bytes, and that it stays exact."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mcugen import toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, check_arena, compile_for, load_quantized
from mcugen.compiled import Compiled
from mcugen.emit.project import library_files, write_files
from mcugen.errors import DoesNotFitError, ToolError
from mcugen.firmware import build_runner, run_cases
from mcugen.fit import operators_by_rows
from mcugen.interp import Interpreter
from mcugen.ir import Graph, Op, Tensor
from mcugen.lowering import Optimize
from mcugen.manifest import manifest_of
from mcugen.ops import Add, Conv2D, DepthwiseConv2D, MaxPool2D
from mcugen.rows import select
from tests.support.compare import assert_equal_bytes
from tests.support.graphs import activation, graph, int8_constant, int32_constant, random_inputs
from tests.support.zoo import Zoo

BOARDS = ("mps2-an386", "mps3-an547")


def residual() -> Graph:
    """A few convolutions, with a sum around two of them, of an image that soon becomes small."""
    same = {"kernel": (3, 3), "padding": (1, 1, 1, 1)}
    ops: tuple[Op, ...] = (
        Conv2D(inputs=("image", "w0", "b0"), outputs=("first",), origin="first", **same),  # type: ignore[arg-type]
        DepthwiseConv2D(inputs=("first", "w1", "b1"), outputs=("second",), origin="second", **same),  # type: ignore[arg-type]
        Conv2D(inputs=("second", "w2", "b2"), outputs=("third",), origin="third", kernel=(1, 1)),
        Add(inputs=("first", "third"), outputs=("sum",), origin="sum"),
        MaxPool2D(inputs=("sum",), outputs=("small",), origin="pool", kernel=(4, 4), stride=(4, 4)),
        Conv2D(inputs=("small", "w3", "b3"), outputs=("last",), origin="last", kernel=(1, 1)),
    )
    tensors: list[Tensor] = [
        activation("image", 1, 24, 24, 3),
        *(activation(name, 1, 24, 24, 12) for name in ("first", "second", "third", "sum")),
        activation("small", 1, 6, 6, 12),
        activation("last", 1, 6, 6, 4),
    ]
    shapes = ((12, 3, 3, 3), (1, 3, 3, 12), (12, 1, 1, 12), (4, 1, 1, 12))
    for i, shape in enumerate(shapes):
        channels = shape[3] if shape[0] == 1 else shape[0]
        tensors += [int8_constant(f"w{i}", shape, seed=i), int32_constant(f"b{i}", range(channels))]
    return graph(tensors, ops, "image", "last", "residual")


def _compiled(
    quantized: Quantized, board: str, max_ram: int | None, level: Optimize | None = None
) -> Compiled:
    options = CompileOptions(optimize=level or "balanced", max_ram=max_ram, any_level=level is None)
    return compile_for(quantized, "model.tflite", load_board(board), options)


def _least(quantized: Quantized, board: str) -> int:
    """The smallest number of bytes that is not refused."""
    with pytest.raises(DoesNotFitError, match="holds it") as caught:
        _compiled(quantized, board, 1)
    return int(caught.value.hint.removeprefix("--max-ram ").split(",")[0])


def _synthetic() -> Quantized:
    return Quantized(residual(), b"residual", "tflite", ())


@cache
def _from_zoo(path: Path) -> Quantized:
    return load_quantized(path, CompileOptions())


def _check_limits(quantized: Quantized, board: str, monkeypatch: pytest.MonkeyPatch, steps: int = 5) -> None:
    """Every arena is within its limit, and more bytes never make it slower as far as estimates tell."""
    ways = []
    search = select.trade_offs

    def remembered(*arguments: object) -> list[select.TradeOff]:
        if not ways:
            ways.extend(search(*arguments))  # type: ignore[arg-type]
        return ways

    monkeypatch.setattr("mcugen.compile.trade_offs", remembered)
    least, usual = _least(quantized, board), _compiled(quantized, board, None).memory.arena_bytes
    assert least < usual
    found = [_compiled(quantized, board, int(n)) for n in np.linspace(least, usual - 1, steps)]
    efforts = {id(way.program): way.effort for way in ways}
    for n, compiled in zip(np.linspace(least, usual - 1, steps), found, strict=True):
        assert compiled.memory.arena_bytes <= int(n)
    taken = [efforts[id(c.program)] for c in found if id(c.program) in efforts]
    assert taken and taken == sorted(taken, reverse=True)


@pytest.mark.parametrize("board", BOARDS)
def test_more_bytes_are_never_slower(board: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _check_limits(_synthetic(), board, monkeypatch)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("model", ["ic_resnet8_int8", "vww_96_int8"])
def test_models_of_the_zoo(zoo: Zoo, model: str, board: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _check_limits(_from_zoo(zoo.entry(model).path), board, monkeypatch)


@pytest.mark.parametrize("level", ["size", "speed"])
def test_levels_are_kept_by_rows_too(level: Optimize) -> None:
    usual = _compiled(_synthetic(), "mps2-an386", None, level)
    compiled = _compiled(_synthetic(), "mps2-an386", usual.memory.arena_bytes - 1, level)
    assert compiled.program.optimize == level and operators_by_rows(compiled.program) > 0
    assert compiled.memory.arena_bytes < usual.memory.arena_bytes
    assert any(f"--optimize {level}, " in note and "row by row" in note for note in compiled.notes)


def test_a_board_that_is_only_large_enough_for_rows() -> None:
    """The error says what would fit, and that does."""
    board, options = load_board("mps2-an386"), CompileOptions()
    usual = compile_for(_synthetic(), "model.tflite", board, options)
    tight = replace(
        board,
        memories=tuple(
            replace(m, size=usual.memory.arena_bytes - 16 + board.layout.stack_bytes)
            if m.name == board.layout.arena
            else m
            for m in board.memories
        ),
    )
    with pytest.raises(DoesNotFitError) as caught:
        check_arena(replace(usual, board=tight), options)
    assert f"--optimize ram, or --max-ram {tight.arena_bytes}" in caught.value.hint
    least = int(caught.value.hint.split("arena needs ")[1].split(" bytes")[0].replace(",", ""))
    smallest = compile_for(_synthetic(), "model.tflite", tight, CompileOptions(optimize="ram"))
    assert smallest.memory.arena_bytes == least <= tight.arena_bytes
    check_arena(smallest, CompileOptions(optimize="ram"))


@pytest.mark.parametrize("board_name", BOARDS)
@pytest.mark.parametrize("tight", [True, False])
def test_firmware_is_exact(board_name: str, tight: bool, tmp_path: Path) -> None:
    """At the smallest arena, and half way to the usual one."""
    try:
        toolchain.find_toolchain()
    except ToolError as error:
        pytest.skip(error.message)
    quantized, board = _synthetic(), load_board(board_name)
    least, usual = _least(quantized, board_name), _compiled(quantized, board_name, None).memory.arena_bytes
    compiled = _compiled(quantized, board_name, least if tight else (least + usual) // 2)
    assert operators_by_rows(compiled.program) > 0
    manifest, project = manifest_of(compiled, "library"), tmp_path / "project"
    write_files(library_files(compiled), project)
    elf = build_runner(project, manifest, board, tmp_path / "runner.elf")
    cases = [random_inputs(compiled.graph, seed) for seed in range(3)]
    result = run_cases(elf, manifest, board, cases)
    for case, outputs in zip(cases, result.outputs, strict=True):
        wanted = Interpreter(compiled.graph).run(case)
        assert_equal_bytes(
            outputs["last"], wanted["last"], f"{board_name}, {compiled.memory.arena_bytes} bytes"
        )
