"""Which region everything lies in: of the ways to hold each item, the cheapest set that fits the regions.

An :class:`Item` is something that needs memory (a tensor, working memory, weights that are worth a copy), an
:class:`Option` one way to hold it: buffers that name their region, and what that costs. :func:`place` takes one
option per item such that the planner fits the buffers into every region, and minimises the sum of the costs.

It starts greedily, the items with the most to lose per byte first, improves that by changing one or two items at a
time, and then searches all combinations, best first, as far as its budget goes; where the search ends by itself and
every refusal was proven, nothing cheaper exists. The budget counts packings and checks, so that the same problem
gives the same placement on every machine.

Buffers that live all the time and overlap nothing lie at the start of their region, one after the other; only the
others have to be packed. That loses nothing: whatever lies above such a buffer can move below it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mcugen.errors import DoesNotFitError
from mcugen.memory.bounds import lower_bound
from mcugen.memory.budget import Budget
from mcugen.memory.conflicts import Instance, instance_of
from mcugen.memory.linear_scan import Packing, linear_scan
from mcugen.memory.problem import Buffer, Overlap, Problem, Region, align_up
from mcugen.memory.search import improve

_PACKINGS = 200
"""Sets of buffers packed at most, of up to _ITEMS items; of more items fewer, as each takes longer."""
_CHECKS = 16_000
"""Choices looked at at most, half of them by the exact search; likewise."""
_ITEMS = 60
_LEAST_PACKINGS = 40
_NODES = 300
"""Search nodes for a packing that the linear scan does not find."""
_PRICES = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)
"""What greedy choices take a byte of a region for, as parts of all that is at stake divided by the region's size."""
_STARTS = 3
"""Greedy choices that are improved."""
_LAST_NODES = 1000
"""Search nodes for a smaller packing of the regions in the end."""


