"""Modelled cycles and weighted instructions of one inference, from how often QEMU executes every instruction.

An instruction count treats a multiplication, a load and a jump alike. These figures do not:

- on a Cortex-M4, cycles modelled after its Technical Reference Manual (`cortex_m4`);
- on a core with MVE, instructions weighted by the width of what they do (`mve`).

Neither is a measurement of silicon, and every place that shows them has to say so.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcugen.boards import Board
from mcugen.cycles import cortex_m4, mve
from mcugen.cycles.disassembly import Program, disassemble
from mcugen.cycles.profile import Profile, count_blocks, profile_of
from mcugen.firmware import write_inputs
from mcugen.ir import Array
from mcugen.manifest import Manifest

# Seconds the emulator may take: a start, and so many per million MACs and case; calls of the plugin slow it down.
_BASE_SECONDS, _SECONDS_PER_MILLION_MACS = 60.0, 30.0


@dataclass(frozen=True)
class FunctionCost:
    """What one function executed itself, without those it calls. cost: cycles, weighted or plain instructions."""

    name: str
    instructions: int
    cost: int


@dataclass(frozen=True)
class Cycles:
    """The cost of one call.

    total: modelled cycles, on a Cortex-M4 only. weighted: weighted instructions, on cores with MVE only.
    by_function: in the unit of whichever of them there is, dearest first.
    """

    total: int | None
    weighted: int | None
    instructions: int
    by_function: tuple[FunctionCost, ...]


def measure(elf: Path, manifest: Manifest, board: Board, cases: Sequence[Mapping[str, Array]]) -> Cycles:
    """The last of the cases (inputs by name, stored layout and type) on an ELF made by `firmware.build_runner`.

    Raises ToolError when the host's compiler, the disassembler or the emulator is missing or fails.
    """
    seconds = _BASE_SECONDS + len(cases) * manifest.macs / 1e6 * _SECONDS_PER_MILLION_MACS
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_inputs(work / "runner_input.bin", manifest, cases, fresh_state=True, trace=False)
        return measure_function(elf, board, work, f"{manifest.name}_run", seconds)


def measure_function(elf: Path, board: Board, workdir: Path, function: str, seconds: float = 60.0) -> Cycles:
    """The last call of a function, and all it calls, of a program that runs in ``workdir``.

    Raises ToolError as `measure` does, and when the program has no such function or does not return from it.
    """
    program = disassemble(elf, vectors=board.features.mve != "none")
    blocks = count_blocks(elf, board, workdir, program.address_of(function), seconds)
    return cost_of(program, profile_of(program, blocks), board)


def cost_of(program: Program, profile: Profile, board: Board) -> Cycles:
    """What a profile costs on a board's core."""
    total = weighted = None
    costs: Sequence[int] = profile.executions
    if board.core == "cortex-m4":
        costs = cortex_m4.cycles(program, profile)
        total = sum(costs)
    elif board.features.mve != "none":
        costs = mve.weighted(program, profile)
        weighted = sum(costs)
    return Cycles(total, weighted, sum(profile.executions), _by_function(program, profile, costs))


def _by_function(program: Program, profile: Profile, costs: Sequence[int]) -> tuple[FunctionCost, ...]:
    executed: dict[str, int] = defaultdict(int)
    spent: dict[str, int] = defaultdict(int)
    for instruction, executions, cost in zip(program.instructions, profile.executions, costs, strict=True):
        executed[instruction.function] += executions
        spent[instruction.function] += cost
    ranked = sorted((name for name in executed if executed[name]), key=lambda name: (-spent[name], name))
    return tuple(FunctionCost(name, executed[name], spent[name]) for name in ranked)
