"""Observers: from the values of a tensor over all samples to its range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from mcugen.errors import InputError
from mcugen.ir import Array
from mcugen.quantize.parameters import Range


class Observer(Protocol):
    """Takes in the values of one tensor, sample after sample."""

    def update(self, values: Array) -> None: ...

    def range(self) -> Range: ...


class MinMax:
    """The smallest and largest value of all."""

    def __init__(self) -> None:
        self._low, self._high = math.inf, -math.inf

    def update(self, values: Array) -> None:
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))

    def range(self) -> Range:
        return Range(self._low, self._high)


class Percentile:
    """The range without the outermost values on either side, exactly: only these tails are kept.

    percent: share of all values that the range covers on each side, e.g. 99.99. total: number of values to
    come.
    """

    def __init__(self, percent: float, total: int) -> None:
        # One value more than may be cut off: the outermost one kept is the bound.
        self._count = math.floor(total * (100.0 - percent) / 100.0) + 1
        self._smallest = np.zeros(0, dtype=np.float32)
        self._largest = np.zeros(0, dtype=np.float32)

    def update(self, values: Array) -> None:
        flat = values.reshape(-1)
        if not np.isfinite(flat).all():
            flat = np.where(np.isnan(flat), np.inf, flat)
        self._smallest = np.sort(np.concatenate([self._smallest, flat]))[: self._count]
        self._largest = np.sort(np.concatenate([self._largest, flat]))[-self._count :]

    def range(self) -> Range:
        return Range(float(self._smallest[-1]), float(self._largest[0]))


ObserverFactory: TypeAlias = Callable[[int], Observer]

DEFAULT_PERCENT = 99.99


def observer_factory(text: str) -> ObserverFactory:
    """From "minmax", "percentile" or "percentile:99.9" to a function of the number of values.

    Raises InputError for anything else.
    """
    kind, _, argument = text.partition(":")
    if kind == "minmax" and not argument:
        return lambda total: MinMax()
    if kind == "percentile":
        try:
            percent = float(argument) if argument else DEFAULT_PERCENT
        except ValueError:
            percent = math.nan
        if 50.0 < percent <= 100.0:
            return lambda total: Percentile(percent, total)
    hint = "use minmax, percentile, or percentile:P with P above 50 and at most 100"
    raise InputError(f"unknown observer '{text}'", where="--observer", hint=hint)
