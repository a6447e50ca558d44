"""Kinds of projects: each adds the files of one build system to the library files of a model.

An output is ``(compiled, manifest, library paths) -> {path: text}``; a new kind is one module here, its templates,
and a line in ``OUTPUTS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mcugen.compiled import Compiled
from mcugen.manifest import Manifest

Output: TypeAlias = Callable[[Compiled, Manifest, tuple[str, ...]], dict[str, str]]


def _none(compiled: Compiled, manifest: Manifest, library: tuple[str, ...]) -> dict[str, str]:
    return {}


OUTPUTS: Mapping[str, Output] = {"cmake": _none}
