"""Models spread over small made-up memories, in the emulator: every layer and output, byte for byte.

Copies are done at once by memcpy, and as late as a hook may do them; the runner has guards around every buffer, and
fills what is unused before each layer, see tests/support/guarded.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcugen import toolchain
from mcugen.boards import Board, load_board
from mcugen.compile import CompileOptions, Quantized, compile_for, load_quantized
from mcugen.compiled import Compiled
from mcugen.emit.project import library_files, write_files
from mcugen.errors import ToolError
from mcugen.firmware import build_runner, run_cases
from mcugen.interp import Interpreter
from mcugen.ir import Array
from mcugen.manifest import manifest_of, read_manifest
from tests.memory.residual import residual_graph
from tests.support import graphs
from tests.support.compare import assert_equal_bytes
from tests.support.guarded import PATTERNS
from tests.support.zoo import Zoo

CASES = ("random", "ramp")
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")


@pytest.fixture(scope="module", autouse=True)
def _needs_tools() -> None:
    try:
        toolchain.find_toolchain()
    except ToolError as error:
        pytest.skip(error.message)


def slow_board(name: str, **wait_states: int) -> Board:
    """A board whose memories have other wait states."""
    board = load_board(name)
    memories = (replace(m, wait_states=wait_states.get(m.name, m.wait_states)) for m in board.memories)
    return replace(board, memories=tuple(memories))


def _project(compiled: Compiled, folder: Path) -> Path:
    write_files(library_files(compiled), folder)
    (folder / "mcugen.json").write_text(manifest_of(compiled, "library").text(), encoding="utf-8")
    return folder


def _assert_exact(
    compiled: Compiled, cases: list[dict[str, Array]], folder: Path
) -> tuple[Mapping[str, Array], ...]:
    """Runs the cases one after the other, states kept, with both ways of copying; returns the outputs."""
    project = _project(compiled, folder / "project")
    manifest, board = read_manifest(project), compiled.board
    interpreter = Interpreter(compiled.graph)
    expected = [interpreter.run(case) for case in cases]
    for hook, pattern in zip((False, True) if manifest.copies else (False, False), PATTERNS, strict=True):
        elf = build_runner(project, manifest, board, folder / "runner.elf", hooks=True, copy_hook=hook)
        result = run_cases(elf, manifest, board, cases, fresh_state=False, trace=True, guard=pattern)
        for wanted, trace, outputs in zip(expected, result.trace, result.outputs, strict=True):
            for layer in manifest.layers:
                for y in layer.outputs:
                    assert_equal_bytes(trace[y.name], wanted[y.name], f"hook {hook}, {layer.name}")
            for y in manifest.outputs:
                assert_equal_bytes(outputs[y.name], wanted[y.name], f"hook {hook}, output '{y.name}'")
    return result.outputs


@pytest.mark.parametrize(
    ("board", "model", "regions", "kinds"),
    [
        (slow_board("mps2-an386", ssram1=7), "vww_96_int8", "ssram23=6K,psram=40K", {"keep", "stage"}),
        (slow_board("mps2-an500", ssram1=7), "ic_resnet8_int8", "ssram23=20K,psram=36K", {"stage"}),
        (slow_board("mps3-an547"), "ic_resnet8_int8", "dtcm=18K,isram=8K,sram=40K", {"keep", "stage"}),
        (slow_board("mps3-an547"), "vww_96_int8", "dtcm=8K,isram=36K,ddr", {"keep", "stage"}),
        (slow_board("mps2-an386", ssram1=7), "sww_ref_int8", "ssram23=2K,psram=5K", {"stage"}),
        (
            slow_board("mps2-an500", psram=30),
            "keyword_scrambled_8bit",
            "ssram23=2K,psram=5K",
            {"spill", "restore"},
        ),
        (slow_board("mps3-an547"), "sww_ref_int8", "dtcm=1800,isram=4K,ddr", {"keep"}),
    ],
    ids=lambda value: value.name if isinstance(value, Board) else None,
)
def test_zoo(zoo: Zoo, board: Board, model: str, regions: str, kinds: set[str], tmp_path: Path) -> None:
    entry, options = zoo.entry(model), CompileOptions(regions=regions)
    compiled = compile_for(load_quantized(entry.path, options), entry.path.name, board, options)
    spread = compiled.memory.spread
    assert spread is not None and len(compiled.memory.plan.peaks) > 1
    assert kinds <= {copy.kind for copy in spread.copies}
    golden = entry.golden()
    numbers = [list(golden["cases"]).index(name) for name in CASES]
    inputs = compiled.graph.inputs
    cases = [{n: golden[f"in{i}"][k] for i, n in enumerate(inputs)} for k in numbers]
    outputs = _assert_exact(compiled, cases, tmp_path)
    for k, found in zip(numbers, [] if entry.stateful else outputs, strict=False):
        for i, name in enumerate(compiled.graph.outputs):
            assert_equal_bytes(found[name], golden[f"out{i}"][k], f"golden output {i}")


def test_rows_in_regions(zoo: Zoo, tmp_path: Path) -> None:
    """Operators computed together row by row, with their windows and constants in several memories."""
    entry = zoo.entry("vww_96_int8")
    options = CompileOptions(regions="ssram23=10K,psram=32K", optimize="ram")
    board = slow_board("mps2-an386", ssram1=7)
    compiled = compile_for(load_quantized(entry.path, options), entry.path.name, board, options)
    assert any(len(step.ops) > 1 for step in compiled.program.steps)
    assert compiled.memory.spread is not None and len(compiled.memory.plan.peaks) == 2
    golden = entry.golden()
    _assert_exact(compiled, [{compiled.graph.inputs[0]: golden["in0"][0]}], tmp_path)


@pytest.mark.parametrize("board", ["mps2-an386", "mps2-an500"])
def test_a_spilled_tensor(board: str, tmp_path: Path) -> None:
    options = CompileOptions(regions="ssram23=1700,psram=4K")
    quantized = Quantized(residual_graph(), b"", "tflite", ())
    compiled = compile_for(quantized, "residual.tflite", slow_board(board, psram=59), options)
    assert compiled.memory.spread is not None
    assert Counter(copy.kind for copy in compiled.memory.spread.copies) == {"spill": 1, "restore": 1}
    _assert_exact(compiled, [graphs.random_inputs(compiled.graph, seed) for seed in range(3)], tmp_path)


def test_inputs_and_outputs_of_the_caller(tmp_path: Path) -> None:
    options = CompileOptions(regions="ssram23=1300,psram=4K", io_in_arena=False)
    quantized = Quantized(residual_graph(), b"", "tflite", ())
    compiled = compile_for(quantized, "residual.tflite", load_board("mps2-an386"), options)
    _assert_exact(compiled, [graphs.random_inputs(compiled.graph, seed) for seed in range(2)], tmp_path)


@pytest.mark.parametrize(
    "defines", [(), ("RESIDUAL_BUILTIN_ARENA",), ("RESIDUAL_HOOKS", "RESIDUAL_COPY_HOOK")]
)
def test_generated_c_compiles_without_warnings(defines: tuple[str, ...], tmp_path: Path) -> None:
    options = CompileOptions(regions="ssram23=1700,psram=4K")
    quantized = Quantized(residual_graph(), b"", "tflite", ())
    board = slow_board("mps2-an386", psram=59, ssram1=200)
    compiled = compile_for(quantized, "residual.tflite", board, options)
    assert compiled.memory.spread is not None and len(compiled.memory.spread.copies) > 2
    project = _project(compiled, tmp_path)
    manifest = manifest_of(compiled, "library")
    includes = tuple(project / d for d in manifest.include_dirs)
    toolchain.compile_sources(
        board,
        [project / s for s in manifest.sources],
        toolchain.CompileOptions(includes, defines, extra=STRICT),
    )


def test_a_board_whose_emulator_has_other_memories(tmp_path: Path) -> None:
    """The twin's arena holds what the board has in memories that the twin has not."""
    board = load_board("stm32f746g-disco")
    options = CompileOptions(regions="auto")
    quantized = Quantized(graphs.classifier(), b"", "tflite", ())
    compiled = compile_for(quantized, "classifier.tflite", board, options)
    manifest = manifest_of(compiled, "library")
    assert [(r.name, r.memory, r.section) for r in manifest.regions] == [("dtcm", "dtcm", ".mcugen.dtcm")]
    _assert_exact(compiled, [graphs.random_inputs(compiled.graph)], tmp_path)
    project = tmp_path / "project"
    elf = build_runner(project, manifest, board, tmp_path / "twin.elf")
    assert toolchain.section_sizes(elf).arena >= manifest.arena_bytes
    assert np.all([r.bytes > 0 for r in manifest.regions])
