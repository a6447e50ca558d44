"""Several models in one project: who may share bytes, and firmware that runs all of them."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for
from mcugen.compiled import Compiled
from mcugen.emit.outputs import OUTPUTS
from mcugen.emit.project import write_files
from mcugen.emit.several import Several, several_files, together
from mcugen.errors import DoesNotFitError, InputError
from mcugen.interp import evaluate
from mcugen.ir import DType, QuantParams, Tensor
from mcugen.lowering import Kernels
from mcugen.manifest import read_manifest
from mcugen.several import build_several
from tests.outputs.conftest import Tool
from tests.outputs.test_zephyr import kconfig, stand_in, values
from tests.outputs.tiny import tiny_graph

STRICT = "-Wall -Wextra -Wconversion -Wshadow -Werror"
Write = Callable[[Several, str], Path]


def model(
    name: str,
    *,
    padded: bool = False,
    board: str = "nrf52",
    io_in_arena: bool = True,
    kernels: Kernels = "native",
    input_rows: str | None = None,
) -> Compiled:
    quantized = Quantized(tiny_graph(padded=padded), b"tiny", "tflite", ())
    options = CompileOptions(name=name, io_in_arena=io_in_arena, kernels=kernels, input_rows=input_rows)
    return compile_for(quantized, f"{name}.tflite", load_board(board), options)


def with_state(compiled: Compiled) -> Compiled:
    """The same with a state, as far as the arena is concerned."""
    state = Tensor("state", DType.INT8, (16,), QuantParams.per_tensor(1.0, 0), np.zeros(16, np.int8), True)
    graph = compiled.graph.replace(tensors={**compiled.graph.tensors, "state": state})
    return replace(compiled, program=replace(compiled.program, graph=graph))


def pair(board: str, kernels: Kernels = "native", *, concurrent: bool = False) -> Several:
    """Two models; the second needs more."""
    models = [model("one", board=board, kernels=kernels), model("two", padded=True, board=board)]
    return together("both", models, concurrent)


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


# ---- Zephyr ------------------------------------------------------------------------------------------------


def test_every_kind_takes_several_models() -> None:
    for kind in OUTPUTS:
        assert several_files(pair("nrf52"), kind)["README.md"].startswith("# both")


def test_zephyr_settings(write: Write, tmp_path: Path) -> None:
    project = write(pair("nrf52", "cmsis-nn"), "zephyr")
    symbols = ("MCUGEN_BOTH", "MCUGEN_ONE", "MCUGEN_TWO", "CMSIS_NN_CONVOLUTION")
    assert values(kconfig(project, tmp_path, ""), *symbols) == ["n"] * 4
    assert values(kconfig(project, tmp_path, "CONFIG_MCUGEN_BOTH=y\n"), *symbols) == ["y"] * 4
    only_one = kconfig(project, tmp_path, "CONFIG_MCUGEN_TWO=y\n")
    assert values(only_one, *symbols) == ["n", "n", "y", "n"]


@pytest.mark.parametrize("cortex_m", [True, False])
@pytest.mark.parametrize("cmsis_nn", [True, False])
def test_zephyr_dependencies(cortex_m: bool, cmsis_nn: bool, write: Write, tmp_path: Path) -> None:
    """What a model depends on, all of them together depend on: selecting looks at no dependency."""
    project = write(pair("nrf52", "cmsis-nn"), "zephyr")
    result = kconfig(project, tmp_path, "", cortex_m=cortex_m, cmsis_nn=cmsis_nn)
    result.syms["MCUGEN_BOTH"].set_value("y")
    enabled = "y" if cortex_m and cmsis_nn else "n"
    assert values(result, "MCUGEN_BOTH", "MCUGEN_ONE", "MCUGEN_TWO") == [enabled] * 3


@pytest.mark.parametrize("concurrent", [False, True])
def test_zephyr_sample(concurrent: bool, write: Write, tool: Tool, tmp_path: Path) -> None:
    several = pair("mps2-an385", concurrent=concurrent)
    project = write(several, "zephyr")
    sample = yaml.safe_load((project / "samples" / "both" / "sample.yaml").read_text())
    module = yaml.safe_load((project / "zephyr" / "module.yml").read_text())
    assert sample["sample"]["name"] == "both" and module["name"] == "mcugen_both"
    folder = stand_in(project, tmp_path, ["MCUGEN_BOTH", "MCUGEN_ONE", "MCUGEN_TWO"], name="both")
    tool(folder, "cmake", "-B", "build", f"-DCMAKE_C_FLAGS={STRICT}")
    tool(folder, "cmake", "--build", "build")
    ran = subprocess.run([folder / "build" / "app"], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [*expected(several), "both done"]


# ---- Mbed --------------------------------------------------------------------------------------------------

APPLICATION = """
cmake_minimum_required(VERSION 3.19)
project(app C CXX)
add_subdirectory("{project}" models)
add_executable(app "{project}/example/main.cpp")
target_link_libraries(app mcugen_both)
"""


def run_mbed_example(project: Path, folder: Path, tool: Tool, *settings: str) -> list[str]:
    (folder / "CMakeLists.txt").write_text(APPLICATION.format(project=project))
    tool(folder, "cmake", "-B", "build", *settings)
    tool(folder, "cmake", "--build", "build")
    return printed(
        subprocess.run([folder / "build" / "app"], capture_output=True, text=True, check=True).stdout
    )


@pytest.mark.parametrize("concurrent", [False, True])
def test_mbed_application(concurrent: bool, write: Write, tool: Tool, tmp_path: Path) -> None:
    several = pair("mps2-an385", concurrent=concurrent)
    flags = (f"-DCMAKE_C_FLAGS={STRICT}", f"-DCMAKE_CXX_FLAGS={STRICT}")
    assert run_mbed_example(write(several, "mbed"), tmp_path, tool, *flags) == expected(several)


def test_mbed_cmsis_nn_is_compiled_once(write: Write, tool: Tool, cmsis_nn: Path, tmp_path: Path) -> None:
    models = [model(name, board="mps2-an385", kernels="cmsis-nn") for name in ("one", "two")]
    several = together("both", models, concurrent=False)
    got = run_mbed_example(write(several, "mbed"), tmp_path, tool, f"-DCMSIS_NN_ROOT={cmsis_nn}")
    assert got == expected(several)


def test_mbed_sources_without_examples(write: Write) -> None:
    """What Mbed CLI 1 compiles: all sources that no .mbedignore, which counts from its folder, leaves out."""
    project = write(pair("nrf52"), "mbed")
    ignored: set[Path] = set()
    for ignore in project.rglob(".mbedignore"):
        for path in ignore.parent.rglob("*.c*"):
            name = path.relative_to(ignore.parent).as_posix()
            if any(fnmatch.fnmatch(name, pattern) for pattern in ignore.read_text().split()):
                ignored.add(path)
    kept = {path.relative_to(project).as_posix() for path in {*project.rglob("*.c*")} - ignored}
    assert kept == {f"models/{name}/src/{name}{end}.c" for name in ("one", "two") for end in ("", "_weights")}


def test_mbed_settings_are_read_by_mbed_tools(write: Write) -> None:
    source = pytest.importorskip("mbed_tools.build._internal.config.source")
    config = pytest.importorskip("mbed_tools.build._internal.config.config")
    project = write(pair("nrf52"), "mbed")
    libraries = sorted(project.rglob("mbed_lib.json"))
    read = config.Config(source.from_file(libraries[0], target_filters=["*"]))
    for library in libraries[1:]:
        read.update(source.from_file(library, target_filters=["*"]))
    namespaces = {setting.namespace for setting in read["config"]}
    assert namespaces == {"mcugen_one", "mcugen_two"} and len(libraries) == 3


# ---- on disk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(OUTPUTS))
def test_built_and_described(kind: str, tmp_path: Path) -> None:
    several = pair("nrf52")
    built = build_several(several, kind, tmp_path / "both", lambda text: None)
    assert built.footprint is not None and built.footprint.image_ram > several.arena_bytes
    assert (tmp_path / "both" / "firmware" / "both.elf").is_file()
    manifest = json.loads((tmp_path / "both" / "mcugen.json").read_text())
    assert [m["name"] for m in manifest["models"]] == ["one", "two"]
    assert read_manifest(tmp_path / "both" / "models" / "two").name == "two"
    with pytest.raises(InputError, match="several models"):
        read_manifest(tmp_path / "both")
