"""Finds one requantization per channel that equals a given step function of the accumulator, and proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.fixedpoint import Int64Array

Function: TypeAlias = Callable[[Int64Array], Int64Array]
Bounds: TypeAlias = tuple[int, int]

# Slopes that are tried per channel; the phase of the rounding differs from one to the next.
_SLOPES = 128
# Rounding twice moves a step of the accumulator by less than this from where rounding once has it.
_SLACK = 2


@dataclass(frozen=True)
class Requantization:
    """``clamp(requantize(acc + bias) + zero_point)`` with the multiplier of a real factor, which is float64."""

    factor: float
    bias: int


@dataclass(frozen=True, eq=False)
class Steps:
    """A monotonic function of integers in [low, high] to integers.

    ``first``: the least argument at which it reaches each of the values from ``values[0]`` + 1 to ``values[1]``.
    """

    low: int
    high: int
    values: tuple[int, int]
    first: Int64Array


def steps_of(function: Function, low: int, high: int) -> Steps | None:
    """The steps of a function on [low, high] that grows; None where it gives less at the end than at the start.

    That it grows in between is the caller's to know.
    """
    start, end = (int(function(np.array([x], dtype=np.int64))[0]) for x in (low, high))
    if end < start:
        return None
    wanted = np.arange(start + 1, end + 1, dtype=np.int64)
    return Steps(low, high, (start, end), _first_reaching(function, wanted, low, high))


def _first_reaching(function: Function, wanted: Int64Array, low: int, high: int) -> Int64Array:
    """The least arguments in (low, high] at which a growing function reaches the wanted values."""
    below, above = np.full_like(wanted, low), np.full_like(wanted, high)
    for _ in range(max(1, int(high - low).bit_length())):
        middle = (below + above) >> 1
        reached = function(middle) >= wanted
        below, above = np.where(reached, below, middle), np.where(reached, middle, above)
    return above


def find_requantization(
    steps: Steps, zero_point: int, bounds: Bounds, real: float, representable: Callable[[float], float]
) -> Requantization | None:
    """A requantization into the bounds that gives the same as a function on its whole interval, if one was found.

    real: a factor to start from; representable: the nearest factor that the layer can have.
    """
    for factor in dict.fromkeys(representable(f) for f in _factors(steps, real)):
        bias = _fitting_bias(steps, factor, zero_point, bounds)
        if bias is not None and _fits_32_bits(steps, bias):
            return Requantization(factor, bias)
    return None


def _fits_32_bits(steps: Steps, bias: int) -> bool:
    return steps.low + bias >= fx.INT32_MIN and steps.high + bias <= fx.INT32_MAX


def _factors(steps: Steps, real: float) -> Iterator[float]:
    """Factors with which the distances of the steps may come out right."""
    yield real
    count = len(steps.first)
    if count < 2:
        return
    distance = np.arange(1, count)
    between = [steps.first[d:] - steps.first[:-d] for d in distance]
    shortest = max((int(b.max()) - _SLACK) / d for d, b in zip(distance, between, strict=True))
    longest = min((int(b.min()) + _SLACK) / d for d, b in zip(distance, between, strict=True))
    if 1 <= shortest <= longest:
        yield from (1 / p for p in np.linspace(shortest, longest, _SLOPES))


def _fitting_bias(steps: Steps, factor: float, zero_point: int, bounds: Bounds) -> int | None:
    """What to add to the accumulator so that every step comes at the same place, None if there is no such."""
    multiplier, shift = fx.quantize_multiplier(factor)
    if shift > 0 or multiplier == 0:
        return None

    def requantized(acc: Int64Array) -> Int64Array:
        return fx.multiply_by_quantized_multiplier(acc, multiplier, shift) + zero_point

    start, end = steps.values
    wanted = np.arange(start, end + 2, dtype=np.int64)  # one step more on each side
    reach = int(2 + (np.abs(wanted - zero_point).max() + 1) / factor)
    if reach > fx.INT32_MAX:
        return None
    own = _first_reaching(requantized, wanted, -reach, reach)
    offsets = own[1:-1] - steps.first
    low, high = fx.INT32_MIN, fx.INT32_MAX
    if start > bounds[0]:  # it has to be reached at once
        low = int(own[0]) - steps.low
    if end < bounds[1]:  # and must not be exceeded
        high = int(own[-1]) - steps.high - 1
    if len(offsets):
        low, high = max(low, int(offsets.max())), min(high, int(offsets.min()))
    if low > high or start < bounds[0] or end > bounds[1]:
        return None
    return min(max(0, low), high)


def reached_bounds(values: list[Bounds]) -> Bounds:
    """The least and the greatest of all channels' values."""
    return min(v[0] for v in values), max(v[1] for v in values)


def layer_requantize(multiplier: int, shift: int, zero_point: int, bounds: Bounds) -> Function:
    """The function that a layer applies to its accumulators."""

    def function(acc: Int64Array) -> Int64Array:
        scaled = fx.multiply_by_quantized_multiplier(acc, multiplier, shift) + zero_point
        clamped: Int64Array = np.clip(scaled, *bounds)
        return clamped

    return function


INT8_BOUNDS: Bounds = (-128, 127)
