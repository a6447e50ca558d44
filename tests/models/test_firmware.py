"""Firmware of the reference models on every core, under the emulator: outputs and all inner layers, byte for byte.

Outputs are held against the golden vectors, inner layers against the interpreter, which test_golden_vectors.py holds
against TFLM. Before every layer the runner fills what the plan leaves unused of the arena, and checks it afterwards:
nothing is read or written outside the plan.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

import pytest

from mcugen import toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for, load_quantized
from mcugen.compiled import Compiled
from mcugen.errors import ToolError
from mcugen.ir import Array
from mcugen.lowering import Optimize, Rules
from mcugen.memory.liveness import plan_memory
from tests.rows.drawn import divided, pieces_of
from tests.support import guarded
from tests.support.compare import assert_equal_bytes
from tests.support.zoo import Entry, Zoo

BOARDS = ("mps2-m0", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
MODELS = (
    "vww_96_int8",
    "kws_ref_int8",
    "ic_resnet8_int8",
    "ad01_int8",
    "ad01_int8_float_io",
    "sww_ref_int8",
    "person_detect_int8",
    "micro_speech_int8",
    "keyword_scrambled_8bit",
    "svdf_rescaled_int8",
    "hello_world_int8",
)
CASES = ("random", "ramp", "gauss_mid")


@pytest.fixture(scope="module", autouse=True)
def _needs_tools() -> None:
    try:
        toolchain.find_toolchain()
    except ToolError as error:
        pytest.skip(error.message)


@cache
def _quantized(path: Path) -> Quantized:
    return load_quantized(path, CompileOptions())


def _assert_exact(entry: Entry, compiled: Compiled, folder: Path, cmsis_nn: Path | None = None) -> None:
    """Builds with hooks, runs the cases, and compares every tensor that a layer writes, the first layer first."""
    golden = entry.golden()
    numbers = [list(golden["cases"]).index(name) for name in CASES]
    cases: list[dict[str, Array]] = [
        {n: golden[f"in{i}"][k] for i, n in enumerate(compiled.graph.inputs)} for k in numbers
    ]
    elf = guarded.build(compiled, folder, cmsis_nn)
    for values, k in zip(guarded.assert_exact(compiled, elf, cases), numbers, strict=True):
        for i, name in enumerate(compiled.graph.outputs):
            assert_equal_bytes(values[name], golden[f"out{i}"][k], f"'{name}' of case {golden['cases'][k]}")
    if entry.stateful:
        guarded.assert_exact(compiled, elf, cases, fresh_state=False)


def _compiled(entry: Entry, board: str, options: CompileOptions) -> Compiled:
    return compile_for(_quantized(entry.path), entry.path.name, load_board(board), options)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("board", BOARDS)
def test_native_kernels(zoo: Zoo, board: str, model: str, tmp_path: Path) -> None:
    entry = zoo.entry(model)
    _assert_exact(entry, _compiled(entry, board, CompileOptions()), tmp_path)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("board", BOARDS)
def test_cmsis_nn_kernels(zoo: Zoo, cmsis_nn: Path, board: str, model: str, tmp_path: Path) -> None:
    entry = zoo.entry(model)
    _assert_exact(entry, _compiled(entry, board, CompileOptions(kernels="cmsis-nn")), tmp_path, cmsis_nn)


def _level(zoo: Zoo, board: str, model: str, optimize: Optimize, folder: Path) -> None:
    entry = zoo.entry(model)
    _assert_exact(entry, _compiled(entry, board, CompileOptions(optimize=optimize)), folder)


@pytest.mark.parametrize("optimize", ["size", "speed", "ram"])
@pytest.mark.parametrize("model", ["ad01_int8", "sww_ref_int8", "keyword_scrambled_8bit"])
@pytest.mark.parametrize("board", ["mps2-m0", "mps2-an386", "mps3-an547"])
def test_levels(zoo: Zoo, board: str, model: str, optimize: Optimize, tmp_path: Path) -> None:
    _level(zoo, board, model, optimize, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("optimize", ["size", "speed", "ram"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("board", BOARDS)
def test_all_levels(zoo: Zoo, board: str, model: str, optimize: Optimize, tmp_path: Path) -> None:
    _level(zoo, board, model, optimize, tmp_path)


@pytest.mark.parametrize("model", ["vww_96_int8", "ic_resnet8_int8", "kws_ref_int8", "person_detect_int8"])
@pytest.mark.parametrize("board", ["mps2-m0", "mps2-an385", "mps2-an386", "mps3-an547"])
def test_random_division_into_steps(zoo: Zoo, board: str, model: str, tmp_path: Path) -> None:
    """By rows in other ways than the search of --optimize ram would find, which takes longer."""
    entry, target = zoo.entry(model), load_board(board)
    graph = _quantized(entry.path).graph
    pieces = pieces_of(graph, Random(f"{model} {board}"))
    program = divided(graph, pieces, Rules(target.instruction_class, optimize="ram"))
    compiled = Compiled("divided", entry.path.name, b"", target, program, plan_memory(program))
    _assert_exact(entry, compiled, tmp_path)
