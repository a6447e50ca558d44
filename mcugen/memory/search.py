"""Improves a packing within a budget: asks for smaller and smaller peaks, and stops at the goal.

Searches for a packing are heavy-tailed: one order of the buffers finds in a few hundred nodes what another does not
find in millions. So several orders each get a slice of nodes, and in every round the slices grow.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import count

from mcugen.memory.bounds import lower_bound
from mcugen.memory.budget import Budget
from mcugen.memory.canonical import Outcome, fit
from mcugen.memory.conflicts import Instance
from mcugen.memory.disjunctive import improve_general
from mcugen.memory.linear_scan import Packing, linear_scan
from mcugen.memory.problem import align_up

_FIRST_SLICE = 3_000
_GROWTH = 4
_SHARES = 10
"""No slice is larger than this fraction (1/n) of what is left, so that small budgets try several orders too."""
_LEAST_SLICE = 200
_ORDERS = ("TSA", "LZ", "TNZ", "TMZ", "TWA")
"""Sort keys of the orders, see :func:`_keys`."""
_SHAKEN = 5


def improve(instance: Instance, start: Packing, goal: int, budget: Budget) -> tuple[Packing, bool]:
    """The best packing found, and whether no smaller one exists; ends at ``goal`` bytes or with the budget."""
    if not instance.relaxed and not instance.pinned:
        return _narrow(instance, start, goal, budget)
    if not instance.pinned:
        start = _best_apart(instance.apart(), start, goal, budget.slice(budget.left // 2))
    return improve_general(instance, start, goal, budget)


def _best_apart(instance: Instance, start: Packing, goal: int, budget: Budget) -> Packing:
    """A packing in which no buffers overlap, if that is better: what may overlap need not."""
    goal = max(goal, lower_bound(instance))
    apart = linear_scan(instance)
    if apart.peak > goal and goal < start.peak:
        apart, _ = _narrow(instance, apart, goal, budget)
    return min(start, apart, key=lambda packing: packing.peak)


def _narrow(instance: Instance, start: Packing, goal: int, budget: Budget) -> tuple[Packing, bool]:
    """The best packing below or at ``start`` that the budget allows; see :func:`improve`.

    Every round asks for the goal itself, then narrows the interval between it and the best packing by halving.
    """
    best, refuted, step = start, lower_bound(instance) - 1, _peak_step(instance)
    for number in count():
        wish = max(goal, _next_multiple(refuted, step))
        low = target = wish
        while target < best.peak and budget.left:
            nodes = _FIRST_SLICE * _GROWTH**number // (1 if target == wish else _GROWTH)
            nodes = min(nodes, max(budget.left // _SHARES, _LEAST_SLICE))
            outcome = _try_orders(instance, target, number, nodes, budget)
            if outcome.offsets is not None:
                best = Packing(outcome.offsets, instance.peak(outcome.offsets), "search")
            else:
                refuted = target if outcome.complete else refuted
                low = _next_multiple(target, step)
            target = low + (best.peak - low) // (2 * step) * step
        proven = best.peak <= _next_multiple(refuted, step)
        if proven or best.peak <= goal or not budget.left:
            return best, proven
    raise AssertionError("unreachable: the rounds do not end")


def _peak_step(instance: Instance) -> int:
    """Canonical peaks are multiples of this: offsets are sums of sizes."""
    alignments = {b.alignment for b in instance.buffers}
    if len(alignments) > 1:
        return max(alignments)
    return math.gcd(*(align_up(b.size, b.alignment) for b in instance.buffers))


def _next_multiple(value: int, step: int) -> int:
    """The smallest multiple of step above a value."""
    return (value // step + 1) * step


def _try_orders(instance: Instance, capacity: int, number: int, nodes: int, budget: Budget) -> Outcome:
    """The first order that ends within its slice of nodes decides."""
    outcome = Outcome(None, complete=False)
    for order in _orders(instance, number):
        share = budget.slice(nodes)
        outcome = fit(instance, order, capacity, share)
        if outcome.complete or not budget.left:
            break
    return outcome


def _orders(instance: Instance, number: int) -> Iterator[list[int]]:
    """Orders for one round: the plain ones, and from the second round on some with shaken keys."""
    keys = [_keys(instance, letters) for letters in _ORDERS]
    for key in keys:
        yield sorted(range(len(key)), key=lambda i: (key[i], i))
    for seed in range(_SHAKEN if number else 0):
        chance = random.Random(number * _SHAKEN + seed)  # noqa: S311 - the same numbers everywhere
        key = [tuple(x * chance.randrange(60, 141) for x in row) for row in keys[seed % len(keys)]]
        yield sorted(range(len(key)), key=lambda i: (key[i], i))


def _keys(instance: Instance, letters: str) -> list[tuple[int, ...]]:
    """Sort keys, larger first.

    L earliness, T most bytes live at any of its steps, W lifetime in steps, S number of starts of buffers in its
    lifetime, N number of buffers it meets, Z size; A = Z x W, P = Z x S, M = Z x N.
    """
    buffers = instance.buffers
    starts = sorted({b.lower for b in buffers})
    live = {t: sum(b.size for b in buffers if b.lower <= t < b.upper) for t in starts}
    lived = [[live[t] for t in starts if b.lower <= t < b.upper] for b in buffers]
    size = [b.size for b in buffers]
    columns = {
        "L": [-b.lower for b in buffers],
        "T": [max(sums) for sums in lived],
        "W": [b.upper - b.lower for b in buffers],
        "S": [len(sums) for sums in lived],
        "N": [len(others) for others in instance.forbidden],
        "Z": size,
    }
    for product, factor in (("A", "W"), ("P", "S"), ("M", "N")):
        columns[product] = [x * y for x, y in zip(size, columns[factor], strict=True)]
    return [tuple(-columns[letter][i] for letter in letters) for i in range(len(buffers))]
