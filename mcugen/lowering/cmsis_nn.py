"""The CMSIS-NN provider: adapters that call the ``arm_*`` functions of the user's own CMSIS-NN."""

from __future__ import annotations

from mcugen.lowering.call import KernelCall
from mcugen.lowering.variant import InstructionClass, Variant

VARIANTS: tuple[Variant, ...] = ()


def candidates(call: KernelCall, instruction_class: InstructionClass) -> list[Variant]:
    """The CMSIS-NN variants that can compute a contract call on a core of the class, best first."""
    fitting = [
        v for v in VARIANTS if v.kernel == call.kernel and v.runs_on(instruction_class) and v.applies(call)
    ]
    return sorted(fitting, key=lambda v: -v.rank)
