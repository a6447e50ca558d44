"""Weighted instructions of the vector extension (MVE): what an instruction count alone would make look too cheap.

An operation on a 128-bit register counts two: the cores there are work on 64 bits a cycle. A load or store of
separate addresses (gather, scatter) counts one per element. Everything else counts one.
"""

from __future__ import annotations

import re

from mcugen.cycles.disassembly import Instruction, Program
from mcugen.cycles.profile import Profile

_VECTOR_BITS = 128
_MEMORY = re.compile(r"v(?:ld|st)r[bhwd][te]?\.[usf]?(\d+)")
_LANE_MOVE = re.compile(r"vmov[te]?(?:\.[usf]?\d+)?")


def weight(instruction: Instruction) -> int:
    """How often an instruction counts."""
    if not instruction.mnemonic.startswith("v") or "q" not in {r[0] for r in instruction.registers}:
        return 1
    memory = _MEMORY.fullmatch(instruction.mnemonic)
    if memory and any(register.startswith("q") for register in instruction.address_registers):
        return _VECTOR_BITS // int(memory[1])
    if _LANE_MOVE.fullmatch(instruction.mnemonic) and re.search(r"q\d\[", instruction.operands):
        return 1  # an element to or from a core register
    return 2


def weighted(program: Program, profile: Profile) -> list[int]:
    """Weighted instructions spent on each instruction of a program."""
    return [
        executions * weight(instruction) if executions else 0
        for instruction, executions in zip(program.instructions, profile.executions, strict=True)
    ]
