"""A library for Mbed CE and Mbed OS 6 (CMake) and for Mbed CLI 1, with an example application."""

from __future__ import annotations

from mcugen.compiled import Compiled
from mcugen.emit.outputs.cmsis_nn import library_context
from mcugen.emit.outputs.common import project_context, render_all
from mcugen.manifest import Manifest

# What only names the library.
COMMON_FILES = {
    ".mbedignore": "mbed/mbedignore.j2",
    "example/CMakeLists.txt": "mbed/example_CMakeLists.txt.j2",
    "example/mbed_app.json": "mbed/mbed_app.json.j2",
}
_FILES = {
    **COMMON_FILES,
    "CMakeLists.txt": "mbed/CMakeLists.txt.j2",
    "mbed_lib.json": "mbed/mbed_lib.json.j2",
    "example/main.cpp": "mbed/main.cpp.j2",
    "README.md": "mbed/README.md.j2",
}
ALIGN = "alignas"  # the example is C++


def mbed_files(compiled: Compiled, manifest: Manifest, library: tuple[str, ...]) -> dict[str, str]:
    """The files of the library and of the example application.

    Mbed gives the processor's flags to applications only, so that everything is compiled as part of them.
    """
    context = {
        **project_context(compiled, manifest),
        **library_context(),
        "align": ALIGN,
        "cmsis_nn_type": "INTERFACE",
        "cmsis_nn_sources": "INTERFACE",
        "cmsis_nn_headers": "INTERFACE",
        "builds_library": False,
    }
    files = _FILES | ({"cmake/cmsis-nn.cmake": "cmake/cmsis-nn.cmake.j2"} if manifest.uses_cmsis_nn else {})
    return render_all(files, context)