@dataclass(frozen=True)
class Option:
    """One way to hold an item. The buffers name their regions; there are none where the item needs no memory."""

    cost: float
    buffers: tuple[Buffer, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(b.size for b in self.buffers)


@dataclass(frozen=True)
class Item:
    """Something to be held in one of several ways. Buffers of all options of all items have different names,
    except that the same buffer may be offered in several regions."""

    name: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Placement:
    """The number of the option taken, by the item's name, and the offsets of all buffers.

    greedy: the least that a greedy choice costs; None where none fits. proven: nothing cheaper exists.
    """

    chosen: Mapping[str, int]
    buffers: tuple[Buffer, ...]
    offsets: Mapping[str, int]
    cost: float
    greedy: float | None
    proven: bool


def place(
    items: Sequence[Item],
    regions: Sequence[Region],
    overlaps: Sequence[Overlap] = (),
) -> Placement:
    """The cheapest options found that fit; never dearer than the greedy choice.

    Raises DoesNotFitError when no choice was found that fits.
    """
    search = _Search(tuple(items), _Packer.of(items, regions, overlaps))
    starts = search.starts()
    greedy = min((search.cost(start) for start in starts), default=None)
    checks = _CHECKS * _ITEMS // max(len(items), _ITEMS)
    improved = [search.improved(start, checks // 2 // _STARTS) for start in starts[:_STARTS]]
    search.packer.refill()
    chosen, complete = search.best(min(improved, key=search.cost, default=None), checks // 2)
    if chosen is None:
        raise _does_not_fit(items, regions, complete and search.packer.sure)
    cost = search.cost(chosen)
    return Placement(
        chosen={item.name: k for item, k in zip(items, chosen, strict=True)},
        buffers=tuple(b for inside in search.buffers(chosen).values() for b in inside),
        offsets=search.packer.offsets(search.buffers(chosen)),
        cost=cost,
        greedy=greedy,
        proven=cost <= search.least_cost + _EPSILON or (complete and search.packer.sure),
    )


def repack(problem: Problem, region: Region) -> dict[str, int] | None:
    """Offsets of one region's buffers that fit it, or None where none are found."""
    everything = Item("", (Option(0.0, problem.buffers),))
    packer = _Packer.of([everything], problem.all_regions, problem.overlaps)
    packer.refill(math.inf)
    buffers = problem.in_region(region.name)
    return packer.offsets({region.name: buffers}, 0) if packer.fits(region.name, buffers) else None


@dataclass
class _Packed:
    """What is known of a set of buffers: the best packing so far, and bytes below which there is none.

    efforts: what may still be tried for a smaller packing.
    """

    instance: Instance
    packing: Packing
    bound: int
    efforts: list[Callable[[_Packed, int], Packing]]

    @staticmethod
    def of(instance: Instance, room: int) -> _Packed:
        bound = lower_bound(instance)
        return _Packed(instance, linear_scan(instance, room, bound), bound, [_searched, _scanned])

    def fits(self, room: int) -> bool:
        """Whether a packing within the room is found; tries what has not been tried yet."""
        while self.packing.peak > room >= self.bound and self.efforts:
            effort = self.efforts.pop()
            self.packing = min(self.packing, effort(self, room), key=lambda packing: packing.peak)
        return self.packing.peak <= room

    @property
    def offsets(self) -> dict[str, int]:
        """The packing's, by name."""
        return {b.name: o for b, o in zip(self.instance.buffers, self.packing.offsets, strict=True)}


def _scanned(packed: _Packed, room: int) -> Packing:
    return linear_scan(packed.instance, room, packed.bound)


def _searched(packed: _Packed, room: int) -> Packing:
    return improve(packed.instance, packed.packing, room, Budget(_NODES, math.inf))[0]


@dataclass
class _Packer:
    """Says whether sets of buffers fit a region.

    permanent: names of buffers that lie at the start. budget: sets that may be packed in each part of the search;
    packings: those left. sure: no set was refused that might have fitted. fitting: sets with offsets and peak.
    """

    regions: Mapping[str, Region]
    overlaps: tuple[Overlap, ...]
    permanent: frozenset[str]
    alignment: int
    steps: int
    budget: int
    packings: float = 0
    sure: bool = True
    known: dict[frozenset[str], _Packed] = field(default_factory=dict)
    fitting: list[tuple[frozenset[str], dict[str, int], int]] = field(default_factory=list)

    @staticmethod
    def of(items: Sequence[Item], regions: Sequence[Region], overlaps: Sequence[Overlap]) -> _Packer:
        buffers = [b for item in items for option in item.options for b in option.buffers]
        first, last = min((b.lower for b in buffers), default=0), max((b.upper for b in buffers), default=0)
        overlapping = {name for o in overlaps for name in (o.a, o.b)}
        permanent = {b.name for b in buffers if b.lower == first and b.upper == last} - overlapping
        alignment = max((b.alignment for b in buffers), default=1)
        packings = _PACKINGS * _ITEMS**2 // max(len(items), _ITEMS) ** 2
        return _Packer(
            regions={r.name: r for r in regions},
            overlaps=tuple(overlaps),
            permanent=frozenset(permanent),
            alignment=alignment,
            steps=max(last - first, 1),
            budget=max(packings, _LEAST_PACKINGS),
        )

    def refill(self, packings: float | None = None) -> None:
        """Begins a part of the search with its budget, or another number of packings."""
        self.packings = self.budget if packings is None else packings

    def share(self, buffer: Buffer) -> float:
        """The part of its region, over the time of all steps, that a buffer takes."""
        size = self.regions[buffer.region or ""].size
        return (
            0.0 if size is None else buffer.size * (buffer.upper - buffer.lower) / (max(size, 1) * self.steps)
        )

    def fits(self, region: str, buffers: Sequence[Buffer]) -> bool:
        """Whether a packing of the buffers within the region's size is found."""
        size = self.regions[region].size
        if size is None or self._stacked(buffers) <= size:
            return True
        passing = [b for b in buffers if b.name not in self.permanent]
        room = size - (self._stacked(buffers) - self._stacked(passing))
        if room < max((b.size for b in passing), default=0):
            return False
        names = frozenset(b.name for b in passing)
        # Parts of what fits need no packing.
        if any(peak <= room and names <= larger for larger, _, peak in self.fitting):
            return True
        packed = self._packed(region, passing, room)
        fits = packed is not None and packed.fits(room)
        self.sure &= fits or (packed is not None and packed.bound > room)
        if packed is not None and fits:
            self.fitting.append((names, packed.offsets, packed.packing.peak))
        return fits

    def _stacked(self, buffers: Sequence[Buffer]) -> int:
        """Bytes of the buffers one after the other."""
        unit = self.alignment
        return unit * sum(-(-b.size // unit) for b in buffers)

    def _packed(self, region: str, buffers: Sequence[Buffer], room: int) -> _Packed | None:
        """The packing of a set, if the budget allows it."""
        key = frozenset(b.name for b in buffers)
        if key not in self.known:
            if self.packings <= 0:
                return None
            self.packings -= 1
            self.known[key] = _Packed.of(self._instance(region, buffers), room)
        return self.known[key]

    def _instance(self, region: str, buffers: Sequence[Buffer]) -> Instance:
        names = {b.name for b in buffers}
        overlaps = tuple(o for o in self.overlaps if o.a in names and o.b in names)
        return instance_of(Problem(tuple(buffers), overlaps, (self.regions[region],)), region)

    def offsets(self, buffers: Mapping[str, Sequence[Buffer]], nodes: int = _LAST_NODES) -> dict[str, int]:
        """Where everything lies, for sets of buffers by region that fit. nodes: to be searched for smaller plans."""
        found: dict[str, int] = {}
        for region, inside in buffers.items():
            start = 0
            for buffer in (b for b in inside if b.name in self.permanent):
                found[buffer.name] = start
                start += align_up(buffer.size, self.alignment)
            passing = [b for b in inside if b.name not in self.permanent]
            best = self._smallest(region, passing, nodes)
            found |= {name: start + offset for name, offset in best.items()}
        return found

    def _smallest(self, region: str, buffers: Sequence[Buffer], nodes: int) -> dict[str, int]:
        """Offsets of the smallest packing that is known or found."""
        names = frozenset(b.name for b in buffers)
        packed = self.known.get(names) or _Packed.of(self._instance(region, buffers), 0)
        order = [b.name for b in packed.instance.buffers]
        found = [packed.packing, _scanned(packed, 0)]
        for larger, offsets, _ in self.fitting:
            if names <= larger:
                part = tuple(offsets[name] for name in order)
                found.append(Packing(part, packed.instance.peak(part), "part"))
        packed.packing = min(found, key=lambda packing: packing.peak)
        if packed.packing.peak > packed.bound and nodes:
            packed.packing, _ = improve(
                packed.instance, packed.packing, packed.bound, Budget(nodes, math.inf)
            )
        return packed.offsets


_Choice: TypeAlias = "tuple[int, ...]"
"""The number of the option of each item, in their order; -1 for an item that is not placed yet."""


@dataclass
class _Search:
    """The state of one search. checks: choices that may still be looked at.

    by_cost: the options of each item, the cheapest first; by_density, by_size: orders of the items.
    """

    items: tuple[Item, ...]
    packer: _Packer
    checks: int = 0
    by_cost: list[list[int]] = field(init=False)
    by_density: list[int] = field(init=False)
    by_size: list[int] = field(init=False)
    at_stake: float = field(init=False)

    def __post_init__(self) -> None:
        self.by_cost = [
            sorted(range(len(options)), key=lambda k: (options[k].cost, options[k].bytes, k))
            for options in (item.options for item in self.items)
        ]
        self.by_density, self.by_size = self._in_density(), self._in_size()
        self.at_stake = sum(self._regret(i) for i in range(len(self.items)))

    def cost(self, choice: _Choice) -> float:
        return sum(i.options[k].cost for i, k in zip(self.items, choice, strict=True) if k >= 0)

    @property
    def least_cost(self) -> float:
        """Every item in its cheapest way."""
        return sum(min((o.cost for o in item.options), default=math.inf) for item in self.items)

    def buffers(self, choice: _Choice) -> dict[str, list[Buffer]]:
        """What a choice puts into each region."""
        found: dict[str, list[Buffer]] = {name: [] for name in self.packer.regions}
        for item, k in zip(self.items, choice, strict=True):
            for buffer in item.options[k].buffers if k >= 0 else ():
                found[buffer.region or ""].append(buffer)
        return found

    def fits(self, choice: _Choice, changed: Collection[str]) -> bool:
        """Whether the regions that changed hold what a choice puts into them."""
        self.checks -= 1
        if not changed:
            return True
        buffers = self.buffers(choice)
        return all(self.packer.fits(name, buffers[name]) for name in changed)

    # ---- greedy

    def starts(self) -> list[_Choice]:
        """Greedy choices that fit, the cheapest first."""
        self.packer.refill(math.inf)
        bases = [b for b in map(self._all_in, self.packer.regions) if b is not None]
        found = {*bases}
        for price in _PRICES:
            self.packer.refill()
            nothing: _Choice = (-1,) * len(self.items)
            for base in (nothing, *bases):
                found |= {
                    c for order in (self.by_density, self.by_size) if (c := self._greedy(base, order, price))
                }
        if not found:
            self.packer.refill(math.inf)
            found |= {c for price in (0.0, _PRICES[-1]) if (c := self._greedy(nothing, self.by_size, price))}
        self.packer.refill()
        return sorted(found, key=lambda choice: (self.cost(choice), choice))

    def _all_in(self, region: str) -> _Choice | None:
        """Everything that needs memory whole in one region, if it fits."""
        choice: list[int] = []
        for item in self.items:
            homes = [{b.region for b in option.buffers} for option in item.options]
            if set() not in homes and {region} not in homes:
                return None
            choice.append(homes.index(set() if set() in homes else {region}))
        return tuple(choice) if self.fits(tuple(choice), {region}) else None

    def _greedy(self, base: _Choice, order: Sequence[int], price: float) -> _Choice | None:
        """Items in an order take the cheapest option that fits with what is chosen before, or for the rest in ``base``.

        price: of space, see _PRICES. With a price, options that take much space for long come later.
        """
        choice = base
        for i in order:
            more = self._first_fit(choice, i, price)
            if more is None:
                return None
            choice = more
        return choice

    def _first_fit(self, choice: _Choice, i: int, price: float) -> _Choice | None:
        options = self.items[i].options
        for k in sorted(self.by_cost[i], key=lambda k: options[k].cost + price * self._space(options[k])):
            attempt = _with(choice, i, k)
            if k == choice[i] or self.fits(attempt, self._touched(i, k)):
                return attempt
        return None

    def _space(self, option: Option) -> float:
        """The part that an option takes of its regions, over the time, of all that is at stake."""
        return self.at_stake * sum(self.packer.share(b) for b in option.buffers)

    def _touched(self, i: int, k: int) -> set[str]:
        """The regions of an option."""
        return (
            {b.region for b in self.items[i].options[k].buffers if b.region is not None} if k >= 0 else set()
        )

    def _regret(self, i: int) -> float:
        """What an item loses when it does not get its cheapest option."""
        costs = [o.cost for o in self.items[i].options]
        return max(costs, default=0.0) - min(costs, default=0.0)

    def _size(self, i: int) -> int:
        return max((o.bytes for o in self.items[i].options), default=0)

    def _in_density(self) -> list[int]:
        """The items with the most to lose per byte first."""
        return sorted(range(len(self.items)), key=lambda i: (-self._regret(i) / max(self._size(i), 1), i))

    def _in_size(self) -> list[int]:
        """What has to be in memory first, the largest first."""
        spare = [any(not o.buffers for o in item.options) for item in self.items]
        return sorted(range(len(self.items)), key=lambda i: (spare[i], -self._size(i), i))

    # ---- improvement by single and double changes

    def improved(self, choice: _Choice, checks: int) -> _Choice:
        """The choice with every change of one item, or of two, that lowers the cost."""
        self.checks = checks
        while True:
            better = self._with_one_change(choice) or self._with_two_changes(choice)
            if better is None or self.checks <= 0:
                return better or choice
            choice = better

    def _cheaper(self, choice: _Choice, i: int) -> list[int]:
        """The options of an item that cost less than its present one, the cheapest first."""
        now = self.items[i].options[choice[i]].cost
        return [k for k in self.by_cost[i] if self.items[i].options[k].cost < now]

    def _with_one_change(self, choice: _Choice) -> _Choice | None:
        for i in self.by_density:
            for k in self._cheaper(choice, i):
                attempt = _with(choice, i, k)
                if self.fits(attempt, self._touched(i, k)):
                    return attempt
        return None

    def _with_two_changes(self, choice: _Choice) -> _Choice | None:
        """One item improves by more than another, in its way, loses."""
        for i in self.by_density:
            for k in self._cheaper(choice, i):
                gain = self.items[i].options[choice[i]].cost - self.items[i].options[k].cost
                found = self._making_way(_with(choice, i, k), i, gain)
                if found is not None:
                    return found
        return None

    def _making_way(self, choice: _Choice, i: int, gain: float) -> _Choice | None:
        wanted = self._touched(i, choice[i])
        for j in reversed(self.by_density):
            if j == i or not wanted & self._touched(j, choice[j]):
                continue
            now = self.items[j].options[choice[j]].cost
            for k in self.by_cost[j]:
                loss = self.items[j].options[k].cost - now
                if k == choice[j] or not loss < gain - _EPSILON or self.checks <= 0:
                    continue
                attempt = _with(choice, j, k)
                if self.fits(attempt, wanted | self._touched(j, k)):
                    return attempt
        return None

    # ---- exact search

    def best(self, start: _Choice | None, checks: int) -> tuple[_Choice | None, bool]:
        """The cheapest choice found by branch and bound, and whether everything was looked at."""
        self.checks = checks
        order = self.by_density if start is not None else self.by_size
        least = [min((o.cost for o in self.items[i].options), default=math.inf) for i in order]
        rest = [sum(least[n:]) for n in range(len(order) + 1)]
        found, limit = start, math.inf if start is None else self.cost(start)
        stack: list[tuple[int, _Choice]] = [(0, (-1,) * len(self.items))]
        while stack:
            depth, choice = stack.pop()
            spent = self.cost(choice)
            if spent + rest[depth] >= limit - _EPSILON:
                continue
            if depth == len(order):
                found, limit = choice, spent
                continue
            if self.checks <= 0:
                return found, False
            stack += self._branches(depth, choice, order[depth])
        return found, True

    def _branches(self, depth: int, choice: _Choice, i: int) -> list[tuple[int, _Choice]]:
        """The options of an item that fit with what is chosen, the cheapest last, which is taken first."""
        attempts = [(k, _with(choice, i, k)) for k in reversed(self.by_cost[i])]
        return [(depth + 1, a) for k, a in attempts if self.fits(a, self._touched(i, k))]


_EPSILON = 1e-6


def _with(choice: _Choice, i: int, k: int) -> _Choice:
    return (*choice[:i], k, *choice[i + 1 :])


def _does_not_fit(items: Sequence[Item], regions: Sequence[Region], proven: bool) -> DoesNotFitError:
    """The error that names the regions and the largest buffers of the busiest step."""
    needed = [
        min((o.buffers for o in i.options), key=lambda bs: sum(b.size for b in bs), default=()) for i in items
    ]
    buffers = [b for group in needed for b in group]
    step = max(
        (b.lower for b in buffers),
        key=lambda t: sum(b.size for b in buffers if b.lower <= t < b.upper),
        default=0,
    )
    live = sorted((b for b in buffers if b.lower <= step < b.upper), key=lambda b: (-b.size, b.name))
    rooms = ", ".join(f"{r.name} {r.size:,}" for r in regions if r.size is not None)
    table = "".join(f"\n  {b.size:>10,}  {b.name} (steps {b.lower} to {b.upper - 1})" for b in live[:5])
    how = "cannot be divided among" if proven else "were not found to fit"
    return DoesNotFitError(
        f"the buffers {how} the regions ({rooms} bytes); at step {step} {sum(b.size for b in live):,} bytes are live, "
        f"the largest:{table}",
        where="memory regions",
        hint="name more or larger regions with --regions, or choose a board with more RAM (mcugen boards)",
    )
