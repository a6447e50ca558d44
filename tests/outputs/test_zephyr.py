"""Zephyr modules, read with Zephyr's own tools where they install: west, kconfiglib, pykwalify."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcugen.emit.outputs.cmsis_nn import called_functions
from mcugen.emit.outputs.zephyr import cmsis_nn_parts
from tests.outputs.conftest import Generate, Tool
from tests.outputs.tiny import NAME, expected_lines, tiny

SYMBOL = f"MCUGEN_{NAME.upper()}"

# The fields of zephyr/module.yml that a module like ours may use, as Zephyr's documentation lists them.
MODULE_SCHEMA = {
    "type": "map",
    "mapping": {
        "name": {"type": "str", "required": True},
        "build": {
            "type": "map",
            "mapping": {"cmake": {"type": "str"}, "kconfig": {"type": "str"}},
        },
        "samples": {"type": "seq", "sequence": [{"type": "str"}]},
    },
}

# What Zephyr has around the module: a processor, and CMSIS-NN as its module defines it.
KCONFIG = """
config CPU_CORTEX_M
	bool
	default {cortex_m}

config ZEPHYR_CMSIS_NN_MODULE
	bool
	default {cmsis_nn}

menuconfig CMSIS_NN
	bool "CMSIS-NN"
	depends on CPU_CORTEX_M

if CMSIS_NN
{parts}
endif

