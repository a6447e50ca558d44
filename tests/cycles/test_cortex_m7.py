"""The model of dual issue, by hand."""

from __future__ import annotations

import pytest

from mcugen.cycles.cortex_m7 import Issue, issue, may_pair
from mcugen.cycles.disassembly import Program, parse
from mcugen.cycles.profile import Profile


def program(*lines: str) -> Program:
    """Instructions of four bytes, as objdump prints them."""
    text = ["00000000 <f>:"]
    for i, line in enumerate(lines):
        mnemonic, _, operands = line.partition(" ")
        text.append(f"{4 * i:8x}:\tf000 0000 \t{mnemonic}\t{operands}")
    return parse("\n".join(text))


def run(*lines: str) -> Issue:
    """The lines once, one after the other."""
    count = len(lines)
    return issue(program(*lines), Profile((1,) * count, (0, *(1,) * (count - 1)), (0,) * count))


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("add r0, r1, r2", "add r3, r4, r5", True),
        ("add r0, r1, r2", "add r3, r0, r5", False),
        ("add r0, r1, r2", "add r0, r4, r5", False),
        ("add r0, r1, r2", "add r1, r4, r5", True),
        ("smlad r8, r4, r1, r8", "smlad r9, r4, r1, r9", False),
        ("smlad r8, r4, r1, r8", "ldrd r4, r5, [r6], #8", True),
        ("ldr r0, [r1]", "smlad r8, r4, r0, r8", False),
        ("ldr r0, [r1], #4", "add r1, r1, r2", False),
        ("ldr r0, [r1]", "str r2, [r3]", False),
        ("str r0, [r1]", "add r0, r2, r3", True),
        ("subs r7, r7, #1", "bne.n 0", False),
        ("subs r7, r7, #1", "b.n 0", True),
        ("b.n 0", "add r0, r1, r2", False),
        ("ldmia r0!, {r1, r2, r3}", "add r4, r5, r6", False),
        ("smull r0, r1, r2, r3", "add r4, r1, r5", False),
        ("cmp r0, r1", "add r2, r3, r4", True),
    ],
)
def test_pairs(first: str, second: str, together: bool) -> None:
    a, b = program(first, second).instructions
    assert may_pair(a, b) is together


def test_order_of_loads_and_multiplications() -> None:
    """The same instructions: each multiplication waits for the load before it, or for none."""
    loads = ("ldr r1, [r0]", "ldr r2, [r0, #4]")
    products = ("smlad r8, r4, r1, r8", "smlad r9, r4, r2, r9")
    assert run(loads[0], products[0], loads[1], products[1]) == Issue(instructions=4, paired=1, cycles=5)
    assert run(*loads, *products) == Issue(instructions=4, paired=0, cycles=4)


@pytest.mark.parametrize(
    ("lines", "cycles"),
    [
        (("smlad r8, r4, r1, r8", "smlad r8, r4, r2, r8"), 2),  # a sum is there at once for adding to it
        (("smlad r8, r4, r1, r8", "add r9, r8, r2"), 3),
        (("ldr r1, [r0]", "add r2, r1, r3"), 3),
        (("ldmia r0!, {r1, r2, r3}", "add r4, r5, r6"), 3),
        (("ldmia r0!, {r1, r2, r3}", "add r4, r1, r6"), 4),
    ],
)
def test_results_are_waited_for(lines: tuple[str, ...], cycles: int) -> None:
    assert run(*lines).cycles == cycles
