"""A plain Makefile: the model as a static library, and example firmware for the board and its emulator."""

from __future__ import annotations

from mcugen.compiled import Compiled
from mcugen.emit.outputs.bare_metal import example_context, example_files
from mcugen.emit.outputs.cmsis_nn import FLOAT_SUFFIXES
from mcugen.emit.outputs.common import project_context, render_all
from mcugen.manifest import Manifest

_FILES = {"Makefile": "make/Makefile.j2", "README.md": "make/README.md.j2"}


def make_files(compiled: Compiled, manifest: Manifest, library: tuple[str, ...]) -> dict[str, str]:
    """The files of the build and of the example firmware."""
    context = {
        **project_context(compiled, manifest),
        **example_context(compiled),
        "cmsis_nn_excluded": [f"%{suffix}.c" for suffix in FLOAT_SUFFIXES],
    }
    return {**render_all(_FILES, context), **example_files(compiled, context)}
