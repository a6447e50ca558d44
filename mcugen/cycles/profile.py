"""How often every instruction runs in one call of a function, counted in QEMU by the plugin."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mcugen import emulator
from mcugen.boards import Board
from mcugen.cycles.disassembly import Program
from mcugen.cycles.plugin import plugin
from mcugen.errors import ToolError

_BLOCKS_FILE = "mcugen_blocks.txt"


@dataclass(frozen=True)
class Block:
    """Instructions from ``start`` to ``last`` (its last instruction's address) that run one after the other.

    next_at_2, next_at_4: how often what came next began so many bytes behind ``last``.
    """

    start: int
    instructions: int
    last: int
    executions: int
    next_at_2: int
    next_at_4: int


@dataclass(frozen=True)
class Profile:
    """Per instruction of a program, in its order.

    executions: how often it ran. sequential: how often right after the instruction in front of it. jumps: how often
    anything else than the instruction behind it came next.
    """

    executions: tuple[int, ...]
    sequential: tuple[int, ...]
    jumps: tuple[int, ...]


def count_blocks(elf: Path, board: Board, workdir: Path, entry: int, seconds: float) -> list[Block]:
    """Runs a program in ``workdir`` on the board's twin and gives the blocks of the last call of the function at
    ``entry``. seconds: how long it may take on this computer.

    Raises ToolError when the program fails or never returns from the function.
    """
    # in a list of options a comma is written twice
    path = str(plugin()).replace(",", ",,")
    options = ["-plugin", f"{path},entry={entry & ~1:#x},out={_BLOCKS_FILE}"]
    emulator.run(elf, board, workdir, seconds, options=options)
    try:
        lines = (workdir / _BLOCKS_FILE).read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise ToolError(
            f"QEMU's plugin left no counts: {error.strerror}",
            where=elf.name,
            hint="counting needs a QEMU built with plugins, as Debian's is",
        ) from error
    if lines[:1] != ["complete 1"]:
        raise ToolError(f"the function at {entry:#x} was not called or did not return", where=elf.name)
    return [Block(*map(int, line.split())) for line in lines[1:]]


def profile_of(program: Program, blocks: list[Block]) -> Profile:
    """Blocks spread over instructions. Raises ToolError if a block is not instructions of the program."""
    count = len(program.instructions)
    executions, sequential, jumps = [0] * count, [0] * count, [0] * count
    arrivals: Counter[int] = Counter()
    for block in blocks:
        first = _position(program, block)
        last = first + block.instructions - 1
        size = program.instructions[last].size
        falls = block.next_at_2 if size == 2 else block.next_at_4
        for i in range(first, last + 1):
            executions[i] += block.executions
            sequential[i] += block.executions if i > first else 0
        jumps[last] += block.executions - falls
        arrivals[block.last + size] += falls
    for address, times in arrivals.items():
        if times:
            sequential[program.index[address]] += times
    return Profile(tuple(executions), tuple(sequential), tuple(jumps))


def _position(program: Program, block: Block) -> int:
    """The position of a block's first instruction."""
    first, last = program.index.get(block.start), program.index.get(block.last)
    if first is None or last is None or last - first + 1 != block.instructions:
        raise ToolError(f"what ran at {block.start:#x} is not what the disassembler shows there")
    return first
