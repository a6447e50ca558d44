"""Element-wise additions as one linear form: searched for, and proven over all pairs of int8 inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen import fixedpoint as fx
from mcugen.lowering.call import KernelCall, ParamValue
from mcugen.ops.add import LEFT_SHIFT

IntArray: TypeAlias = NDArray[np.int64]
Slope: TypeAlias = tuple[int, int, int]
"""a_factor, b_factor and shift of a form."""

_INT8 = np.arange(-128, 128, dtype=np.int64)
_FACTOR_LIMIT = 2**31
# Rests that only the clamp limits.
_ANY_REST = 2**40


@dataclass(frozen=True)
class Affine:
    """``(a * a_factor + b * b_factor + rest) >> shift``."""

    a_factor: int
    b_factor: int
    rest: int
    shift: int

    @property
    def largest_product(self) -> int:
        """No sum of the two products is larger, whatever its sign."""
        return 128 * (abs(self.a_factor) + abs(self.b_factor))

    def of_pairs(self) -> IntArray:
        """Its value for all inputs, [a, b]."""
        products = _INT8[:, None] * self.a_factor + _INT8[None, :] * self.b_factor
        result: IntArray = (products + self.rest) >> self.shift
        return result


def call_sign(call: KernelCall) -> int:
    """1 for an addition, -1 for a subtraction."""
    return 1 if call.kernel == "add_s8" else -1


def quantization_of(call: KernelCall) -> tuple[tuple[str, ParamValue], ...]:
    """What the outputs of a call of add_s8 or sub_s8 depend on besides the inputs: all but the shapes."""
    return tuple((k, v) for k, v in call.params if k not in ("dims", "a_strides", "b_strides"))


def real_factors(call: KernelCall) -> tuple[float, float]:
    """How much the output of add_s8 or sub_s8 grows with each input."""

    def real(name: str) -> float:
        return math.ldexp(call.param(f"{name}_multiplier"), call.param(f"{name}_shift") - 31)

    out = real("out") * 2**LEFT_SHIFT
    return real("a") * out, call_sign(call) * real("b") * out


def outputs_of_pairs(call: KernelCall) -> IntArray:
    """What the contract add_s8 or sub_s8 gives for all inputs, [a, b]."""
    a, b = (
        fx.multiply_by_quantized_multiplier(
            (_INT8 + call.param(f"{n}_offset")) << LEFT_SHIFT,
            call.param(f"{n}_multiplier"),
            call.param(f"{n}_shift"),
        )
        for n in "ab"
    )
    total = a[:, None] + call_sign(call) * b[None, :]
    scaled = fx.multiply_by_quantized_multiplier(total, call.param("out_multiplier"), call.param("out_shift"))
    outputs: IntArray = np.clip(
        scaled + call.param("out_offset"), call.param("act_min"), call.param("act_max")
    )
    return outputs


def find_affine(call: KernelCall, slopes: Iterable[Slope], fits: Callable[[Affine], bool]) -> Affine | None:
    """The first form with one of the slopes that fits and, clamped, equals the contract for all pairs of inputs."""
    outputs = outputs_of_pairs(call)
    bounds = call.param("act_min"), call.param("act_max")
    rests = _Rests(outputs, bounds, call_sign(call))
    for slope in slopes:
        rest = rests.middle(slope)
        if rest is None:
            continue
        a_factor, b_factor, shift = slope
        form = Affine(a_factor, b_factor, rest, shift)
        if fits(form) and np.array_equal(np.clip(form.of_pairs(), *bounds), outputs):
            return form
    return None


@dataclass(frozen=True)
class _Limits:
    """Pairs of inputs with the outputs there that limit the rest from one side."""

    a: IntArray
    b: IntArray
    outputs: IntArray

    def at(self, index: int) -> _Limits:
        part = slice(index, index + 1)
        return _Limits(self.a[part], self.b[part], self.outputs[part])

    def and_(self, other: _Limits) -> _Limits:
        parts = ((self.a, other.a), (self.b, other.b), (self.outputs, other.outputs))
        return _Limits(*(np.concatenate(pair) for pair in parts))

    def gaps(self, slope: Slope) -> IntArray:
        """What lacks between the products and the outputs."""
        a_factor, b_factor, shift = slope
        result: IntArray = (self.outputs << shift) - (self.a * a_factor + self.b * b_factor)
        return result


class _Rests:
    """The rests with which a slope gives given outputs.

    Where neighbouring pairs have the same output only the outermost limits the rest. Pairs that have ruled out
    one slope are tried first on the next.
    """

    def __init__(self, outputs: IntArray, bounds: tuple[int, int], sign: int) -> None:
        b = _INT8[::sign]  # so that products grow along both axes
        outputs = outputs[:, ::sign]
        self._least = _outermost(outputs, b, outputs > bounds[0], before=True)
        self._most = _outermost(outputs + 1, b, outputs < bounds[1], before=False)
        self._hard = self._least.at(0), self._most.at(0)

    def middle(self, slope: Slope) -> int | None:
        """The middle of the rests that may do; none does if there is no such."""
        if max(abs(slope[0]), abs(slope[1])) >= _FACTOR_LIMIT or _middle(*self._hard, slope) is None:
            return None
        found = _middle(self._least, self._most, slope)
        if found is None:
            least = self._least.at(int(self._least.gaps(slope).argmax()))
            most = self._most.at(int(self._most.gaps(slope).argmin()))
            self._hard = self._hard[0].and_(least), self._hard[1].and_(most)
        return found


def _middle(least: _Limits, most: _Limits, slope: Slope) -> int | None:
    low = int(least.gaps(slope).max(initial=-_ANY_REST))
    high = int(most.gaps(slope).min(initial=_ANY_REST)) - 1
    return None if low > high else (max(low, -(2**31)) + min(high, 2**31 - 1)) // 2


def _outermost(outputs: IntArray, b: IntArray, wanted: NDArray[np.bool_], *, before: bool) -> _Limits:
    """The wanted pairs whose neighbour before (or behind) has another output, along both axes."""
    for axis in (0, 1):
        changes = np.diff(outputs, axis=axis) != 0
        edge = np.ones_like(np.take(changes, [0], axis=axis))
        wanted = wanted & np.concatenate([edge, changes] if before else [changes, edge], axis=axis)
    rows, columns = np.nonzero(wanted)
    return _Limits(_INT8[rows], b[columns], outputs[rows, columns])
