"""What mcugen needs on a computer, and whether it is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from mcugen import emulator, toolchain
from mcugen.cmsis_nn_source import find_cmsis_nn
from mcugen.errors import McugenError


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
        _check("compiler", True, lambda: toolchain.find_toolchain().version),
        _check("emulator", True, emulator.qemu_version),
        _check("CMSIS-NN (only for --kernels cmsis-nn)", False, _cmsis_nn),
    ]


def _check(name: str, required: bool, probe: Callable[[], str]) -> Check:
    try:
        return Check(name, True, required, probe())
    except McugenError as error:
        return Check(name, False, required, hint=f"{error.message}; {error.hint}")


def _cmsis_nn() -> str:
    source = find_cmsis_nn(None)
    return f"{source.version} from {source.origin}"
