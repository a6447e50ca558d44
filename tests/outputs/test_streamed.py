"""Projects of models whose input comes by rows: the examples give them, and run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mcugen.emit.outputs import OUTPUTS
from mcugen.emit.project import write_files
from mcugen.emit.several import several_files, together
from tests.outputs.conftest import Generate, Tool, printed
from tests.outputs.test_host_build import build, check_outputs, every_compiler
from tests.outputs.test_mbed import APPLICATION, LIBRARY
from tests.outputs.test_several import expected, model
from tests.outputs.test_several import printed as printed_by_several
from tests.outputs.test_zephyr import SYMBOL, stand_in
from tests.outputs.tiny import NAME, expected_lines, tiny

STRICT = "-Wall -Wextra -Wconversion -Wshadow -Werror"


@every_compiler
@pytest.mark.parametrize("padded", [False, True])
def test_host(compiler: str, padded: bool, tmp_path: Path) -> None:
    """Rows come from a stream, which shows that they are read once and in order, and what happens when it ends."""
    compiled = tiny("mps2-an385", padded=padded, input_rows="")
    rows = (f"SET_ROWS={NAME}_set_input_rows", f"ROW_BYTES={NAME.upper()}_INPUT_ROW_BYTES")
    check_outputs(compiled, build(compiled, tmp_path, compiler, *rows))


def test_make(generate: Generate, tool: Tool) -> None:
    compiled = tiny("nrf52", input_rows="")
    project = generate(compiled, "make")
    tool(project, "make", f"CFLAGS=-O2 {STRICT}")
    assert printed(tool(project, "make", "-s", "run")) == expected_lines(compiled)


def test_mbed(generate: Generate, tool: Tool, tmp_path: Path) -> None:
    compiled = tiny("mps2-an385", input_rows="")
    project = generate(compiled, "mbed")
    (tmp_path / "CMakeLists.txt").write_text(APPLICATION.format(project=project, library=LIBRARY))
    tool(tmp_path, "cmake", "-B", "build", f"-DCMAKE_C_FLAGS={STRICT}", f"-DCMAKE_CXX_FLAGS={STRICT}")
    tool(tmp_path, "cmake", "--build", "build")
    ran = subprocess.run([tmp_path / "build" / "app"], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == expected_lines(compiled)


def test_zephyr(generate: Generate, tool: Tool, tmp_path: Path) -> None:
    compiled = tiny("mps2-an385", input_rows="")
    folder = stand_in(generate(compiled, "zephyr"), tmp_path, [SYMBOL])
    tool(folder, "cmake", "-B", "build", f"-DCMAKE_C_FLAGS={STRICT}")
    tool(folder, "cmake", "--build", "build")
    ran = subprocess.run([folder / "build" / "app"], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [*expected_lines(compiled), f"{NAME} done"]


def test_beside_another_model(tmp_path: Path, tool: Tool) -> None:
    several = together("both", [model("one", input_rows=""), model("two", padded=True)], concurrent=False)
    write_files(several_files(several, "make"), tmp_path)
    tool(tmp_path, "make", f"CFLAGS=-O2 {STRICT}")
    assert printed_by_several(tool(tmp_path, "make", "-s", "run").stdout) == expected(several)


@pytest.mark.parametrize("kind", list(OUTPUTS))
def test_readme_shows_how(kind: str, generate: Generate) -> None:
    text = (generate(tiny("nrf52", input_rows=""), kind) / "README.md").read_text()
    assert f"{NAME}_set_input_rows(&model, read_input, NULL);" in text and f"{NAME}_input(" not in text