source "{module}"
"""
PARTS = (
    "BASICMATH",
    "CONCATENATION",
    "CONVOLUTION",
    "FULLYCONNECTED",
    "NNSUPPORT",
    "POOLING",
    "SOFTMAX",
    "SVD",
)


def kconfig(
    module: Path, folder: Path, settings: str, *, cortex_m: bool = True, cmsis_nn: bool = True
) -> Any:
    """The settings that an application ends up with."""
    kconfiglib = pytest.importorskip("kconfiglib")
    parts = "\n".join(f'config CMSIS_NN_{part}\n\tbool "{part}"\n' for part in PARTS)
    text = KCONFIG.format(
        cortex_m="y" if cortex_m else "n",
        cmsis_nn="y" if cmsis_nn else "n",
        parts=parts,
        module=(module / "Kconfig").as_posix(),
    )
    (folder / "Kconfig").write_text(text)
    (folder / "prj.conf").write_text(settings)
    result = kconfiglib.Kconfig(str(folder / "Kconfig"), warn_to_stderr=False)
    result.warn_assign_undef = True
    result.load_config(str(folder / "prj.conf"))
    assert result.warnings == []
    return result


def values(result: Any, *names: str) -> list[str]:
    return [result.syms[name].str_value for name in names]


def test_module_description(generate: Generate) -> None:
    core = pytest.importorskip("pykwalify.core")
    project = generate(tiny("nrf52"), "zephyr")
    module = yaml.safe_load((project / "zephyr" / "module.yml").read_text())
    core.Core(source_data=module, schema_data=MODULE_SCHEMA).validate()
    assert re.fullmatch(r"[A-Za-z0-9_-]+", module["name"])
    assert (project / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (project / module["build"]["kconfig"]).is_file()
    assert all((project / folder).is_dir() for folder in module["samples"])


def test_west_takes_it_as_a_project(generate: Generate, tool: Tool, tmp_path: Path) -> None:
    """A workspace whose manifest names the module."""
    pytest.importorskip("west")
    project = generate(tiny("nrf52"), "zephyr")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"],
    ):
        tool(project, "git", *command)
    branch = tool(project, "git", "rev-parse", "--abbrev-ref", "HEAD").stdout.strip()
    manifest = {
        "projects": [{"name": NAME, "url": project.as_uri(), "revision": branch, "path": f"modules/{NAME}"}],
        "self": {"path": "app"},
    }
    app = tmp_path / "workspace" / "app"
    app.mkdir(parents=True)
    (app / "west.yml").write_text(yaml.safe_dump({"manifest": manifest}))
    west = [sys.executable, "-m", "west"]
    tool(app, *west, "init", "-l", ".")
    tool(app, *west, "manifest", "--validate")
    tool(app, *west, "update")
    assert f"modules/{NAME}" in tool(app, *west, "list").stdout
    assert (tmp_path / "workspace" / "modules" / NAME / "zephyr" / "module.yml").is_file()


def test_kconfig_defaults(generate: Generate, tmp_path: Path) -> None:
    project = generate(tiny("nrf52"), "zephyr")
    settings = (SYMBOL, f"{SYMBOL}_BUILTIN_ARENA", f"{SYMBOL}_WEIGHTS_SECTION")
    assert values(kconfig(project, tmp_path, ""), *settings) == ["n", "n", ""]
    enabled = f'CONFIG_{SYMBOL}=y\nCONFIG_{SYMBOL}_BUILTIN_ARENA=y\nCONFIG_{SYMBOL}_ARENA_SECTION=".noinit"\n'
    result = kconfig(project, tmp_path, enabled)
    assert values(result, *settings, f"{SYMBOL}_ARENA_SECTION") == ["y", "y", "", ".noinit"]


def test_sections_of_regions_are_settings(generate: Generate, tmp_path: Path) -> None:
    project = generate(tiny("nucleo-h743zi", regions="axi_sram,dtcm=300"), "zephyr")
    sections = (f"{SYMBOL}_DTCM_SECTION", f"{SYMBOL}_AXI_SRAM_SECTION")
    result = kconfig(project, tmp_path, f'CONFIG_{SYMBOL}=y\nCONFIG_{SYMBOL}_DTCM_SECTION=".dtcm_noinit"\n')
    assert values(result, *sections) == [".dtcm_noinit", ".noinit.mcugen_axi_sram"]
    assert f"CONFIG_{SYMBOL}_DTCM_SECTION" in (project / "README.md").read_text()


def test_kernels_for_a_processor_depend_on_it(generate: Generate, tmp_path: Path) -> None:
    dsp = generate(tiny("nrf52"), "zephyr")
    result = kconfiglib_value(dsp, tmp_path, cortex_m=False)
    assert result == "n"


def test_plain_kernels_go_everywhere(generate: Generate, tmp_path: Path) -> None:
    plain = generate(tiny("mps2-an385"), "zephyr")
    assert kconfiglib_value(plain, tmp_path, cortex_m=False) == "y"


def kconfiglib_value(project: Path, folder: Path, *, cortex_m: bool = True, cmsis_nn: bool = True) -> str:
    """What becomes of CONFIG_MCUGEN_...=y; warnings are looked at elsewhere."""
    kconfig(project, folder, "", cortex_m=cortex_m, cmsis_nn=cmsis_nn)
    result = kconfig(project, folder, "", cortex_m=cortex_m, cmsis_nn=cmsis_nn)
    result.syms[SYMBOL].set_value("y")
    return str(result.syms[SYMBOL].str_value)


def test_cmsis_nn_is_selected(generate: Generate, tmp_path: Path) -> None:
    project = generate(tiny("nrf52", "cmsis-nn"), "zephyr")
    result = kconfig(project, tmp_path, f"CONFIG_{SYMBOL}=y\n")
    needed = ("CMSIS_NN", "CMSIS_NN_CONVOLUTION", "CMSIS_NN_FULLYCONNECTED", "CMSIS_NN_NNSUPPORT")
    assert values(result, *needed) == ["y"] * 4
    assert values(result, "CMSIS_NN_SOFTMAX", "CMSIS_NN_SVD") == ["n", "n"]
    assert kconfiglib_value(project, tmp_path, cmsis_nn=False) == "n"


def test_every_called_function_has_a_part() -> None:
    from mcugen.cmsis_nn_source import CALLED

    parts = cmsis_nn_parts(CALLED)
    assert set(parts) == {*PARTS, "TRANSPOSE"}
    assert cmsis_nn_parts(()) == []
    assert "arm_pad_s8" in called_functions(tiny("nrf52", "cmsis-nn", padded=True))


def test_sample_description(generate: Generate) -> None:
    sample = generate(tiny("nrf52"), "zephyr") / "samples" / NAME
    described = yaml.safe_load((sample / "sample.yaml").read_text())
    assert set(described) == {"sample", "tests"} and described["sample"]["name"] == NAME
    (test,) = described["tests"].values()
    assert set(test["integration_platforms"]) <= set(test["platform_allow"])
    (regex,) = test["harness_config"]["regex"]
    assert regex in (sample / "src" / "main.c").read_text()


# ---- the build, with stand-ins for Zephyr's CMake functions ------------------------------------------------

STAND_INS = """
cmake_minimum_required(VERSION 3.20)
project(zephyr_stand_in C)
set(ZEPHYR_CMSIS_NN_MODULE_DIR "{cmsis_nn}")
{settings}
add_library(zephyr_interface INTERFACE)
target_include_directories(zephyr_interface INTERFACE "{cmsis_nn}/Include")
function(zephyr_library_named name)
  add_library(${{name}} STATIC)
  target_link_libraries(${{name}} PUBLIC zephyr_interface)
  set_property(GLOBAL APPEND PROPERTY ZEPHYR_LIBS ${{name}})
  set(ZEPHYR_CURRENT_LIBRARY ${{name}} PARENT_SCOPE)
