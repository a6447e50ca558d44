"""Firmware of models whose image comes by rows: what the whole image gives, on cores with and without vectors.

The runner gives rows only in order, and fails when one is left out or asked for twice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcugen import toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, compile_model
from mcugen.emit.project import library_files, write_files
from mcugen.errors import ToolError
from mcugen.firmware import build_runner, run_cases
from mcugen.inputs import generated_cases, load_test_data
from mcugen.interp import evaluate
from mcugen.lowering import Optimize
from mcugen.manifest import manifest_of
from tests.support.compare import assert_equal_bytes
from tests.support.zoo import Zoo

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
BOARDS = ("mps2-an386", "mps3-an547")
# Besides int8 images one of floats, which are quantized row by row, and one with branches.
MODELS = ("vww_96_int8", "ic_resnet8_int8", "mltk_rock_paper_scissors_float_io")
CASES = ("random", "ramp")


@pytest.fixture(scope="module", autouse=True)
def _needs_tools() -> None:
    try:
        toolchain.find_toolchain()
    except ToolError as error:
        pytest.skip(error.message)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("board_name", BOARDS)
def test_golden_outputs(zoo: Zoo, model: str, board_name: str, tmp_path: Path) -> None:
    entry, board = zoo.entry(model), load_board(board_name)
    compiled = compile_model(entry.path, board, CompileOptions(input_rows=""))
    (x,), (y,) = compiled.graph.inputs, compiled.graph.outputs
    manifest = manifest_of(compiled, "library")
    assert manifest.streamed_input == x
    write_files(library_files(compiled), tmp_path)
    elf = build_runner(tmp_path, manifest, board, tmp_path / "runner.elf")
    golden = entry.golden()
    numbers = [list(golden["cases"]).index(name) for name in CASES]
    result = run_cases(elf, manifest, board, [{x: golden["in0"][k]} for k in numbers])
    for k, outputs in zip(numbers, result.outputs, strict=True):
        assert_equal_bytes(outputs[y], golden["out0"][k], f"case {golden['cases'][k]}")


@pytest.mark.parametrize("optimize", ["ram", "speed"])
@pytest.mark.parametrize("board_name", ["mps2-m0", *BOARDS])
def test_layers(board_name: str, optimize: Optimize, tmp_path: Path) -> None:
    """The digits, layer by layer, at the other levels."""
    board = load_board(board_name)
    options = CompileOptions(
        calibration=str(DIGITS / "calibration.npz"), input_rows="image", optimize=optimize
    )
    compiled = compile_model(DIGITS / "digits.onnx", board, options)
    manifest = manifest_of(compiled, "library")
    write_files(library_files(compiled), tmp_path)
    cases = (
        *load_test_data(DIGITS / "test.npz", manifest.inputs).cases[:2],
        *generated_cases(manifest.inputs),
    )
    elf = build_runner(tmp_path, manifest, board, tmp_path / "runner.elf", hooks=True)
    result = run_cases(elf, manifest, board, cases, trace=True)
    for case, output, trace in zip(cases, result.outputs, result.trace, strict=True):
        values = evaluate(compiled.graph, case)
        for name, array in {**trace, **output}.items():
            np.testing.assert_array_equal(array, values[name], err_msg=name)
