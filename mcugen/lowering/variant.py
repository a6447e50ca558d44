"""Kernel variants: implementations of a kernel contract, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mcugen.lowering.call import KernelCall
from mcugen.lowering.overlap import OverlapRule, apart

InstructionClass: TypeAlias = Literal["scalar", "v6m", "v7m", "dsp", "mve"]

# scalar: plain C for any processor; v6m: Armv6-M and Armv8-M Baseline; v7m: Armv7-M and Armv8-M Mainline, with
# long multiplication; dsp, mve: those with the extension.
# A core of one class also runs what is written for the classes before it.
INSTRUCTION_CLASSES: tuple[InstructionClass, ...] = ("scalar", "v6m", "v7m", "dsp", "mve")

Optimize: TypeAlias = Literal["ram", "size", "balanced", "speed"]

# ram: as balanced, but operators are computed together row by row where that makes the arena smaller;
# size: one copy of each kernel, in which only what all its layers have in common is literal; balanced: a copy for
# each set of parameters, all literal; speed: also variants that pay for time with flash, such as Winograd's weights.
LEVELS: tuple[Optimize, ...] = ("ram", "size", "balanced", "speed")
EVERY_LEVEL: frozenset[Optimize] = frozenset(LEVELS)
# For Variant.levels of those variants; give them a higher rank than what they replace.
SPEED_ONLY: frozenset[Optimize] = frozenset({"speed"})
# For variants that only make sense with literal parameters, or to which a more general one comes close.
NOT_FOR_SIZE: frozenset[Optimize] = frozenset({"ram", "balanced", "speed"})
# For variants that take as little memory as they can; give them a lower rank than what they replace.
RAM_ONLY: frozenset[Optimize] = frozenset({"ram"})
# For variants that pay for memory with time.
NOT_FOR_SPEED: frozenset[Optimize] = frozenset({"ram", "size", "balanced"})


def always(call: KernelCall) -> bool:
    return True


def unchanged(call: KernelCall) -> KernelCall:
    return call


@dataclass(frozen=True)
class Variant:
    """One implementation of a kernel.

    kernel:   the contract it implements, e.g. "conv2d_s8".
    name:     suffix of its C function ``mcugen_<kernel>_<name>``, e.g. "scalar" or "dsp_1x1".
    header:   the file that defines it, relative to ``firmware/kernels``.
    requires: the least instruction class it needs.
    applies:  whether it can compute a call (given in contract form).
    prepare:  the contract call turned into this variant's own: weights laid out anew, scratch bytes, parameters
              added. With parameters added, ``struct`` names the C type that has them.
    rank:     among the variants that apply, the highest is taken.
    levels:   the ``--optimize`` levels that may use it: all, SPEED_ONLY, NOT_FOR_SIZE or NOT_FOR_SPEED.
    overlap:  for a prepared call, how its output may share bytes with inputs that nobody needs afterwards.
    """

    kernel: str
    name: str
    header: str
    requires: InstructionClass
    applies: Callable[[KernelCall], bool] = always
    prepare: Callable[[KernelCall], KernelCall] = unchanged
    rank: int = 0
    struct: str = ""
    levels: frozenset[Optimize] = EVERY_LEVEL
    overlap: OverlapRule = apart

    @property
    def function(self) -> str:
        return f"mcugen_{self.kernel}_{self.name}"

    def runs_on(self, instruction_class: InstructionClass) -> bool:
        order = INSTRUCTION_CLASSES.index
        return order(self.requires) <= order(instruction_class)

    def specialise(self, call: KernelCall) -> KernelCall:
        """The variant's own call for a call in contract form."""
        struct = self.struct or f"mcugen_{self.kernel}_params"
        return self.prepare(call).replace(struct=struct, function=self.function, header=self.header)
