"""Holds the interpreter against TFLM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcugen.frontends.tflite import load_tflite
from mcugen.interp import Interpreter
from mcugen.ir import Array
from mcugen.verify_ir import check_supported, verify
from tests.support import tflm


def assert_same_as_tflm(model: bytes, steps: Sequence[Sequence[Array]]) -> None:
    """Imports a model that mcugen must support and compares all outputs of consecutive inferences byte for byte."""
    graph = load_tflite(model, "test").graph
    verify(graph)
    check_supported(graph)
    interpreter = Interpreter(graph)
    expected = tflm.run(model, steps)
    for number, (inputs, outputs) in enumerate(zip(steps, expected, strict=True)):
        values = interpreter.run(dict(zip(graph.inputs, inputs, strict=True)))
        for name, wanted in zip(graph.outputs, outputs, strict=True):
            assert_equal_bytes(values[name], wanted, f"inference {number}, output '{name}' of\n{graph}")


def assert_equal_bytes(found: Array, wanted: Array, what: str) -> None:
    """Same type, shape and bits; the message names the first difference."""
    assert found.dtype == wanted.dtype and found.shape == wanted.shape, (
        f"{found.dtype}{found.shape}, {wanted.dtype}{wanted.shape} is needed: {what}"
    )
    if found.tobytes() == wanted.tobytes():
        return
    bits = f"u{found.dtype.itemsize}"
    differ = np.ascontiguousarray(found).view(bits) != np.ascontiguousarray(wanted).view(bits)
    first = tuple(int(i) for i in np.argwhere(differ)[0])
    raise AssertionError(
        f"{int(differ.sum())} of {found.size} elements differ, first {first}: {found[first]!r}, "
        f"{wanted[first]!r} is needed: {what}"
    )
