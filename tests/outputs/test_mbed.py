"""Mbed libraries: settings read with mbed-tools where it installs, and the build with a stand-in for Mbed OS."""

from __future__ import annotations

import fnmatch
import json
import subprocess
from pathlib import Path

import pytest

from tests.outputs.conftest import Generate, Tool
from tests.outputs.tiny import NAME, expected_lines, tiny

LIBRARY = f"mcugen_{NAME}"

# The fields that Mbed's documentation of the configuration system gives a library and a setting.
LIBRARY_FIELDS = {"name", "config", "macros", "target_overrides", "requires"}
SETTING_FIELDS = {"help", "value", "macro_name", "required", "value_min", "value_max", "accepted_values"}

APPLICATION = """
cmake_minimum_required(VERSION 3.19)
project(app C CXX)
add_subdirectory("{project}" model)
add_executable(app "{project}/example/main.cpp")
target_link_libraries(app {library})
"""


def test_settings_follow_the_documented_form(generate: Generate) -> None:
    project = generate(tiny("nrf52"), "mbed")
    library = json.loads((project / "mbed_lib.json").read_text())
    assert set(library) <= LIBRARY_FIELDS and library["name"] == LIBRARY
    for name, setting in library["config"].items():
        assert set(setting) <= SETTING_FIELDS and setting["help"], name
        assert setting["macro_name"] in "".join(path.read_text() for path in (project / "src").glob("*.c"))
    application = json.loads((project / "example" / "mbed_app.json").read_text())
    assert set(application) == {"target_overrides"}


def test_settings_are_read_by_mbed_tools(generate: Generate) -> None:
    source = pytest.importorskip(
        "mbed_tools.build._internal.config.source", reason="mbed-tools is not installed"
    )
    config = pytest.importorskip("mbed_tools.build._internal.config.config")
    project = generate(tiny("nrf52"), "mbed")
    read = config.Config(source.from_file(project / "mbed_lib.json", target_filters=["*"]))
    read.update(source.prepare({"target_overrides": {"*": {f"{LIBRARY}.builtin-arena": 1}}}, "app", ["*"]))
    settings = {setting.name: setting for setting in read["config"]}
    assert settings["builtin-arena"].macro_name == "TINY_NET_BUILTIN_ARENA"
    assert settings["builtin-arena"].value == 1 and settings["arena-section"].value is None
    assert {setting.namespace for setting in read["config"]} == {LIBRARY}


def test_example_is_no_part_of_the_library(generate: Generate) -> None:
    project = generate(tiny("nrf52"), "mbed")
    patterns = (project / ".mbedignore").read_text().split()
    sources = {path.relative_to(project).as_posix() for path in project.rglob("*.c*")}
    kept = {path for path in sources if not any(fnmatch.fnmatch(path, pattern) for pattern in patterns)}
    assert kept == {f"src/{NAME}.c", f"src/{NAME}_weights.c"}


def test_application_builds_and_runs(generate: Generate, tool: Tool, tmp_path: Path) -> None:
    compiled = tiny("mps2-an385")
    project = generate(compiled, "mbed")
    (tmp_path / "CMakeLists.txt").write_text(APPLICATION.format(project=project, library=LIBRARY))
    flags = "-Wall -Wextra -Wconversion -Wshadow -Werror"
    tool(tmp_path, "cmake", "-B", "build", f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}")
    tool(tmp_path, "cmake", "--build", "build")
    ran = subprocess.run([tmp_path / "build" / "app"], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == expected_lines(compiled)


def test_cmsis_nn_is_compiled_with_the_application(
    generate: Generate, tool: Tool, cmsis_nn: Path, tmp_path: Path
) -> None:
    compiled = tiny("mps2-an385", "cmsis-nn", padded=True)
    project = generate(compiled, "mbed")
    (tmp_path / "CMakeLists.txt").write_text(APPLICATION.format(project=project, library=LIBRARY))
    tool(tmp_path, "cmake", "-B", "build", f"-DCMSIS_NN_ROOT={cmsis_nn}")
    tool(tmp_path, "cmake", "--build", "build")
    ran = subprocess.run([tmp_path / "build" / "app"], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == expected_lines(compiled)