endfunction()
macro(zephyr_include_directories folder)
  target_include_directories(zephyr_interface INTERFACE ${{CMAKE_CURRENT_SOURCE_DIR}}/${{folder}})
endmacro()
macro(zephyr_library_sources)
  target_sources(${{ZEPHYR_CURRENT_LIBRARY}} PRIVATE ${{ARGN}})
endmacro()
macro(zephyr_library_compile_options)
  target_compile_options(${{ZEPHYR_CURRENT_LIBRARY}} PRIVATE ${{ARGN}})
endmacro()
macro(zephyr_library_compile_definitions)
  target_compile_definitions(${{ZEPHYR_CURRENT_LIBRARY}} PRIVATE ${{ARGN}})
endmacro()
add_subdirectory("{module}" module)
add_executable(app "{module}/samples/{name}/src/main.c")
target_include_directories(app PRIVATE stubs)
get_property(libraries GLOBAL PROPERTY ZEPHYR_LIBS)
target_link_libraries(app PRIVATE ${{libraries}})
"""


def stand_in(
    project: Path, folder: Path, settings: Sequence[str], cmsis_nn: Path | str = "absent", name: str = NAME
) -> Path:
    """A CMake project that gives the module what Zephyr would; printk is printf."""
    folder = folder / "zephyr-stand-in"
    (folder / "stubs" / "zephyr" / "sys").mkdir(parents=True)
    (folder / "stubs" / "zephyr" / "sys" / "printk.h").write_text(
        "#include <stdio.h>\n#define printk printf\n"
    )
    lines = "\n".join(f"set(CONFIG_{setting} y)" for setting in settings)
    text = STAND_INS.format(cmsis_nn=cmsis_nn, settings=lines, module=project, name=name)
    (folder / "CMakeLists.txt").write_text(text)
    return folder


@pytest.mark.parametrize("settings", [(), ("BUILTIN_ARENA",)])
@pytest.mark.parametrize("regions", ["single", "ssram23=300,psram"])
def test_sample_builds_and_runs(
    settings: tuple[str, ...], regions: str, generate: Generate, tool: Tool, tmp_path: Path
) -> None:
    compiled = tiny("mps2-an385", regions=regions)
    project = generate(compiled, "zephyr")
    folder = stand_in(project, tmp_path, [SYMBOL, *(f"{SYMBOL}_{name}" for name in settings)])
    tool(folder, "cmake", "-B", "build", "-DCMAKE_C_FLAGS=-Wall -Wextra -Wconversion -Wshadow -Werror")
    tool(folder, "cmake", "--build", "build")
    ran = subprocess.run([folder / "build" / "app"], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [*expected_lines(compiled), f"{NAME} done"]


def test_missing_part_of_cmsis_nn_is_explained(generate: Generate, tool: Tool, tmp_path: Path) -> None:
    project = generate(tiny("mps2-an385", "cmsis-nn"), "zephyr")
    folder = stand_in(project, tmp_path, [SYMBOL, "CMSIS_NN_CONVOLUTION", "CMSIS_NN_NNSUPPORT"])
    refused = " ".join(tool(folder, "cmake", "-B", "build", fails=True).stderr.split())
    assert "CONFIG_CMSIS_NN_FULLYCONNECTED" in refused and "--kernels native" in refused


def test_padding_comes_from_zephyrs_cmsis_nn(generate: Generate, tool: Tool, tmp_path: Path) -> None:
    compiled = tiny("mps2-an385", "cmsis-nn", padded=True)
    parts = [f"CMSIS_NN_{part}" for part in cmsis_nn_parts(called_functions(compiled))]
    folder = stand_in(generate(compiled, "zephyr"), tmp_path, [SYMBOL, *parts])
    refused = " ".join(tool(folder, "cmake", "-B", "build", fails=True).stderr.split())
    assert "arm_pad_s8" in refused and "west update" in refused


def test_padding_is_compiled_from_cmsis_nn(
    generate: Generate, tool: Tool, cmsis_nn: Path, tmp_path: Path
) -> None:
    compiled = tiny("mps2-an385", "cmsis-nn", padded=True)
    parts = [f"CMSIS_NN_{part}" for part in cmsis_nn_parts(called_functions(compiled))]
    folder = stand_in(generate(compiled, "zephyr"), tmp_path, [SYMBOL, *parts], cmsis_nn)
    tool(folder, "cmake", "-B", "build")
    tool(folder, "cmake", "--build", "build", "--target", f"mcugen_{NAME}")
