"""Modelled cycles of a Cortex-M4: the timings of its Technical Reference Manual (r0p1), memory without wait states.

======================================  =====================================================================
data processing, multiplication         1, every kind of (long, dual, accumulating) multiplication included
``sdiv``, ``udiv``                      12, the most of 2 to 12
``it``                                  1; 0 right after a 16-bit instruction, onto which it is folded
branches                                1, and P when taken; ``bl``, ``bx``, ``blx``, ``cbz``, writes to pc alike
``tbb``, ``tbh``, ``ldr pc``            2 and P
single load                             2; 1 right after a single load whose result is not in its address
single store                            1; with a register offset 2, or 1 right after a single load
``ldrd``, ``strd``                      1 + N = 3
``ldm``, ``stm``, ``push``, ``pop``     1 + N, and P when pc is loaded
floating point                          1; multiply-accumulate 3; division, square root 14; loads 1 + words
======================================  =====================================================================

P, the refill of the pipeline, is 1 to 3; 2 is used: a taken branch is 3 cycles. A load or store pays one more cycle
when the data-processing instruction right before it makes its address. Left out: penalties of unaligned
accesses, contention of literal loads with instruction fetch, a write buffer that is full. An instruction whose
condition fails costs what it would cost if it ran.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mcugen.cycles.disassembly import Instruction, Program
from mcugen.cycles.profile import Profile

REFILL = 2
DIVISION = 12

_COND = "(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?"
_LOAD = re.compile(rf"ldr(?:b|h|sb|sh)?t?{_COND}")
_STORE = re.compile(rf"str(?:b|h)?t?{_COND}")
_BRANCH = re.compile(rf"(?:b|bl|bx|blx|bxns|blxns){_COND}|cbn?z")
# Instructions that write no register which a later address could need.
_NO_RESULT = re.compile(
    rf"(?:cmp|cmn|tst|teq|nop|it[te]{0, 3}|msr|[di][ms]b|bkpt|svc|cps\w*|pld|pli){_COND}|v.*"
)
_IT = re.compile(r"it[te]{0,3}")
_LONG_RESULT = re.compile(r"[su]ml[as]l.*|[su]mull.*|umaal.*")


def _registers_in_list(instruction: Instruction) -> int:
    """How many words the registers between braces are."""
    words = 0
    for item in instruction.operands.partition("{")[2].partition("}")[0].split(","):
        first, _, last = item.strip().partition("-")
        number = int(last[1:]) - int(first[1:]) + 1 if last else 1
        words += number * (2 if first.startswith("d") else 1)
    return words


def _one_and_list(instruction: Instruction) -> int:
    return 1 + _registers_in_list(instruction)


def _one_and_words(instruction: Instruction) -> int:
    """vldr, vstr: two for a single, three for a double."""
    return 3 if instruction.operands.startswith("d") else 2


def _store(instruction: Instruction) -> int:
    return 2 if len(instruction.address_registers) > 1 else 1


def _always(cycles: int) -> Callable[[Instruction], int]:
    return lambda _: cycles


# The first that matches the mnemonic; 1 when none does.
_CYCLES: tuple[tuple[re.Pattern[str], Callable[[Instruction], int]], ...] = tuple(
    (re.compile(pattern), cycles)
    for pattern, cycles in (
        (_LOAD.pattern, _always(2)),
        (_STORE.pattern, _store),
        (rf"(?:ld|st)rd{_COND}", _always(3)),
        (rf"(?:ld|st)rex[bh]?{_COND}|pld|tb[bh]", _always(2)),
        (rf"(?:ldm|stm)(?:ia|db|fd|ea)?{_COND}|push{_COND}|pop{_COND}", _one_and_list),
        (rf"[su]div{_COND}", _always(DIVISION)),
        (rf"v(?:ldr|str){_COND}(?:\.\d+)?", _one_and_words),
        (rf"v(?:ldm|stm)(?:ia|db)?{_COND}|v(?:push|pop){_COND}", _one_and_list),
        (rf"v(?:div|sqrt){_COND}\.f32", _always(14)),
        (rf"v(?:f?n?ml[as]|fn?m[as]){_COND}\.f32", _always(3)),
    )
)


def base_cycles(instruction: Instruction) -> int:
    """Cycles of an instruction by itself, no jump taken."""
    for pattern, cycles in _CYCLES:
        if pattern.fullmatch(instruction.mnemonic):
            return cycles(instruction)
    return 1


def may_jump(instruction: Instruction) -> bool:
    """Whether it is a branch or writes pc."""
    if _BRANCH.fullmatch(instruction.mnemonic) or instruction.mnemonic in ("tbb", "tbh"):
        return True
    if instruction.mnemonic.startswith(("pop", "ldm")):
        return "pc" in instruction.operands.partition("{")[2]
    return instruction.registers[:1] == ("pc",)


def pair_cycles(first: Instruction, second: Instruction) -> int:
    """What the second costs more or less than by itself when it runs right after the first."""
    if _IT.fullmatch(second.mnemonic):
        return -1 if first.size == 2 else 0
    after_load = _LOAD.fullmatch(first.mnemonic) is not None
    if after_load and _pipelines(second):
        return 0 if first.registers[0] in second.address_registers else -1
    return 1 if _results(first) & _address_of(second) else 0


def _pipelines(instruction: Instruction) -> bool:
    """Whether a load in front takes a cycle off it."""
    return base_cycles(instruction) == 2 and bool(
        _LOAD.fullmatch(instruction.mnemonic) or _STORE.fullmatch(instruction.mnemonic)
    )


def _address_of(instruction: Instruction) -> frozenset[str]:
    """The registers that make the address of a load or store; none for any other."""
    if re.match(r"(?:ldm|stm)", instruction.mnemonic):
        return frozenset(instruction.registers[:1])
    return instruction.address_registers


def _results(instruction: Instruction) -> frozenset[str]:
    """The registers a data-processing instruction writes; none for any other."""
    if instruction.address_registers or "{" in instruction.operands or may_jump(instruction):
        return frozenset()
    if _NO_RESULT.fullmatch(instruction.mnemonic):
        return frozenset()
    written = 2 if _LONG_RESULT.fullmatch(instruction.mnemonic) else 1
    return frozenset(instruction.registers[:written])


def cycles(program: Program, profile: Profile) -> list[int]:
    """Modelled cycles spent on each instruction of a program."""
    result = []
    before: Instruction | None = None
    for i, instruction in enumerate(program.instructions):
        total = profile.executions[i]
        if total:
            total *= base_cycles(instruction)
            total += REFILL * profile.jumps[i] if may_jump(instruction) else 0
            if before is not None and profile.sequential[i]:
                total += profile.sequential[i] * pair_cycles(before, instruction)
        result.append(total)
        before = instruction
    return result
