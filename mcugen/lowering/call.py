"""Kernel calls: what a layer asks of a C function, as data.

The C signature of every kernel follows from the call: first ``const <struct> *p``, then inputs, constants,
states and outputs as typed pointers in the order given here, then ``void *scratch`` if the kernel takes one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcugen.ir import Array

ParamValue: TypeAlias = int | float | tuple[int, ...]

READ_ROWS = "read_rows"
"""The kernel that is none: the caller's function that writes rows of an input; params: first, count."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A table in flash. ``role`` names it in C (weights, bias ...); data has the kernel's dtype and layout."""

    role: str
    data: Array


@dataclass(frozen=True)
class KernelCall:
    """One call of a kernel.

    kernel:    the contract, e.g. "conv2d_s8".
    params:    the struct's fields in order; they are literals in the generated code.
    inputs, outputs, states: tensor names.
    constants: tables passed after the inputs.
    scratch:   bytes of working memory, or None when the kernel takes no scratch argument.
    input_offsets, output_offsets: bytes from the start of each input's and output's memory at which the kernel
               begins; empty means 0 for all.
    label:     shape text for names and comments, e.g. "3x3_32x32x3_to_32x32x16".
    struct, function, header: the C type of the parameters, the C function and the header that defines it,
               relative to ``firmware/kernels``. Set by the variant that was chosen.
    """

    kernel: str
    params: tuple[tuple[str, ParamValue], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: tuple[Constant, ...] = ()
    states: tuple[str, ...] = ()
    scratch: int | None = None
    label: str = ""
    struct: str = ""
    function: str = ""
    header: str = ""
    input_offsets: tuple[int, ...] = ()
    output_offsets: tuple[int, ...] = ()

    @property
    def places_of_inputs(self) -> tuple[int, ...]:
        """Byte offsets of all inputs."""
        return self.input_offsets or (0,) * len(self.inputs)

    @property
    def places_of_outputs(self) -> tuple[int, ...]:
        """Byte offsets of all outputs."""
        return self.output_offsets or (0,) * len(self.outputs)

    @property
    def asks_caller(self) -> bool:
        """Whether it is the user's code that is called, for rows of an input."""
        return self.kernel == READ_ROWS

    def param(self, name: str) -> Any:
        """The value of one parameter. Raises KeyError."""
        return dict(self.params)[name]

    def constant(self, role: str) -> Array:
        """The data of one constant. Raises KeyError."""
        return {c.role: c.data for c in self.constants}[role]

    def replace(self, **changes: Any) -> KernelCall:
        return dataclasses.replace(self, **changes)

    def with_params(self, **values: ParamValue) -> KernelCall:
        """The call with some parameters changed or appended."""
        return self.replace(params=tuple({**dict(self.params), **values}.items()))

    def with_constants(self, **arrays: Array) -> KernelCall:
        """The call with some constants changed or appended."""
        merged = {c.role: c.data for c in self.constants} | arrays
        return self.replace(constants=tuple(Constant(role, data) for role, data in merged.items()))
