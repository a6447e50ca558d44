"""Several models in one project: who may share bytes, and firmware that runs all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for
from mcugen.compiled import Compiled
from mcugen.emit.project import write_files
from mcugen.emit.several import Several, several_files, together
from mcugen.errors import DoesNotFitError, InputError
from mcugen.interp import evaluate
from mcugen.ir import DType, QuantParams, Tensor
from mcugen.manifest import read_manifest
from mcugen.several import build_several
from tests.outputs.conftest import Tool
from tests.outputs.tiny import tiny_graph

STRICT = "-Wall -Wextra -Wconversion -Wshadow -Werror"
Write = Callable[[Several, str], Path]


def model(name: str, *, padded: bool = False, board: str = "nrf52", io_in_arena: bool = True) -> Compiled:
    quantized = Quantized(tiny_graph(padded=padded), b"tiny", "tflite", ())
    options = CompileOptions(name=name, io_in_arena=io_in_arena)
    return compile_for(quantized, f"{name}.tflite", load_board(board), options)


def with_state(compiled: Compiled) -> Compiled:
    """The same with a state, as far as the arena is concerned."""
    state = Tensor("state", DType.INT8, (16,), QuantParams.per_tensor(1.0, 0), np.zeros(16, np.int8), True)
    graph = compiled.graph.replace(tensors={**compiled.graph.tensors, "state": state})
    return replace(compiled, program=replace(compiled.program, graph=graph))


def sizes(several: Several) -> list[int]:
    return [part.compiled.memory.arena_bytes for part in several.parts]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def files(several: Several, kind: str) -> Path:
        write_files(several_files(several, kind), tmp_path / kind)
        return tmp_path / kind

    return files


def expected(several: Several) -> list[str]:
    """What the example prints: the outputs for inputs of zero bytes."""
    lines = []
    for part in several.parts:
        graph = part.compiled.graph
        inputs = {n: np.zeros(graph.tensors[n].shape, graph.tensors[n].dtype.numpy) for n in graph.inputs}
        values = evaluate(graph, inputs)[graph.outputs[0]].reshape(-1)
        lines.append(f"{part.name} output: {' '.join(map(str, values))}")
    return lines


def printed(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"\w+ output:", line)]


def test_arena_is_the_largest() -> None:
    several = together("both", [model("one"), model("two", padded=True)], concurrent=False)
    assert [part.offset for part in several.parts] == [0, 0]
    assert several.arena_bytes == max(sizes(several))


def test_concurrent_arena_is_the_sum() -> None:
    several = together("both", [model("one"), model("two", padded=True)], concurrent=True)
    assert several.parts[1].offset >= sizes(several)[0]
    assert several.arena_bytes == sum((size + 15) // 16 * 16 for size in sizes(several))


def test_states_are_kept_apart() -> None:
    models = [with_state(model("a")), model("b"), with_state(model("c")), model("d", padded=True)]
    several = together("all_of_them", models, concurrent=False)
    a, b, c, d = several.parts
    assert b.offset == d.offset == 0
    assert a.offset >= max(sizes(several)[1], sizes(several)[3])
    assert c.offset >= a.offset + sizes(several)[0]
    assert several.arena_bytes >= c.offset + sizes(several)[2]


@pytest.mark.parametrize(
    ("project", "names"),
    [("both", ["same", "same"]), ("one", ["one", "two"]), ("x", ["x_arena", "y"]), ("p", ["A", "a"])],
)
def test_equal_names_are_refused(project: str, names: list[str]) -> None:
    with pytest.raises(InputError, match="would be called"):
        together(project, [model(name) for name in names], concurrent=False)


def test_other_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="one model at a time"):
        several_files(together("both", [model("one"), model("two")], concurrent=False), "zephyr")


def test_too_large_together(tmp_path: Path) -> None:
    """Each fits, and both do when they share; apart they do not."""
    models = [model("one"), model("two")]
    size = models[0].memory.arena_bytes
    board = load_board("nrf52")
    small = _Small(board, size + 100)
    models = [replace(m, board=small) for m in models]
    with pytest.raises(DoesNotFitError, match="two"):
        build_several(together("both", models, concurrent=True), "cmake", tmp_path / "out", lambda text: None)
    assert not (tmp_path / "out").exists()


class _Small:
    """A board with less memory for the arena."""

    def __init__(self, board: object, arena_bytes: int) -> None:
        self._board, self.arena_bytes = board, arena_bytes

    def __getattr__(self, name: str) -> object:
        return getattr(self._board, name)


@pytest.mark.parametrize("concurrent", [False, True])
@pytest.mark.parametrize("io_in_arena", [True, False])
def test_make(concurrent: bool, io_in_arena: bool, write: Write, tool: Tool) -> None:
    models = [model("one", io_in_arena=io_in_arena), model("two", padded=True, io_in_arena=io_in_arena)]
    several = together("both", models, concurrent)
    project = write(several, "make")
    tool(project, "make", f"CFLAGS=-O2 {STRICT}")
    assert printed(tool(project, "make", "-s", "run").stdout) == expected(several)
    tool(project, "make", "clean")
    assert not list(project.rglob("build"))


@pytest.mark.parametrize("board", ["nrf52", "mps2-an385"])
def test_cmake(board: str, write: Write, tool: Tool) -> None:
    several = together("both", [model("one", board=board), model("two", padded=True, board=board)], False)
    project = write(several, "cmake")
    tool(project, "cmake", "-B", "build", f"-DCMAKE_C_FLAGS={STRICT}")
    tool(project, "cmake", "--build", "build")
    assert printed(tool(project, "cmake", "--build", "build", "--target", "run").stdout) == expected(several)


def test_built_and_described(tmp_path: Path) -> None:
    several = together("both", [model("one"), model("two", padded=True)], concurrent=False)
    built = build_several(several, "cmake", tmp_path / "both", lambda text: None)
    assert built.footprint is not None and built.footprint.image_ram > several.arena_bytes
    assert (tmp_path / "both" / "firmware" / "both.elf").is_file()
    manifest = json.loads((tmp_path / "both" / "mcugen.json").read_text())
    assert [m["name"] for m in manifest["models"]] == ["one", "two"]
    assert read_manifest(tmp_path / "both" / "models" / "two").name == "two"
    with pytest.raises(InputError, match="several models"):
        read_manifest(tmp_path / "both")
