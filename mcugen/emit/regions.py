"""Several memory regions in C: what they are called, and the copies between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mcugen.compiled import Compiled
from mcugen.emit import c_format as c
from mcugen.lowering import Step
from mcugen.memory.problem import DEFAULT_REGION
from mcugen.memory.spread import Copy
from mcugen.memory.traffic import ConstantKey

# Names in the generated code beside which a region needs another.
_TAKEN = frozenset(
    {"arena", "begin", "bytes", "context", "data", "from", "index", "info", "layer", "memory", "to"}
)
_TAKEN_STARTS = ("input", "output", "weights")


@dataclass(frozen=True)
class RegionName:
    """A region of a plan and its name in C. bytes: its size; setup: what a program must do before it uses it."""

    region: str
    name: str
    bytes: int
    setup: str = ""

    @property
    def macro(self) -> str:
        return self.name.upper()

    @property
    def section(self) -> str:
        """The linker section of its buffer."""
        return f".mcugen.{self.region}"

    def record(self) -> dict[str, Any]:
        """What templates print."""
        return {
            "name": self.name,
            "MACRO": self.macro,
            "size": self.bytes,
            "memory": self.region,
            "section": self.section,
            "setup": c.comment(self.setup),
        }


def region_names(compiled: Compiled) -> tuple[RegionName, ...]:
    """The regions that a model is spread over; none when all lies in the one arena."""
    memory = compiled.memory
    if memory.spread is None:
        return ()
    return tuple(
        RegionName(bank.name, _c_name(bank.name), memory.plan.peaks[bank.name], bank.setup)
        for bank in memory.spread.banks
    )


def has_copies(compiled: Compiled) -> bool:
    """Whether an inference copies anything from one memory to another."""
    spread = compiled.memory.spread
    return spread is not None and any(copy.kind != "keep" for copy in spread.copies)


def c_names(compiled: Compiled) -> dict[str, str]:
    """The C name of each region's pointer, by region."""
    return {r.region: r.name for r in region_names(compiled)} or {
        region.name: DEFAULT_REGION for region in compiled.memory.problem.all_regions
    }


def region_starts(compiled: Compiled) -> dict[str, int]:
    """Where each region begins when all of them lie one after the other, as traces count."""
    starts, end = {}, 0
    for name, peak in compiled.memory.plan.peaks.items():
        starts[name] = end
        end += peak
    return starts


def _c_name(region: str) -> str:
    name = c.identifier(region)
    return f"{name}_memory" if name in _TAKEN or name.startswith(_TAKEN_STARTS) else name


@dataclass(frozen=True)
class CopyPlan:
    """The copies of a model as statements of its run function.

    copies: in any order. layers: the steps that have code. address: of a buffer, constant: of a constant's array.
    """

    copies: Sequence[Copy]
    layers: Sequence[int]
    address: Callable[[str], str]
    constant: Callable[[ConstantKey], str]

    def before(self, layer: int) -> list[str]:
        """What stands before the kernels of a step."""
        earlier = [t for t in self.layers if t < layer]
        first = earlier[-1] + 1 if earlier else 0
        return [line for position in range(first, layer + 1) for line in self._at(position)]

    def after_all(self, steps: int) -> list[str]:
        """What stands behind the last layer."""
        first = self.layers[-1] + 1 if self.layers else 0
        return [line for position in range(first, steps + 1) for line in self._at(position)]

    def _at(self, position: int) -> list[str]:
        """Outgoing copies first, so that incoming ones may take the place of what went; then those to be waited for.

        Copies for later steps are begun last: a wait ends all that were begun before.
        """
        moves = [copy for copy in self.copies if copy.kind != "keep"]
        here = [copy for copy in moves if copy.begin == position]
        out = [copy for copy in here if copy.kind == "spill"]
        now = [copy for copy in here if copy.kind != "spill" and copy.end == position]
        later = [copy for copy in here if copy.kind != "spill" and copy.end > position]
        arriving = [copy for copy in moves if copy.begin < position == copy.end]
        lines = [line for copy in out for line in self._begin(copy)]
        lines += ["COPY_WAIT();"] if out else []
        lines += [line for copy in now for line in self._begin(copy)]
        lines += ["COPY_WAIT();"] if now or (arriving and not out) else []
        return lines + [line for copy in later for line in self._begin(copy)]

    def _begin(self, copy: Copy) -> list[str]:
        return c.hanging("COPY_BEGIN(", self._operands(copy), ");", indent=4)

    def kept(self) -> list[str]:
        """The copies of constants that stay, for the init function."""
        copies = [copy for copy in self.copies if copy.kind == "keep"]
        return [
            line for copy in copies for line in c.hanging("memcpy(", self._operands(copy), ");", indent=4)
        ]

    def _operands(self, copy: Copy) -> list[str]:
        source = self.address(copy.source) if isinstance(copy.source, str) else self.constant(copy.source)
        return [self.address(copy.target), source, f"{copy.bytes}u"]


def steps_with_code(steps: Sequence[Step]) -> list[int]:
    """The numbers of the steps that have kernels."""
    return [t for t, step in enumerate(steps) if step.calls]
