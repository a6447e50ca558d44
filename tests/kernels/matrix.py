"""Which variants are checked where."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mcugen.lowering import cmsis_nn, native, native_mve
from mcugen.lowering.variant import InstructionClass, Variant
from tests.kernels.runner import Platform, on_board, on_host

HOSTS = ("host-gcc", "host-clang")

# Scalar kernels run on every core; the compiler treats them differently where it has vectors.
NATIVE_PLATFORMS: dict[InstructionClass, tuple[str, ...]] = {
    "scalar": (*HOSTS, "mps2-m0", "mps2-an385", "mps3-an547"),
    "v6m": (*HOSTS, "mps2-m0", "mps2-an385"),
    "v7m": (*HOSTS, "mps2-an385"),
    "dsp": ("mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"),
    "mve": ("mps3-an547",),
}
# Where native kernels are also specialised for literal parameters, which takes longer to compile.
SPECIALISED_PLATFORMS: dict[InstructionClass, tuple[str, ...]] = {
    "scalar": ("host-clang", "mps2-an385"),
    "v6m": ("mps2-m0",),
    "v7m": ("mps2-an385",),
    "dsp": ("mps2-an386",),
    "mve": ("mps3-an547",),
}
# CMSIS-NN chooses its code by the core, so each class has one table of adapters.
CMSIS_NN_PLATFORMS: dict[InstructionClass, tuple[str, ...]] = {
    "v6m": ("mps2-m0",),
    "v7m": ("mps2-an385",),
    "dsp": ("mps2-an386", "mps2-an505"),
    "mve": ("mps3-an547",),
}

# As the native ones with so little memory that small cases are cut as only large layers are otherwise.
CRAMPED = native_mve.interleaving_variants(native_mve.Memory(512, 512, frugal=True), frozenset())


def platform(name: str) -> Platform:
    """A platform by the name of a board, "host-gcc" or "host-clang"."""
    return on_host(name.removeprefix("host-")) if name in HOSTS else on_board(name)


def variants_on(target: Platform) -> list[Variant]:
    """All variants that a platform can run; adapters to CMSIS-NN if CMSIS_NN_ROOT says where it is."""
    # Up to v7m, kernels have a form in plain C for the parts in assembly.
    instruction_class: InstructionClass = target.board.instruction_class if target.board else "v7m"
    found = [v for v in native.VARIANTS if v.runs_on(instruction_class)]
    if target.board is not None and "CMSIS_NN_ROOT" in os.environ:
        found += cmsis_nn.VARIANTS[instruction_class]
    return found


def pairs() -> Iterator[tuple[Variant, str]]:
    """(variant, name of a platform) for all checks of the test suite."""
    for variant in (*native.VARIANTS, *CRAMPED):
        yield from ((variant, name) for name in NATIVE_PLATFORMS[variant.requires])
    if "CMSIS_NN_ROOT" in os.environ:
        for instruction_class, names in CMSIS_NN_PLATFORMS.items():
            yield from ((v, name) for v in cmsis_nn.VARIANTS[instruction_class] for name in names)


def specialised_pairs() -> Iterator[tuple[Variant, str]]:
    """(variant, name of a platform) for the checks with literal parameters."""
    for variant in native.VARIANTS:
        yield from ((variant, name) for name in SPECIALISED_PLATFORMS[variant.requires])
