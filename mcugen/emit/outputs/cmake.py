"""A CMake project: the model as a library target, and example firmware for the board and its emulator."""

from __future__ import annotations

from mcugen.compiled import Compiled
from mcugen.emit.outputs.bare_metal import example_context, example_files
from mcugen.emit.outputs.cmsis_nn import library_context
from mcugen.emit.outputs.common import project_context, render_all
from mcugen.manifest import Manifest

_FILES = {
    "CMakeLists.txt": "cmake/CMakeLists.txt.j2",
    "CMakePresets.json": "cmake/CMakePresets.json.j2",
    "cmake/arm-none-eabi.cmake": "cmake/arm-none-eabi.cmake.j2",
    "README.md": "cmake/README.md.j2",
}


def cmake_files(compiled: Compiled, manifest: Manifest, library: tuple[str, ...]) -> dict[str, str]:
    """The files of the build and of the example firmware."""
    context = {
        **project_context(compiled, manifest),
        **example_context(compiled),
        **library_context(),
        "cmsis_nn_type": "STATIC",
        "cmsis_nn_sources": "PRIVATE",
        "cmsis_nn_headers": "PUBLIC",
        "builds_library": True,
    }
    files = _FILES | ({"cmake/cmsis-nn.cmake": "cmake/cmsis-nn.cmake.j2"} if manifest.uses_cmsis_nn else {})
    return {**render_all(files, context), **example_files(compiled, context)}
