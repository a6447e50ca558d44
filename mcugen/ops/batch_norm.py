"""Batch normalization, in float graphs only: passes fold it before quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, Constraint, Op, Shape, Tensors


@dataclass(frozen=True, kw_only=True)
class BatchNorm(Op):
    """``y = x * scale + offset`` per channel (last axis): inputs are (x, scale, offset), both constant."""

    kind: ClassVar[str] = "BatchNorm"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        Constraint(
            "a batch normalization follows a convolution or fully connected layer that nothing else reads",
            lambda op, t: False,
        ),
    )

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        return (shapes[0],)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x, scale, offset = arrays
        return ((x * scale + offset).astype(np.float32),)
