"""Firmware of the reference models on every core, under the emulator: outputs and all inner layers, byte for byte.

The interpreter is the reference here; test_golden_vectors.py holds it against TFLM.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from mcugen import toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for, load_quantized
from mcugen.compiled import Compiled
from mcugen.emit.project import library_files, write_files
from mcugen.errors import ToolError
from mcugen.firmware import build_runner, run_cases
from mcugen.interp import Interpreter
from mcugen.ir import Array
from mcugen.lowering import Kernels
from mcugen.manifest import manifest_of
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


def _golden_cases(entry: Entry, compiled: Compiled) -> list[dict[str, Array]]:
    golden = entry.golden()
    numbers = [list(golden["cases"]).index(name) for name in CASES]
    return [{n: golden[f"in{i}"][k] for i, n in enumerate(compiled.graph.inputs)} for k in numbers]


def _expected(compiled: Compiled, cases: list[dict[str, Array]], fresh_state: bool) -> list[dict[str, Array]]:
    """All activations of each case."""
    interpreter, results = Interpreter(compiled.graph), []
    for case in cases:
        if fresh_state:
            interpreter.reset()
        results.append(interpreter.run(case))
    return results


def _assert_exact(
    entry: Entry, board_name: str, kernels: Kernels, folder: Path, cmsis_nn: Path | None = None
) -> None:
    """Builds with hooks, runs the cases, and compares every tensor that a layer writes, the first layer first."""
    board, options = load_board(board_name), CompileOptions(kernels=kernels)
    compiled = compile_for(_quantized(entry.path), entry.path.name, board, options)
    manifest = manifest_of(compiled, "library")
    project = folder / "project"
    write_files(library_files(compiled), project)
    path = None if cmsis_nn is None else str(cmsis_nn)
    elf = build_runner(project, manifest, board, folder / "runner.elf", hooks=True, cmsis_nn=path)
    cases = _golden_cases(entry, compiled)
    for fresh_state in (True, False) if entry.stateful else (True,):
        result = run_cases(elf, manifest, board, cases, fresh_state=fresh_state, trace=True)
        expected = _expected(compiled, cases, fresh_state)
        for name, wanted, trace, outputs in zip(CASES, expected, result.trace, result.outputs, strict=True):
            for layer in manifest.layers:
                for y in layer.outputs:
                    where = f"case {name}, {layer.name}, kernel {layer.kernel}"
                    assert_equal_bytes(trace[y.name], wanted[y.name], where)
            for y in manifest.outputs:
                assert_equal_bytes(outputs[y.name], wanted[y.name], f"case {name}, output '{y.name}'")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("board", BOARDS)
def test_native_kernels(zoo: Zoo, board: str, model: str, tmp_path: Path) -> None:
    _assert_exact(zoo.entry(model), board, "native", tmp_path)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("board", BOARDS)
def test_cmsis_nn_kernels(zoo: Zoo, cmsis_nn: Path, board: str, model: str, tmp_path: Path) -> None:
    _assert_exact(zoo.entry(model), board, "cmsis-nn", tmp_path, cmsis_nn)
