"""Kernel variants: implementations of a kernel contract, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mcugen.lowering.call import KernelCall

InstructionClass: TypeAlias = Literal["scalar", "dsp", "mve"]

# A core of one class also runs what is written for the classes before it.
INSTRUCTION_CLASSES: tuple[InstructionClass, ...] = ("scalar", "dsp", "mve")


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
    """

    kernel: str
    name: str
    header: str
    requires: InstructionClass
    applies: Callable[[KernelCall], bool] = always
    prepare: Callable[[KernelCall], KernelCall] = unchanged
    rank: int = 0
    struct: str = ""

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
