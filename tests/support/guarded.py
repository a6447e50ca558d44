"""Runs firmware with the unused bytes of the arena filled, with one pattern and then with another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mcugen.compiled import Compiled
from mcugen.emit.project import library_files, write_files
from mcugen.firmware import build_runner, run_cases
from mcugen.interp import Interpreter
from mcugen.ir import Array
from mcugen.manifest import manifest_of
from tests.support.compare import assert_equal_bytes

PATTERNS = (0xA5, 0x5A)


def build(compiled: Compiled, folder: Path, cmsis_nn: Path | None = None) -> Path:
    """The runner with hooks."""
    manifest, project = manifest_of(compiled, "library"), folder / "project"
    write_files(library_files(compiled), project)
    path = None if cmsis_nn is None else str(cmsis_nn)
    return build_runner(project, manifest, compiled.board, folder / "runner.elf", hooks=True, cmsis_nn=path)


def assert_exact(
    compiled: Compiled, elf: Path, cases: Sequence[dict[str, Array]], *, fresh_state: bool = True
) -> list[dict[str, Array]]:
    """Every tensor that a layer writes as a whole is what the interpreter gives, whatever unused bytes hold.

    Gives the interpreter's activations of each case.
    """
    expected = _expected(compiled, cases, fresh_state)
    manifest = manifest_of(compiled, "library")
    for pattern in PATTERNS:
        result = run_cases(
            elf, manifest, compiled.board, cases, fresh_state=fresh_state, trace=True, guard=pattern
        )
        for number, (wanted, trace, outputs) in enumerate(
            zip(expected, result.trace, result.outputs, strict=True)
        ):
            for layer in manifest.layers:
                for y in layer.outputs:
                    where = f"case {number}, {layer.name}, kernel {layer.kernel}, guard {pattern:#x}"
                    assert_equal_bytes(trace[y.name], wanted[y.name], where)
            for y in manifest.outputs:
                assert_equal_bytes(outputs[y.name], wanted[y.name], f"case {number}, output '{y.name}'")
    return expected


def _expected(
    compiled: Compiled, cases: Sequence[dict[str, Array]], fresh_state: bool
) -> list[dict[str, Array]]:
    """All activations of each case."""
    interpreter, results = Interpreter(compiled.graph), []
    for case in cases:
        if fresh_state:
            interpreter.reset()
        results.append(interpreter.run(case))
    return results
