"""The counting plugin of QEMU: compiled for this computer when first needed, kept in mcugen's cache."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from mcugen import emulator, toolchain
from mcugen.cycles.tools import run_tool
from mcugen.errors import ToolError
from mcugen.resources import resource_dir

_FLAGS = ("-std=gnu11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden")
_INSTALL_HINT = "install one, on Debian or Ubuntu with: apt install gcc libc6-dev; or set CC to its name"


def find_host_compiler() -> str:
    """The C compiler for this computer: CC, else cc, gcc or clang. Raises ToolError if there is none."""
    setting = os.environ.get("CC", "")
    for name in [setting] if setting else ["cc", "gcc", "clang"]:
        path = shutil.which(name)
        if path:
            return path
    problem = f"CC={setting} is not a program" if setting else "no C compiler for this computer found on PATH"
    raise ToolError(problem, hint=_INSTALL_HINT)


@functools.cache
def plugin() -> Path:
    """The plugin for the QEMU in use. Raises ToolError when it cannot be compiled."""
    source = resource_dir("firmware") / "plugin" / "blocks.c"
    compiler = find_host_compiler()
    flags = [*_FLAGS, f"-DQEMU_PLUGIN_API={_api_version(emulator.qemu_version())}"]
    if sys.platform == "darwin":
        flags += ["-undefined", "dynamic_lookup"]
    version = run_tool([compiler, "--version"], hint=_INSTALL_HINT)
    key = hashlib.sha256("\0".join([version, *flags, source.read_text(encoding="utf-8")]).encode())
    target = toolchain.cache_dir() / "plugins" / f"{key.hexdigest()[:32]}.so"
    if not target.exists():
        _compile([compiler, *flags], source, target)
    return target


def _api_version(qemu: str) -> int:
    """The version of QEMU's plugin interface to be built for; 2 took away what the plugin does not use."""
    major = re.search(r"version (\d+)", qemu)
    return 2 if major and int(major[1]) >= 9 else 1


def _compile(command: list[str], source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # compiled beside the target and renamed, so that other processes see all of it or nothing
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            result = Path(folder) / target.name
            run_tool([*command, str(source), "-o", str(result)], hint=_INSTALL_HINT)
            os.replace(result, target)
    except OSError as error:
        raise ToolError(
            f"cannot write to the cache: {error.strerror}",
            where=str(target.parent),
            hint="set MCUGEN_CACHE to a folder that can be written to",
        ) from error
