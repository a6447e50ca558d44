"""Which tensors must share their quantization, because operators only move or select elements."""

from __future__ import annotations

from mcugen.ir import Graph, Op, QuantParams
from mcugen.ops import Concat, Logistic, Softmax, Tanh
from mcugen.ops.pool2d import Pool2D
from mcugen.quantize.parameters import SOFTMAX_QUANT, TANH_QUANT


def fixed_output(op: Op) -> QuantParams | None:
    """The parameters that the integer operator prescribes for its output, if it does."""
    if isinstance(op, (Softmax, Logistic)):
        return SOFTMAX_QUANT
    return TANH_QUANT if isinstance(op, Tanh) else None


def keeps_quantization(op: Op) -> bool:
    """Whether inputs and outputs of the integer operator have the same parameters."""
    return op.moves_data_only or isinstance(op, Pool2D)


class Groups:
    """Tensors tied together, by a representative; a group that holds a prescribed output has its parameters.

    A Concat is not tied to operands with prescribed parameters (they are requantized in front of it), unless
    all operands have the same ones.
    """

    def __init__(self, graph: Graph) -> None:
        self._parent: dict[str, str] = {name: name for name in graph.tensors}
        self._fixed: dict[str, QuantParams] = {}
        for op in graph.ops:
            fixed = fixed_output(op)
            if fixed is not None:
                self._fixed[op.outputs[0]] = fixed
            if keeps_quantization(op):
                for name in self._tied_inputs(op):
                    self._tie(name, op.outputs)

    def find(self, name: str) -> str:
        """The representative of the tensor's group."""
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name

    def fixed(self, name: str) -> QuantParams | None:
        """The prescribed parameters of the tensor's group."""
        return self._fixed.get(self.find(name))

    def _tied_inputs(self, op: Op) -> list[str]:
        free = [n for n in op.inputs if self.fixed(n) is None]
        if isinstance(op, Concat) and (free or len({self.fixed(n) for n in op.inputs}) > 1):
            return free
        return list(op.inputs)

    def _tie(self, name: str, outputs: tuple[str, ...]) -> None:
        for output in outputs:
            a, b = self.find(name), self.find(output)
            fixed = self._fixed.get(a, self._fixed.get(b))
            self._parent[b] = a
            if fixed is not None:
                self._fixed[a] = fixed
