"""One project with several models: an ordinary project per model, below one that has them share an arena.

``models/NAME/`` is what a project of that model alone would be. Around them come the header that says which part of
the shared arena is whose, an example that runs them one after the other, and the build of all that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcugen import __version__
from mcugen.compiled import GENERATOR, Compiled
from mcugen.emit import c_format as c
from mcugen.emit.outputs import mbed, zephyr
from mcugen.emit.outputs.bare_metal import example_context, example_files
from mcugen.emit.outputs.common import project_context, render_all
from mcugen.emit.project import project_files
from mcugen.emit.render import render
from mcugen.errors import InputError
from mcugen.manifest import FILE_NAME, SCHEMA, manifest_of
from mcugen.memory.liveness import ALIGNMENT
from mcugen.memory.problem import align_up

_EXAMPLE = "several/main.c.j2"


@dataclass(frozen=True)
class Part:
    """A model and the offset of its arena in the shared one."""

    compiled: Compiled
    offset: int

    @property
    def name(self) -> str:
        return self.compiled.name

    @property
    def folder(self) -> str:
        """Where its own project lies in the project."""
        return f"models/{self.name}"

    @property
    def has_states(self) -> bool:
        """Whether it keeps something from one run to the next."""
        return bool(self.compiled.graph.variables())


@dataclass(frozen=True)
class Several:
    """Models of one project. concurrent: each has memory of its own, so that runs may be interleaved."""

    name: str
    parts: tuple[Part, ...]
    concurrent: bool
    arena_bytes: int


def together(name: str, models: Sequence[Compiled], concurrent: bool) -> Several:
    """The arena of several models for one board: the largest of theirs, with ``concurrent`` the sum.

    Models with states always have a part of their own: what they keep must survive the runs of the others.
    Raises InputError when two models, or a model and the project, would have the same names in C, and for models that
    are spread over regions.
    """
    if any(model.memory.spread is not None for model in models):
        raise InputError(
            "several models share one arena",
            where="--regions",
            hint="leave the option out, or build each into a project of its own",
        )
    names = [name.lower(), f"{name}_arena".lower(), *(m.name.lower() for m in models)]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise InputError(
            f"two files would be called '{min(twice)}.h'",
            hint="models are named after their files, the project by --name",
        )
    shared = [m for m in models if not (concurrent or m.graph.variables())]
    end = max((align_up(m.memory.arena_bytes, ALIGNMENT) for m in shared), default=0)
    parts = []
    for model in models:
        parts.append(Part(model, 0 if model in shared else end))
        end += 0 if model in shared else align_up(model.memory.arena_bytes, ALIGNMENT)
    return Several(name, tuple(parts), concurrent, end)


def several_files(several: Several, kind: str) -> dict[str, str]:
    """Path -> text of the whole project. ``kind`` is a key of :data:`mcugen.emit.outputs.OUTPUTS`."""
    files = {
        f"{part.folder}/{path}": text
        for part in several.parts
        for path, text in project_files(part.compiled, kind).items()
    }
    context = _context(several, kind)
    header = render_all({f"include/{several.name}_arena.h": "several/arena.h.j2"}, context)
    return {**files, **header, **_KINDS[kind](several, context), FILE_NAME: _manifest(several, kind)}


def bare_main(several: Several) -> str:
    """A program for the bare board that runs all models: the example of kinds that need no operating system."""
    first = several.parts[0].compiled
    return render(_EXAMPLE, {**_context(several, "make"), **example_context(first)})


def _context(several: Several, kind: str) -> dict[str, Any]:
    first = several.parts[0].compiled
    models = [_model(part, kind) for part in several.parts]
    return {
        **project_context(first, manifest_of(first, kind)),
        "name": several.name,
        "NAME": several.name.upper(),
        "subject": f"the models of {several.name}",
        "generator": GENERATOR,
        "concurrent": several.concurrent,
        "arena_bytes": several.arena_bytes,
        "alignment": ALIGNMENT,
        "models": models,
        "uses_cmsis_nn": any(model["uses_cmsis_nn"] for model in models),
        "needs_core": any(model["needs_core"] for model in models),
    }


def _model(part: Part, kind: str) -> dict[str, Any]:
    context = project_context(part.compiled, manifest_of(part.compiled, kind))
    return {
        **context,
        "folder": part.folder,
        "offset": part.offset,
        "end": part.offset + part.compiled.memory.arena_bytes,
        "source": c.comment(part.compiled.source),
        "has_states": part.has_states,
    }


def _cmake(several: Several, context: dict[str, Any]) -> dict[str, str]:
    files = {
        "CMakeLists.txt": "several/CMakeLists.txt.j2",
        "cmake/arm-none-eabi.cmake": "cmake/arm-none-eabi.cmake.j2",
    }
    return _bare_metal(several, files, {**context, "is_cmake": True})


def _make(several: Several, context: dict[str, Any]) -> dict[str, str]:
    return _bare_metal(several, {"Makefile": "several/Makefile.j2"}, {**context, "is_cmake": False})


def _bare_metal(several: Several, files: dict[str, str], context: dict[str, Any]) -> dict[str, str]:
    first = several.parts[0].compiled
    context = {**context, **example_context(first)}
    files = {**files, "README.md": "several/README.md.j2"}
    return {**render_all(files, context), **example_files(first, context, _EXAMPLE)}


def _zephyr(several: Several, context: dict[str, Any]) -> dict[str, str]:
    files = {
        "CMakeLists.txt": "several/zephyr_CMakeLists.txt.j2",
        "Kconfig": "several/Kconfig.j2",
        "README.md": "several/zephyr_README.md.j2",
        **zephyr.common_files(several.name, main="several/zephyr_main.c.j2"),
    }
    board = several.parts[0].compiled.board
    return render_all(files, {**context, **zephyr.sample_context(several.name, board)})


def _mbed(several: Several, context: dict[str, Any]) -> dict[str, str]:
    files = {
        **mbed.COMMON_FILES,
        "CMakeLists.txt": "several/mbed_CMakeLists.txt.j2",
        "mbed_lib.json": "several/mbed_lib.json.j2",
        "README.md": "several/mbed_README.md.j2",
        "example/main.cpp": "several/mbed_main.cpp.j2",
    }
    return render_all(files, {**context, "align": mbed.ALIGN})


_Build: TypeAlias = Callable[[Several, dict[str, Any]], dict[str, str]]
_KINDS: Mapping[str, _Build] = {"cmake": _cmake, "make": _make, "zephyr": _zephyr, "mbed": _mbed}


def _manifest(several: Several, kind: str) -> str:
    """mcugen.json of the project around the models; each of them has its own."""
    models = [
        {
            "name": part.name,
            "folder": part.folder,
            "offset": part.offset,
            "arena_bytes": part.compiled.memory.arena_bytes,
        }
        for part in several.parts
    ]
    content = {
        "name": several.name,
        "board": several.parts[0].compiled.board.name,
        "project": kind,
        "concurrent": several.concurrent,
        "arena_bytes": several.arena_bytes,
        "models": models,
        "mcugen": __version__,
        "schema": SCHEMA,
    }
    return json.dumps(content, indent=2) + "\n"
