"""Which variant computes a call: the candidates in order of preference, and the rules that pick one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mcugen.lowering import cmsis_nn, native
from mcugen.lowering.call import KernelCall
from mcugen.lowering.variant import InstructionClass, Optimize, Variant

Kernels: TypeAlias = Literal["native", "cmsis-nn", "auto"]


@dataclass(frozen=True)
class Rules:
    """What the user allows.

    kernels: the providers; "cmsis-nn" falls back to native kernels where the library has nothing.
    has_cmsis_nn: whether "auto" may call CMSIS-NN.
    """

    instruction_class: InstructionClass
    kernels: Kernels = "native"
    optimize: Optimize = "balanced"
    has_cmsis_nn: bool = False


@dataclass(frozen=True)
class Costs:
    """What is known of the instructions that calls take.

    title:  where it comes from, e.g. "measured".
    margin: how much less a candidate must cost, as a part of the preferred one's cost, to take its place.
    instructions: of one contract call computed by a variant; None when unknown.
    """

    title: str
    margin: float
    instructions: Callable[[KernelCall, Variant], float | None]


@dataclass(frozen=True)
class Choice:
    """A variant, and why it was taken."""

    variant: Variant
    reason: str


def candidates(call: KernelCall, rules: Rules) -> list[Variant]:
    """The variants that may compute a contract call, the one to take without further knowledge first.

    There is always one: scalar kernels cover every contract.
    """
    own = [v for v in native.candidates(call, rules.instruction_class) if rules.optimize in v.levels]
    if rules.kernels == "native" or (rules.kernels == "auto" and not rules.has_cmsis_nn):
        return own
    library = cmsis_nn.candidates(call, rules.instruction_class)
    if rules.kernels == "auto":
        return own + library
    return library or own


def contenders(found: Sequence[Variant]) -> list[Variant]:
    """The candidates worth measuring: those for the instruction class of the preferred one, and the library's."""
    return [v for v in found if v.requires == found[0].requires or v.header.startswith("cmsis_nn/")]


def choose(calls: Sequence[KernelCall], rules: Rules, costs: Costs | None = None) -> list[Choice]:
    """A choice for each contract call of a program."""
    options = [candidates(call, rules) for call in calls]
    return [_cheapest(call, found, costs) for call, found in zip(calls, options, strict=True)]


def least_scratch(call: KernelCall, rules: Rules, lesser: bool) -> Choice:
    """The candidate with the least working memory, the preferred one of equals.

    lesser: on cores with MVE also those that do without it, which are slower.
    """
    known = candidates(call, rules)
    classes = {known[0].requires} | ({"dsp"} if lesser and known[0].requires == "mve" else set())
    found = [v for v in known if v.requires in classes]
    return Choice(min(found, key=lambda v: v.specialise(call).scratch or 0), "takes the least working memory")


def _cheapest(call: KernelCall, found: Sequence[Variant], costs: Costs | None) -> Choice:
    if len(found) == 1:
        return Choice(found[0], "the only one that applies")
    if costs is None:
        return Choice(found[0], f"ranked first of {len(found)}")
    usual = costs.instructions(call, found[0])
    if usual is None:
        return Choice(found[0], f"ranked first of {len(found)}, its cost is unknown")
    known = [(cost, v) for v in found if (cost := costs.instructions(call, v)) is not None]
    least, best = min(known, key=lambda entry: entry[0])
    if least >= usual * (1 - costs.margin):
        return Choice(found[0], f"ranked first of {len(found)}, none costs less ({costs.title})")
    return Choice(best, f"{100 * (1 - least / usual):.0f} % less than {found[0].name} ({costs.title})")
