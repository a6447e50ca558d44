"""Tensors that are parts of another's memory: no code. No file has these operators; a pass makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from mcugen.ir import Array, Shape, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops.movement import Concat, MovementOp


@dataclass(frozen=True, kw_only=True)
class View(MovementOp):
    """The elements of the input from number ``first`` on, in row-major order, under a shape of their own."""

    kind: ClassVar[str] = "View"
    is_alias: ClassVar[bool] = True

    first: int
    shape: Shape

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        if not 0 <= self.first <= math.prod(shapes[0]) - math.prod(self.shape):
            raise ValueError(f"no {self.shape} from element {self.first} of {shapes[0]}")
        return (self.shape,)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        part = arrays[0].reshape(-1)[self.first : self.first + math.prod(self.shape)]
        return (part.reshape(self.shape),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Join(Concat):
    """A Concat whose inputs are made where they belong in the output."""

    kind: ClassVar[str] = "Join"
    is_alias: ClassVar[bool] = True

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        return ()
