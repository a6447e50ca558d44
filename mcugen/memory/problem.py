"""What a memory planner is given and what it gives back; all sizes and offsets are in bytes.

Two buffers *meet* when both are live at some step. Buffers of the same region that meet must not share bytes,
unless an :class:`Overlap` of the pair allows the distance between their offsets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_REGION = "arena"


@dataclass(frozen=True)
class Buffer:
    """A block of ``size`` bytes, live at the steps ``lower <= t < upper``.

    alignment:    its offset is a multiple of this power of two.
    region:       name of the region it lies in; None is the problem's first region.
    fixed_offset: the only offset allowed, or None.
    """

    name: str
    size: int
    lower: int
    upper: int
    alignment: int = 16
    region: str | None = None
    fixed_offset: int | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or self.lower >= self.upper:
            raise ValueError(f"buffer {self.name}: empty size {self.size} or range {self.lower}:{self.upper}")
        if self.alignment < 1 or self.alignment & (self.alignment - 1):
            raise ValueError(f"buffer {self.name}: alignment {self.alignment} is not a power of two")
        if self.fixed_offset is not None and (self.fixed_offset < 0 or self.fixed_offset % self.alignment):
            raise ValueError(f"buffer {self.name}: fixed offset {self.fixed_offset} is negative or unaligned")

    def meets(self, other: Buffer) -> bool:
        """True when both are live at some step."""
        return self.lower < other.upper and other.lower < self.upper


@dataclass(frozen=True)
class Overlap:
    """Buffers ``a`` and ``b`` may share bytes when ``low <= offset(b) - offset(a) <= high``.

    None leaves that side open. Several overlaps of one pair allow the union of their ranges. It is the declarer's
    business that sharing is safe during *all* steps at which both are live.
    """

    a: str
    b: str
    low: int | None = None
    high: int | None = None

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise ValueError(f"buffer {self.a} cannot overlap itself")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"overlap of {self.a} and {self.b}: empty range {self.low}..{self.high}")

    @staticmethod
    def ahead(output: str, input: str, distance: int) -> Overlap:
        """The output starts at least ``distance`` bytes before the input (negative: at most that far after it).

        For kernels that walk from the first element to the last. With w(p) the number of output bytes written and
        r(p) the first input byte still needed after part p, the distance is the largest w(p) - r(p).
        """
        return Overlap(input, output, high=-distance)

    @staticmethod
    def behind(output: str, input: str, distance: int) -> Overlap:
        """The output starts at least ``distance`` bytes after the input: kernels that walk from last to first."""
        return Overlap(input, output, low=distance)

    @staticmethod
    def in_place(output: str, input: str) -> Overlap:
        """Both start at the same byte."""
        return Overlap(input, output, low=0, high=0)


@dataclass(frozen=True)
class Region:
    """A memory with its capacity in bytes; None is unlimited."""

    name: str
    size: int | None = None


@dataclass(frozen=True)
class Problem:
    """Buffers to be given offsets. Without regions there is one, unlimited, called ``arena``."""

    buffers: tuple[Buffer, ...]
    overlaps: tuple[Overlap, ...] = ()
    regions: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        _no_duplicates("buffer", [b.name for b in self.buffers])
        _no_duplicates("region", [r.name for r in self.regions])
        home = {b.name: self.region_of(b) for b in self.buffers}
        unknown = set(home.values()) - {r.name for r in self.all_regions}
        if unknown:
            raise ValueError(f"unknown regions: {', '.join(sorted(unknown))}")
        for overlap in self.overlaps:
            if overlap.a not in home or overlap.b not in home:
                raise ValueError(f"overlap of unknown buffers: {overlap.a}, {overlap.b}")

    @property
    def all_regions(self) -> tuple[Region, ...]:
        """The regions, or the default one."""
        return self.regions or (Region(DEFAULT_REGION),)

    def region_of(self, buffer: Buffer) -> str:
        """Name of the region the buffer lies in."""
        return buffer.region if buffer.region is not None else self.all_regions[0].name

    def in_region(self, name: str) -> tuple[Buffer, ...]:
        """The buffers of one region, in the problem's order."""
        return tuple(b for b in self.buffers if self.region_of(b) == name)


@dataclass(frozen=True)
class Plan:
    """An offset for every buffer, from the start of its region.

    peaks, lower_bounds: bytes by region name; a peak is rounded up to the region's largest alignment.
    method:  what found it.
    proven:  no smaller plan exists (the lower bound is reached, or the search was exhaustive).
    nodes:   search nodes spent.
    clocked: the wall clock, not the node budget, ended the search: another machine may find another plan.
    """

    offsets: Mapping[str, int]
    peaks: Mapping[str, int]
    lower_bounds: Mapping[str, int]
    method: str
    proven: bool = False
    nodes: int = 0
    clocked: bool = False

    @property
    def peak(self) -> int:
        """Bytes of all regions together."""
        return sum(self.peaks.values())

    @property
    def lower_bound(self) -> int:
        """Lower bounds of all regions together."""
        return sum(self.lower_bounds.values())

    @property
    def gap(self) -> int:
        """Bytes above the lower bound."""
        return self.peak - self.lower_bound


def align_up(value: int, alignment: int) -> int:
    """The smallest multiple of ``alignment`` (a power of two) that is not below ``value``."""
    return (value + alignment - 1) & -alignment


def _no_duplicates(kind: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{kind} names given twice: {', '.join(twice)}")
