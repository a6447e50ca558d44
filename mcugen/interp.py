"""The reference: evaluates a graph with NumPy, integer-exact where the graph is quantized."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mcugen.errors import InputError
from mcugen.ir import Array, Graph, Op, Tensor

_ABSENT = np.zeros(0, dtype=np.float32)


class Interpreter:
    """Runs a graph; variable tensors keep their value from one call of :meth:`run` to the next."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.reset()

    def reset(self) -> None:
        """Variable tensors go back to their initial values."""
        self._state: dict[str, Array] = {t.name: np.array(t.data) for t in self.graph.variables()}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All activations by tensor name, inputs included. Raises InputError for a missing or misshapen input."""
        values = {name: _checked(self.graph.tensors[name], inputs) for name in self.graph.inputs}
        for op, results in self._steps(values):
            values.update(zip(op.outputs, results, strict=False))
        return values

    def _steps(self, values: dict[str, Array]) -> Iterator[tuple[Op, tuple[Array, ...]]]:
        tensors = self.graph.tensors
        for op in self.graph.ops:
            results = op.evaluate(tensors, *(self._read(name, values) for name in op.inputs))
            self._state.update(zip(op.states, results[len(op.outputs) :], strict=True))
            yield op, results[: len(op.outputs)]

    def _read(self, name: str, values: Mapping[str, Array]) -> Array:
        if not name:
            return _ABSENT
        if name in values:
            return values[name]
        if name in self._state:
            return self._state[name]
        data = self.graph.tensors[name].data
        assert data is not None, f"tensor '{name}' is read before it is written"
        return data


def evaluate(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """All activations of one inference from the initial state, by tensor name."""
    return Interpreter(graph).run(inputs)


def _checked(tensor: Tensor, inputs: Mapping[str, Array]) -> Array:
    if tensor.name not in inputs:
        raise InputError(f"no data for input '{tensor.name}' of shape {tensor.shape}")
    array = inputs[tensor.name]
    if array.shape != tensor.shape or array.dtype != tensor.dtype.numpy:
        raise InputError(
            f"input '{tensor.name}' has shape {array.shape} and type {array.dtype}, "
            f"{tensor.shape} and {tensor.dtype.value} are needed"
        )
    return array
