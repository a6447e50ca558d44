"""What mcugen needs on a computer, and whether it is there."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from mcugen import emulator, toolchain
from mcugen.boards import board_names, load_board
from mcugen.cmsis_nn_source import find_cmsis_nn
from mcugen.cycles.plugin import find_host_compiler
from mcugen.cycles.tools import run_tool
from mcugen.errors import McugenError, ToolError

# Those of pyproject.toml.
PACKAGES = (
    "jinja2", "numpy", "onnx", "onnxruntime", "pillow", "pyelftools", "rich", "tflite", "typer",
)  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One thing needed (or, not ``required``, of use). found: what it is; hint: how to get it when absent."""

    name: str
    ok: bool
    required: bool
    found: str = ""
    hint: str = ""


def checks() -> list[Check]:
    return [
        Check("Python", True, True, sys.version.split()[0]),
        _check("packages", True, _packages),
        _check("compiler", True, lambda: toolchain.find_toolchain().version),
        _check("C library", True, toolchain.c_library),
        _check("emulator", True, emulator.qemu_version),
        _check("machines of the emulator", True, _machines),
        _check("cache", True, _cache),
        _check("disassembler (only for bench --cycles)", False, _disassembler),
        _check("host compiler (only for bench --cycles and the tests)", False, _host_compiler),
        _check("CMSIS-NN (only for --kernels cmsis-nn)", False, _cmsis_nn),
    ]


def _check(name: str, required: bool, probe: Callable[[], str]) -> Check:
    try:
        return Check(name, True, required, probe())
    except McugenError as error:
        return Check(name, False, required, hint=f"{error.message}; {error.hint}")


def _packages() -> str:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise ToolError(f"no {', '.join(missing)}", hint=f"install with: pip install {' '.join(missing)}")
    return ", ".join(found)


def _machines() -> str:
    """The machines that boards are emulated on."""
    needed = {machine.machine for name in board_names() if (machine := load_board(name).emulator)}
    lines = run_tool([emulator.find_qemu(), "-machine", "help"]).splitlines()
    missing = needed - {line.split()[0] for line in lines if line.strip()}
    if missing:
        raise ToolError(f"QEMU has no {', '.join(sorted(missing))}", hint="install a newer QEMU")
    return ", ".join(sorted(needed))


def _cache() -> str:
    """The folder of the cache, which can be written to."""
    folder = toolchain.cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError as error:
        raise ToolError(
            f"cannot write to {folder}: {error.strerror}", hint="set MCUGEN_CACHE to another folder"
        ) from error


def _disassembler() -> str:
    return _version_of(f"{toolchain.find_toolchain().prefix}objdump")


def _host_compiler() -> str:
    return _version_of(find_host_compiler())


def _version_of(program: str) -> str:
    return run_tool([program, "--version"]).splitlines()[0]


def _cmsis_nn() -> str:
    source = find_cmsis_nn(None)
    return f"{source.version} from {source.origin}"
