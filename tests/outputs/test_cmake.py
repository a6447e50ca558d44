"""CMake projects, configured, built and run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.outputs.conftest import Generate, Tool, printed
from tests.outputs.tiny import NAME, expected_lines, tiny

STRICT = "-DCMAKE_C_FLAGS=-Wall -Wextra -Wconversion -Wshadow -Werror"


def test_several_regions_run_in_the_emulator(generate: Generate, tool: Tool) -> None:
    compiled = tiny("nucleo-h743zi", regions="axi_sram,dtcm=300")
    project = generate(compiled, "cmake")
    tool(project, "cmake", "-B", "build", STRICT)
    tool(project, "cmake", "--build", "build")
    ran = tool(project, "cmake", "--build", "build", "--target", "run")
    assert printed(ran) == expected_lines(compiled)


@pytest.mark.parametrize("board", ["nrf52", "mps2-an385", "microbit", "corstone-300"])
def test_firmware_runs_in_the_emulator(board: str, generate: Generate, tool: Tool) -> None:
    compiled = tiny(board)
    project = generate(compiled, "cmake")
    tool(project, "cmake", "-B", "build", STRICT)
    tool(project, "cmake", "--build", "build")
    assert (project / "build" / f"{NAME}_example.elf").is_file()
    assert printed(tool(project, "cmake", "--build", "build", "--target", "run")) == expected_lines(compiled)


def test_library_builds_for_this_computer(generate: Generate, tool: Tool) -> None:
    project = generate(tiny("mps2-an385"), "cmake")
    tool(project, "cmake", "-B", "build", f"-DMCUGEN_{NAME.upper()}_HOST=ON", STRICT)
    tool(project, "cmake", "--build", "build")
    assert (project / "build" / f"libmcugen_{NAME}.a").is_file()
    assert not list((project / "build").glob("*.elf"))


def test_host_build_of_kernels_for_another_processor_is_refused(generate: Generate, tool: Tool) -> None:
    project = generate(tiny("nrf52"), "cmake")
    refused = tool(project, "cmake", "-B", "build", f"-DMCUGEN_{NAME.upper()}_HOST=ON", fails=True)
    assert "--board mps2-an385" in " ".join(refused.stderr.split())


@pytest.mark.parametrize("how", ["add_subdirectory", "FetchContent"])
def test_part_of_another_project(how: str, generate: Generate, tool: Tool, tmp_path: Path) -> None:
    project = generate(tiny("mps2-an385"), "cmake")
    include = {
        "add_subdirectory": f'add_subdirectory("{project}" model)',
        "FetchContent": f'include(FetchContent)\nFetchContent_Declare(model SOURCE_DIR "{project}")\n'
        "FetchContent_MakeAvailable(model)",
    }[how]
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.16)\nproject(app C)\n{include}\n"
        f"add_executable(app main.c)\ntarget_link_libraries(app PRIVATE mcugen::{NAME})\n"
    )
    (tmp_path / "main.c").write_text(
        f"#include <{NAME}.h>\nint main(void)\n{{\n"
        f"    {NAME}_context model;\n    return {NAME}_init(&model, NULL, 0) == MCUGEN_ERROR_NULL ? 0 : 1;\n}}\n"
    )
    tool(tmp_path, "cmake", "-B", "build", STRICT)
    tool(tmp_path, "cmake", "--build", "build")
    tool(tmp_path, tmp_path / "build" / "app")


@pytest.mark.parametrize("board", ["nrf52", "mps2-an385"])
def test_presets(board: str, generate: Generate, tool: Tool) -> None:
    project = generate(tiny(board), "cmake")
    names = [p["name"] for p in json.loads((project / "CMakePresets.json").read_text())["configurePresets"]]
    listed = tool(project, "cmake", "--list-presets").stdout
    assert names == ["firmware", "host"][: len(names)] and all(f'"{name}"' in listed for name in names)
    assert ("host" in names) == (board == "mps2-an385")


def test_missing_compiler_is_explained(generate: Generate, tool: Tool) -> None:
    project = generate(tiny("nrf52"), "cmake")
    toolchain = project / "cmake" / "arm-none-eabi.cmake"
    toolchain.write_text(toolchain.read_text().replace("_GCC arm-none-eabi-gcc", "_GCC no-such-gcc"))
    refused = tool(project, "cmake", "-B", "build", fails=True)
    assert "ARM_TOOLCHAIN_PATH" in refused.stderr


def test_cmsis_nn_is_asked_for(generate: Generate, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CMSIS_NN_ROOT", raising=False)
    refused = tool(generate(tiny("nrf52", "cmsis-nn"), "cmake"), "cmake", "-B", "build", fails=True)
    assert "CMSIS_NN_ROOT" in refused.stderr and "--kernels native" in " ".join(refused.stderr.split())


def test_cmsis_nn_is_linked(generate: Generate, tool: Tool, cmsis_nn: Path) -> None:
    compiled = tiny("nrf52", "cmsis-nn", padded=True)
    project = generate(compiled, "cmake")
    tool(project, "cmake", "-B", "build", f"-DCMSIS_NN_ROOT={cmsis_nn}")
    tool(project, "cmake", "--build", "build")
    assert printed(tool(project, "cmake", "--build", "build", "--target", "run")) == expected_lines(compiled)
