"""Kinds of projects: each adds the files of one build system to the library files of a model.

An output is ``(compiled, manifest, library paths) -> {path: text}``; a new kind is one module here, its templates,
and a line in ``OUTPUTS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mcugen.compiled import Compiled
from mcugen.emit.outputs.cmake import cmake_files
from mcugen.emit.outputs.make import make_files
from mcugen.emit.outputs.mbed import mbed_files
from mcugen.emit.outputs.zephyr import zephyr_files
from mcugen.manifest import Manifest

Output: TypeAlias = Callable[[Compiled, Manifest, tuple[str, ...]], dict[str, str]]

OUTPUTS: Mapping[str, Output] = {
    "cmake": cmake_files,
    "make": make_files,
    "zephyr": zephyr_files,
    "mbed": mbed_files,
}
"""The kinds by name; the first is the default."""

WITH_REGIONS = ("cmake", "make", "zephyr")
"""Those whose build can place buffers in memories by name."""
