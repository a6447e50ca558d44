"""Projects with a Makefile, built and run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcugen import toolchain
from tests.outputs.conftest import Generate, Tool, printed
from tests.outputs.tiny import NAME, expected_lines, tiny

STRICT = "CFLAGS=-O2 -Wall -Wextra -Wconversion -Wshadow -Werror"


@pytest.mark.parametrize("board", ["nrf52", "mps2-an385"])
def test_firmware_runs_in_the_emulator(board: str, generate: Generate, tool: Tool) -> None:
    compiled = tiny(board)
    project = generate(compiled, "make")
    tool(project, "make", STRICT)
    assert (project / "build" / f"{NAME}_example.elf").is_file()
    assert printed(tool(project, "make", "-s", "run")) == expected_lines(compiled)
    tool(project, "make", "clean")
    assert not (project / "build").exists()


def test_several_regions_run_in_the_emulator(generate: Generate, tool: Tool) -> None:
    compiled = tiny("stm32f746g-disco", regions="sram1,dtcm=300")
    project = generate(compiled, "make")
    tool(project, "make", STRICT)
    sizes = toolchain.section_sizes(project / "build" / f"{NAME}_example.elf")
    assert {name: size for name, size in sizes.regions.items() if size} == compiled.memory.plan.peaks
    assert printed(tool(project, "make", "-s", "run")) == expected_lines(compiled)


def test_library_builds_for_this_computer(generate: Generate, tool: Tool) -> None:
    project = generate(tiny("mps2-an385"), "make")
    tool(project, "make", "lib", "CROSS_COMPILE=", "CPU_FLAGS=", "BUILD=build-host", STRICT)
    assert [path.name for path in (project / "build-host").glob("*.*")] == [f"libmcugen_{NAME}.a"]


def test_called_from_elsewhere(generate: Generate, tool: Tool, tmp_path: Path) -> None:
    project = generate(tiny("mps2-an385"), "make")
    tool(tmp_path, "make", "-f", project / "Makefile", "lib", "BUILD=out")
    assert (tmp_path / "out" / f"libmcugen_{NAME}.a").is_file()


def test_cmsis_nn_is_asked_for(generate: Generate, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CMSIS_NN_ROOT", raising=False)
    project = generate(tiny("nrf52", "cmsis-nn"), "make")
    assert "CMSIS_NN_ROOT" in tool(project, "make", fails=True).stderr
    tool(project, "make", "clean")


def test_cmsis_nn_is_linked(generate: Generate, tool: Tool, cmsis_nn: Path) -> None:
    compiled = tiny("nrf52", "cmsis-nn", padded=True)
    project = generate(compiled, "make")
    tool(project, "make", f"CMSIS_NN_ROOT={cmsis_nn}", STRICT)
    ran = tool(project, "make", "-s", "run", f"CMSIS_NN_ROOT={cmsis_nn}", STRICT)
    assert printed(ran) == expected_lines(compiled)
