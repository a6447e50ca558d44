"""The intermediate representation: immutable tensors, operators and graphs.

Knows no file format and no C. Activations are NHWC (said once, here); ``Graph.ops`` is the execution order.
Operators are dataclasses in :mod:`mcugen.ops`, all derived from :class:`Op`.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mcugen.lowering.call import KernelCall

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


class DType(enum.Enum):
    """Element types, with their NumPy name as value."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.value)

    @property
    def size(self) -> int:
        """Bytes per element."""
        return self.numpy.itemsize

    @property
    def c_type(self) -> str:
        """The C11 type of one element."""
        return {"float32": "float", "bool": "uint8_t"}.get(self.value, f"{self.value}_t")

    @property
    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value of an integer type."""
        info = np.iinfo(self.numpy)
        return int(info.min), int(info.max)


@dataclass(frozen=True)
class QuantParams:
    """Affine quantization: ``real = scale * (q - zero_point)``.

    One scale per tensor (``axis`` None), or one per index of dimension ``axis``. Scales are float32 values.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.zero_point):
            raise ValueError(f"{len(self.scale)} scales for {len(self.zero_point)} zero points")

    @staticmethod
    def per_tensor(scale: float, zero_point: int) -> QuantParams:
        return QuantParams((float(np.float32(scale)),), (int(zero_point),))

    def __str__(self) -> str:
        if len(self.scale) == 1:
            return f"scale={self.scale[0]:.9g} zero_point={self.zero_point[0]}"
        return f"{len(self.scale)} scales on axis {self.axis}"


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value of the graph. ``data`` is set for constants; ``variable`` marks state kept between inferences."""

    name: str
    dtype: DType
    shape: Shape
    quant: QuantParams | None = None
    data: Array | None = None
    variable: bool = False

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.size

    @property
    def is_const(self) -> bool:
        return self.data is not None and not self.variable

    @property
    def scale(self) -> float:
        """The per-tensor scale. Raises ValueError without per-tensor quantization."""
        return self._one_quant().scale[0]

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point. Raises ValueError without per-tensor quantization."""
        return self._one_quant().zero_point[0]

    def _one_quant(self) -> QuantParams:
        if self.quant is None or len(self.quant.scale) != 1:
            raise ValueError(f"tensor '{self.name}' has no per-tensor quantization")
        return self.quant

    def replace(self, **changes: Any) -> Tensor:
        return dataclasses.replace(self, **changes)

    def __str__(self) -> str:
        dims = "x".join(map(str, self.shape)) or "scalar"
        parts = [f"{self.name}: {self.dtype.value}[{dims}]"]
        if self.quant:
            parts.append(str(self.quant))
        if self.variable:
            parts.append("variable")
        elif self.data is not None:
            parts.append("const")
        return " ".join(parts)


Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Constraint:
    """A condition on a node of an integer graph: ``text`` is the error message and the line in the docs."""

    text: str
    holds: Callable[[Any, Tensors], bool]


@dataclass(frozen=True, kw_only=True)
class Op:
    """Base of all operators.

    inputs, outputs: tensor names; an absent optional input is "".
    origin: the node in the user's file, for messages, as "CONV_2D #3 'conv/relu'".

    ``kind`` is the operator's name in messages and docs.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origin: str = field(default="", compare=False)

    kind: ClassVar[str]
    constraints: ClassVar[tuple[Constraint, ...]] = ()
    # Elements move but never change: every output has the quantization of the inputs.
    moves_data_only: ClassVar[bool] = False
    # The output is the input under another shape: no code, the same memory.
    is_alias: ClassVar[bool] = False

    @property
    def states(self) -> tuple[str, ...]:
        """Names of variable tensors that the operator reads and writes."""
        return ()

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Output shapes for the input shapes (``()`` for an absent input). Raises ValueError if they disagree."""
        raise NotImplementedError

    def check(self, tensors: Tensors) -> list[str]:
        """The first constraint of the integer implementation that this node violates, or nothing.

        Constraints may rely on those before them, so the rest is not looked at.
        """
        return next(([c.text] for c in self.constraints if not c.holds(self, tensors)), [])

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        """The outputs, followed by the new values of ``states``: the definition of the operator."""
        raise NotImplementedError

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        """The kernel calls that compute the node, in the scalar contract's form."""
        raise NotImplementedError

    def macs(self, tensors: Tensors) -> int:
        """Multiply-accumulates per inference."""
        return 0

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        """The rows of input ``index`` that these rows of the output are made of.

        Rows are along dimension 1 of NHWC. None when the output is not made row by row. For a constant input that is
        the same for all rows, the result is empty.
        """
        return None

    def of_rows(self, tensors: Tensors, rows: range) -> Op:
        """The operator that makes only these rows, of nothing but the rows that they need."""
        return self

    def rewired(self, names: Mapping[str, str]) -> Op:
        """The operator with tensor names replaced where ``names`` has them."""
        return dataclasses.replace(
            self,
            inputs=tuple(names.get(n, n) for n in self.inputs),
            outputs=tuple(names.get(n, n) for n in self.outputs),
        )

    def attributes(self) -> dict[str, Any]:
        """The operator's own fields, by name."""
        base = {"inputs", "outputs", "origin"}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in base}

    def __str__(self) -> str:
        attributes = ", ".join(f"{k}={v}" for k, v in self.attributes().items())
        return f"{', '.join(self.outputs)} = {self.kind}({', '.join(self.inputs)}; {attributes})"


@dataclass(frozen=True)
class Graph:
    """Tensors by name, operators in execution order, and the names of the model's inputs and outputs.

    ``layouts`` says for an input or output the permutation from the user's axis order to the stored one
    (``(0, 2, 3, 1)`` for a tensor that the user's file calls NCHW); absent means unchanged.
    """

    tensors: Tensors
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    name: str = "model"
    layouts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def replace(self, **changes: Any) -> Graph:
        return dataclasses.replace(self, **changes)

    def producers(self) -> dict[str, Op]:
        """The operator that makes each tensor."""
        return {name: op for op in self.ops for name in op.outputs}

    def consumers(self) -> dict[str, list[Op]]:
        """The operators that read each tensor, in order."""
        readers: dict[str, list[Op]] = {}
        for op in self.ops:
            for name in dict.fromkeys(op.inputs):
                if name:
                    readers.setdefault(name, []).append(op)
        return readers

    def with_ops(self, ops: Iterable[Op], tensors: Tensors | None = None) -> Graph:
        """The graph with other operators; tensors that nothing uses any more are dropped."""
        ops = tuple(ops)
        available = self.tensors if tensors is None else tensors
        used = {n for op in ops for n in (*op.inputs, *op.outputs) if n} | {*self.inputs, *self.outputs}
        return self.replace(ops=ops, tensors={n: t for n, t in available.items() if n in used})

    def constants(self) -> tuple[Tensor, ...]:
        return tuple(t for t in self.tensors.values() if t.is_const)

    def variables(self) -> tuple[Tensor, ...]:
        return tuple(t for t in self.tensors.values() if t.variable)

    def macs(self) -> int:
        return sum(op.macs(self.tensors) for op in self.ops)

    def __str__(self) -> str:
        lines = [f"graph {self.name}"]
        lines += [f"  input {self.tensors[n]}" for n in self.inputs]
        lines += [f"  const {t}" for t in self.constants()]
        lines += [f"  var {t}" for t in self.variables()]
        for op in self.ops:
            lines.append(f"  {op}")
            lines += [f"    -> {self.tensors[n]}" for n in op.outputs]
        lines += [f"  output {n}" for n in self.outputs]
        return "\n".join(lines) + "\n"
