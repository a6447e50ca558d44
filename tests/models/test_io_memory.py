"""Inputs and outputs in the caller's memory: same results, smaller arena."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, compile_model
from mcugen.emit.project import library_files, write_files
from mcugen.firmware import build_runner, run_cases
from mcugen.inputs import load_test_data
from mcugen.interp import evaluate
from mcugen.manifest import manifest_of

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def test_caller_memory_gives_the_same_and_frees_the_arena(tmp_path: Path) -> None:
    board = load_board("mps2-an386")
    sizes = {}
    for in_arena in (True, False):
        options = CompileOptions(calibration=str(DIGITS / "calibration.npz"), io_in_arena=in_arena)
        compiled = compile_model(DIGITS / "digits.onnx", board, options)
        manifest = manifest_of(compiled, "library")
        project = tmp_path / str(in_arena)
        write_files(library_files(compiled), project)
        cases = load_test_data(DIGITS / "test.npz", manifest.inputs).cases[:4]
        elf = build_runner(project, manifest, board, project / "runner.elf", hooks=True)
        result = run_cases(elf, manifest, board, cases, trace=True)
        for case, output, trace in zip(cases, result.outputs, result.trace, strict=True):
            values = evaluate(compiled.graph, case)
            for name, array in {**trace, **output}.items():
                np.testing.assert_array_equal(array, values[name], err_msg=name)
        sizes[in_arena] = compiled.memory.arena_bytes
    assert sizes[False] <= sizes[True]
