"""How projects find the user's CMSIS-NN and what they use of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mcugen.compiled import Compiled
from mcugen.emit.kernels import kernel_files

# Files of functions that compute in floating point, which need headers of other libraries.
FLOAT_SUFFIXES = ("_f16", "_f32", "_flt")

_FUNCTION = re.compile(r"\barm_\w+(?=\()")


def library_context() -> dict[str, Any]:
    """Which sources CMake leaves out, as a regular expression."""
    return {"cmsis_nn_excluded": "|".join(FLOAT_SUFFIXES)}


def called_functions(compiled: Compiled) -> tuple[str, ...]:
    """The functions of CMSIS-NN in the adapters that a model uses, sorted."""
    headers: Mapping[str, str] = kernel_files(
        {call.header for call in compiled.program.calls if call.header.startswith("cmsis_nn/")}
    )
    adapters = (text for path, text in headers.items() if path.startswith("cmsis_nn/"))
    return tuple(sorted({name for text in adapters for name in _FUNCTION.findall(text)}))
