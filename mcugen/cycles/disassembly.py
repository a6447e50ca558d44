"""The instructions of a program, read from the disassembler of the toolchain (GNU objdump)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mcugen import toolchain
from mcugen.cycles.tools import run_tool
from mcugen.errors import ToolError

_FUNCTION = re.compile(r"([0-9a-f]+) <(.+)>:")
_INSTRUCTION = re.compile(r" *([0-9a-f]+):\t((?:[0-9a-f]{4} ?){1,2}) *\t([^\s@;]*)(?:\t(.*))?")
_COMMENT = re.compile(r"\s*[@;].*")
_REGISTER_NAMES = {"sl": "r10", "fp": "r11", "ip": "r12"}
_REGISTER = re.compile(r"\b(?:r\d+|sl|fp|ip|sp|lr|pc|[sdq]\d+)\b")


@dataclass(frozen=True)
class Instruction:
    """mnemonic: without the width suffix, condition included (``ldrne``); empty for what the disassembler does not
    know. function: the symbol in front of it."""

    address: int
    size: int
    mnemonic: str
    operands: str
    function: str

    @cached_property
    def registers(self) -> tuple[str, ...]:
        """All registers named, in order, ranges not expanded."""
        return registers_in(self.operands)

    @cached_property
    def address_registers(self) -> frozenset[str]:
        """The registers between brackets."""
        return frozenset(registers_in(" ".join(re.findall(r"\[([^\]]*)\]", self.operands))))


@dataclass(frozen=True)
class Program:
    """instructions: by rising address; data between them is left out."""

    instructions: tuple[Instruction, ...]

    @cached_property
    def index(self) -> dict[int, int]:
        """The position of the instruction at an address."""
        return {instruction.address: i for i, instruction in enumerate(self.instructions)}

    def address_of(self, function: str) -> int:
        """Where a function begins. Raises ToolError if the program has none of that name."""
        for instruction in self.instructions:
            if instruction.function == function:
                return instruction.address
        raise ToolError(f"the program has no function {function}")


def registers_in(text: str) -> tuple[str, ...]:
    """The registers a text names, r10 to r12 by number."""
    return tuple(_REGISTER_NAMES.get(name, name) for name in _REGISTER.findall(text))


def disassemble(elf: Path, *, vectors: bool = False) -> Program:
    """vectors: whether the program is for a core with MVE, which objdump does not see by itself.

    Raises ToolError when objdump is missing or finds no instructions.
    """
    machine = ["-m", "armv8.1-m.main"] if vectors else []
    text = run_tool([f"{toolchain.find_toolchain().prefix}objdump", "-d", "-w", *machine, str(elf)])
    program = parse(text)
    if not program.instructions:
        raise ToolError("holds no instructions", where=elf.name)
    return program


def parse(text: str) -> Program:
    """What ``objdump -d -w`` prints."""
    instructions, function = [], ""
    for line in text.splitlines():
        if heading := _FUNCTION.fullmatch(line):
            function = heading[2]
        elif (found := _INSTRUCTION.fullmatch(line)) and not found[3].startswith("."):
            address, code, mnemonic, operands = found.groups()
            size = len(code.replace(" ", "")) // 2
            bare = re.sub(r"\.[nw]$", "", mnemonic)
            instructions.append(
                Instruction(int(address, 16), size, bare, _COMMENT.sub("", operands or ""), function)
            )
    return Program(tuple(sorted(instructions, key=lambda i: i.address)))
