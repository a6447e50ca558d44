"""The runner's guard lets a good plan pass, and stops at layers that touch what the plan leaves unused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcugen import toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for
from mcugen.compiled import Compiled
from mcugen.errors import ToolError
from mcugen.firmware import run_cases
from mcugen.ir import Graph
from mcugen.manifest import manifest_of
from mcugen.memory import Buffer
from mcugen.memory.lives import MADE_BEFORE, buffer_lives
from tests.support import guarded
from tests.support.graphs import classifier, random_inputs

BOARD = "mps2-an386"


@pytest.fixture(scope="module", autouse=True)
def _needs_tools() -> None:
    try:
        toolchain.find_toolchain()
    except ToolError as error:
        pytest.skip(error.message)


def compiled(graph: Graph) -> Compiled:
    return compile_for(
        Quantized(graph, b"guarded", "tflite", ()), "guarded.tflite", load_board(BOARD), CompileOptions()
    )


def shifted(made: Compiled, name: str, by: int) -> Compiled:
    """The tensor lies elsewhere than the plan says; there is some room behind the arena as planned."""
    memory = made.memory
    plan = replace(memory.plan, peaks={n: peak + 64 for n, peak in memory.plan.peaks.items()})
    offsets = {**memory.offsets, name: memory.offsets[name] + by}
    return replace(made, memory=replace(memory, plan=plan, offsets=offsets))


def changed(made: Compiled, change: Callable[[Buffer], Buffer | None]) -> Compiled:
    """A table of live ranges made of other buffers."""
    buffers = tuple(b for b in map(change, made.memory.problem.buffers) if b is not None)
    problem = replace(made.memory.problem, buffers=buffers, overlaps=())
    return replace(made, memory=replace(made.memory, problem=problem))


def run(made: Compiled, folder: Path) -> None:
    guarded.assert_exact(made, guarded.build(made, folder), [random_inputs(made.graph)])


def test_a_good_plan_passes(tmp_path: Path) -> None:
    run(compiled(classifier()), tmp_path)


def test_an_output_that_lies_a_row_further_is_caught(tmp_path: Path) -> None:
    made = compiled(classifier())
    layer = next(i for i, y in enumerate(manifest_of(made, "library").layers) if y.outputs[0].name == "conv")
    with pytest.raises(ToolError, match=rf"runner: layer {layer} wrote byte \d+ of arena"):
        run(shifted(made, "conv", 6 * 4), tmp_path)


def test_a_missing_live_range_is_caught(tmp_path: Path) -> None:
    made = changed(compiled(classifier()), lambda b: None if b.name == "conv" else b)
    with pytest.raises(ToolError, match=r"exit code 12\n.*runner: layer 0 wrote byte \d+ of arena"):
        run(made, tmp_path)


def test_a_missing_live_range_within_another_is_caught(tmp_path: Path) -> None:
    """The logits lie on the input of their layer, which so may write there; then they are lost."""
    made = changed(compiled(classifier()), lambda b: None if b.name == "logits" else b)
    with pytest.raises(AssertionError, match="probabilities"):
        run(made, tmp_path)


def test_a_live_range_that_ends_too_early_is_caught(tmp_path: Path) -> None:
    """What the next layer reads was overwritten before: the outputs differ from the reference, and by pattern."""
    made = changed(compiled(classifier()), lambda b: replace(b, upper=b.upper - 1) if b.name == "conv" else b)
    with pytest.raises((AssertionError, ToolError)):
        run(made, tmp_path)
    elf, manifest = tmp_path / "runner.elf", manifest_of(made, "library")
    results = [
        run_cases(elf, manifest, made.board, [random_inputs(made.graph)], trace=True, guard=pattern)
        for pattern in guarded.PATTERNS
    ]
    first, second = (result.trace[0]["pool"] for result in results)
    assert not np.array_equal(first, second)


def test_without_a_pattern_nothing_is_guarded(tmp_path: Path) -> None:
    made = shifted(compiled(classifier()), "conv", 6 * 4)
    elf = guarded.build(made, tmp_path)
    run_cases(elf, manifest_of(made, "library"), made.board, [random_inputs(made.graph)])


def test_the_generated_code_has_the_table_for_hooks_only(tmp_path: Path) -> None:
    guarded.build(compiled(classifier()), tmp_path)
    source = (tmp_path / "project" / "src" / "guarded.c").read_text(encoding="utf-8")
    assert re.search(r"#ifdef GUARDED_HOOKS\nconst .*live_ranges\[\].*#endif\n$", source, re.DOTALL)


def test_lives_are_counted_in_layers() -> None:
    """Views are no layers; inputs are there before the first, outputs stay to the last."""
    made = compiled(classifier())
    layers = len(manifest_of(made, "library").layers)
    lives = buffer_lives(made.program, made.memory)
    assert (lives["image"].made, lives["image"].last) == (MADE_BEFORE, 0)
    assert (lives["conv"].made, lives["conv"].last) == (0, 1)
    assert (lives["pool"].made, lives["pool"].last) == (1, 2)
    assert lives["probabilities"].last == layers - 1
