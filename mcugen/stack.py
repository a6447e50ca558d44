"""Worst-case stack of a function, from the call graphs that GCC writes (-fcallgraph-info=su)."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mcugen import toolchain
from mcugen.boards import Board

_NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes \((\w+)', re.MULTILINE)
_EDGE = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', re.MULTILINE)

# What a function outside the sources (memcpy, soft float) may take: the largest in newlib and libgcc that
# kernels call stays below this.
LIBRARY_BYTES = 64


# GCC reports 0 bytes for functions written in assembly, which save registers themselves: at most so many.
ASSEMBLY_BYTES = 88


def worst_stack(board: Board, sources: Iterable[Path], options: toolchain.CompileOptions, root: str) -> int:
    """Bytes of stack that ``root`` and all it calls need at most: an estimate for functions of libraries.

    Raises ToolError when a source does not compile.
    """
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for i, source in enumerate(sources):
            text = toolchain.call_graph(board, source, options, Path(folder) / f"{i}.o")
            frames.update((name, int(size)) for name, size, _ in _NODE.findall(text))
            for caller, callee in _EDGE.findall(text):
                calls.setdefault(caller, set()).add(callee)
    return _depth(root, frames, calls, frozenset())


def _depth(name: str, frames: dict[str, int], calls: dict[str, set[str]], above: frozenset[str]) -> int:
    if name not in frames:
        # A static function's title carries its file: "path/file.c:name".
        name = next((n for n in frames if n.rpartition(":")[2] == name), name)
    if name not in frames or name in above:
        return LIBRARY_BYTES
    deepest = (_depth(callee, frames, calls, above | {name}) for callee in calls.get(name, ()))
    own = frames[name] if frames[name] or calls.get(name) else ASSEMBLY_BYTES
    return own + max(deepest, default=0)
