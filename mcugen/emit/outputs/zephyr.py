"""An out-of-tree Zephyr module with a sample application."""

from __future__ import annotations

from typing import Any

from mcugen.boards import Board
from mcugen.compiled import Compiled
from mcugen.emit.outputs.cmsis_nn import called_functions
from mcugen.emit.outputs.common import project_context, render_all
from mcugen.manifest import Manifest

# Zephyr's Kconfig symbols for parts of CMSIS-NN, by the beginning of the names of their functions. There is none
# for arm_pad: Zephyr's build leaves that folder out.
_PARTS = {
    "arm_avgpool": "POOLING",
    "arm_max_pool": "POOLING",
    "arm_concatenation": "CONCATENATION",
    "arm_convolve": "CONVOLUTION",
    "arm_depthwise": "CONVOLUTION",
    "arm_elementwise": "BASICMATH",
    "arm_fully_connected": "FULLYCONNECTED",
    "arm_softmax": "SOFTMAX",
    "arm_svdf": "SVD",
    "arm_transpose": "TRANSPOSE",
}
_SUPPORT = "NNSUPPORT"
_PAD = "arm_pad"

# Zephyr's names of the boards that it can build and emulate for these cores; others come from the user.
_PLATFORMS = {
    "cortex-m0": "qemu_cortex_m0",
    "cortex-m3": "mps2/an385",
    "cortex-m4": "mps2/an386",
    "cortex-m7": "mps2/an500",
    "cortex-m33": "mps2/an521/cpu0",
    "cortex-m55": "mps3/corstone300/an547",
}
_FALLBACK_PLATFORM = "mps2/an385"


def zephyr_files(compiled: Compiled, manifest: Manifest, library: tuple[str, ...]) -> dict[str, str]:
    """The module's description, Kconfig and build, and a sample that runs the model once."""
    functions = called_functions(compiled)
    shared = project_context(compiled, manifest)
    context = {
        **shared,
        **sample_context(compiled.name, compiled.board),
        "builtin_arguments": "NULL" if shared["regions"] else "NULL and 0",
        "regions": [_in_settings(compiled, region) for region in shared["regions"]],
        "cmsis_nn_parts": cmsis_nn_parts(functions),
        "uses_pad": any(name.startswith(_PAD) for name in functions),
    }
    files = {
        "Kconfig": "zephyr/Kconfig.j2",
        "CMakeLists.txt": "zephyr/CMakeLists.txt.j2",
        "README.md": "zephyr/README.md.j2",
        **common_files(compiled.name, main="zephyr/main.c.j2"),
    }
    return render_all(files, context)


def common_files(name: str, main: str) -> dict[str, str]:
    """Path -> template of what only names the module; its sample is made from the template ``main``."""
    sample = _sample(name)
    return {
        "zephyr/module.yml": "zephyr/module.yml.j2",
        f"{sample}/CMakeLists.txt": "zephyr/sample_CMakeLists.txt.j2",
        f"{sample}/prj.conf": "zephyr/prj.conf.j2",
        f"{sample}/sample.yaml": "zephyr/sample.yaml.j2",
        f"{sample}/src/main.c": main,
    }


def sample_context(name: str, board: Board) -> dict[str, str]:
    """Where the sample lies, and Zephyr's name of a board to run it on."""
    return {"sample": _sample(name), "platform": _PLATFORMS.get(board.core, _FALLBACK_PLATFORM)}


def _sample(name: str) -> str:
    return f"samples/{name}"


def _in_settings(compiled: Compiled, region: dict[str, Any]) -> dict[str, Any]:
    """A region whose section is a setting; where Zephyr puts memories of that kind only the user knows."""
    setting = f"CONFIG_MCUGEN_{compiled.name.upper()}_{region['MACRO']}_SECTION"
    return {
        **region,
        "setting": setting,
        "value": f"${{{setting}}}",
        "section": f".noinit.mcugen_{region['memory']}",
    }


def cmsis_nn_parts(functions: tuple[str, ...]) -> list[str]:
    """The parts of CMSIS-NN, as Zephyr divides it, that have these functions, sorted."""
    parts = {part for name in functions for start, part in _PARTS.items() if name.startswith(start)}
    unknown = [n for n in functions if not n.startswith((*_PARTS, _PAD))]
    assert not unknown, f"no part of CMSIS-NN is known for {', '.join(unknown)}"
    return sorted({*parts, _SUPPORT}) if functions else []
