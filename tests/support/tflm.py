"""TensorFlow Lite for Microcontrollers as the oracle, in a process of its own, because it aborts on what it refuses."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from mcugen.ir import Array

ARENA_BYTES = 1 << 20

_pool: ProcessPoolExecutor | None = None
_messages = tempfile.NamedTemporaryFile(prefix="tflm-")  # noqa: SIM115 - what TFLM prints, for as long as we live


class TflmRefused(Exception):
    """TFLM rejected the model, or died on it."""


def run(model: bytes, steps: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Outputs of inferences one after the other in one interpreter; ``steps`` holds the inputs of each.

    Raises TflmRefused when TFLM does not run the model.
    """
    global _pool
    if _pool is None:
        context = multiprocessing.get_context("spawn")
        _pool = ProcessPoolExecutor(1, mp_context=context, initializer=_redirect, initargs=(_messages.name,))
        atexit.register(_pool.shutdown)
    _messages.truncate(0)
    try:
        return _pool.submit(_run, model, steps).result(timeout=60)
    except RuntimeError as error:  # BrokenProcessPool is one, too
        if isinstance(error, BrokenProcessPool):
            _pool = None
        printed = Path(_messages.name).read_text(encoding="utf-8", errors="replace")
        raise TflmRefused(f"{error}; TFLM says:\n{printed[-500:]}") from error


def _redirect(path: str) -> None:
    """Sends what TFLM prints to a file."""
    os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), 2)


def _run(model: bytes, steps: Sequence[Sequence[Array]]) -> list[list[Array]]:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
    outputs = _output_count(model)
    results = []
    for inputs in steps:
        for i, array in enumerate(inputs):
            interpreter.set_input(array, i)
        interpreter.invoke()
        results.append([interpreter.get_output(i).copy() for i in range(outputs)])
    return results


def _output_count(model: bytes) -> int:
    import tflite

    return int(tflite.Model.GetRootAs(model, 0).Subgraphs(0).OutputsLength())
