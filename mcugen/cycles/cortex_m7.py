"""How well the order of instructions suits the dual issue of a Cortex-M7: a model from what is publicly known.

The core issues up to two instructions a cycle, in order. The second of two goes along with the first when

- it does not need the first one's result and does not write the same register;
- they are not both multiplications, of which the core does one a cycle;
- they are not both loads or stores (it can load two words of different banks; that depends on addresses);
- neither of them takes the core for itself: division, ``ldm``, ``stm``, ``push``, ``pop``, ``it``;
- the first is no branch.

A result is there for the next cycle; that of a load, and that of a multiplication unless it is only added to, one
later. A load or store of N words takes N / 2 cycles, rounded up. Branches are taken as predicted, memory as without
wait states. These are not cycles of silicon: the figure is for comparing two orders of the same instructions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from mcugen.cycles import cortex_m4
from mcugen.cycles.disassembly import Instruction, Program
from mcugen.cycles.profile import Profile

_CONDITION = "(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)"
_COND = f"{_CONDITION}?"
_MULTIPLY = re.compile(rf"(?:mul|ml[as]|[su]m(?:u|l)\w+|umaal|usada?8)s?{_COND}")
_ACCUMULATING = re.compile(r"ml[as]|s(?:m)?ml[as]\w*|[su]mlal\w*|smm?l[as]\w*|umaal|usada8")
_TWO_RESULTS = re.compile(r"[su]m(?:l[as]l|ull)\w*|umaal|ldrd")
_LOAD = re.compile(r"(?:ldr|ldm|pop|vldr|vldm|vpop)\w*")
_STORE = re.compile(r"(?:str|stm|push|vstr|vstm|vpush)\w*")
_MULTIPLE = re.compile(r"(?:v?ldm|v?stm|v?push|v?pop)\w*")
_ALONE = re.compile(r"(?:[su]div|it[te]*|tb[bh]|[di][sm]b|mrs|msr|cps|svc|bkpt)\w*")
_NO_RESULT = re.compile(rf"(?:cmp|cmn|tst|teq|nop){_COND}")
_SETS_FLAGS = re.compile(rf"(?:cmp|cmn|tst|teq){_COND}|\w+s")
_READS_FLAGS = re.compile(rf"b{_CONDITION}|(?:it|adc|sbc|sel)\w*")


@dataclass(frozen=True)
class _Facts:
    """What the model asks of an instruction."""

    reads: frozenset[str]
    adds_to: frozenset[str]
    writes: frozenset[str]
    memory: bool
    load: bool
    multiply: bool
    alone: bool
    branch: bool
    cycles: int


def _facts(instruction: Instruction) -> _Facts:
    name, registers = instruction.mnemonic, instruction.registers
    load, store = bool(_LOAD.fullmatch(name)), bool(_STORE.fullmatch(name))
    multiple = bool(_MULTIPLE.fullmatch(name))
    multiply = bool(_MULTIPLY.fullmatch(name))
    branch = cortex_m4.may_jump(instruction)
    listed = re.sub(r"[^{]*\{([^}]*)\}.*", r"\1", instruction.operands) if multiple else ""
    words = len(listed.split(",")) if multiple else 2 if name.startswith(("ldrd", "strd")) else 1
    writes = _written(instruction, load=load, store=store, multiple=multiple, branch=branch)
    count = 2 if _TWO_RESULTS.fullmatch(name) else 1
    reads = frozenset(registers if store or _NO_RESULT.fullmatch(name) or multiple else registers[count:])
    accumulates = multiply and bool(_ACCUMULATING.fullmatch(name))
    adds_to = frozenset(registers[:2] if count == 2 else registers[3:4]) if accumulates else frozenset()
    if _READS_FLAGS.fullmatch(name):
        reads |= {"flags"}
    return _Facts(
        reads - (adds_to - frozenset(registers[1:3])), adds_to, writes, load or store, load, multiply,
        multiple or bool(_ALONE.fullmatch(name)), branch, (words + 1) // 2,
    )  # fmt: skip


def _written(
    instruction: Instruction, *, load: bool, store: bool, multiple: bool, branch: bool
) -> frozenset[str]:
    name, registers = instruction.mnemonic, instruction.registers
    written = set(registers[: 2 if _TWO_RESULTS.fullmatch(name) else 1])
    if branch or store or _NO_RESULT.fullmatch(name):
        written = set()
    if multiple:
        written = set(registers) if load else {"sp"} if "push" in name else set()
    if (load or store) and ("!" in instruction.operands or re.search(r"\],", instruction.operands)):
        written |= instruction.address_registers or set(registers[:1])
    if _SETS_FLAGS.fullmatch(name) and not name.startswith(("bic", "vm", "mls", "smmls", "mrs")):
        written.add("flags")
    return frozenset(written)


def may_pair(first: Instruction, second: Instruction) -> bool:
    """Whether two instructions that follow each other may issue in one cycle."""
    return _may_pair(_facts(first), _facts(second))


def _may_pair(a: _Facts, b: _Facts) -> bool:
    if a.alone or b.alone or a.branch or (a.multiply and b.multiply) or (a.memory and b.memory):
        return False
    return not a.writes & (b.reads | b.adds_to | b.writes)


@dataclass
class _Pipeline:
    """The state between two instructions that run one after the other.

    cycle: in which something issued last; busy: how many it takes; single: what issued, if it was one only.
    """

    cycle: int = -1
    busy: int = 1
    single: _Facts | None = None
    ready: dict[str, int] = field(default_factory=dict)

    def issue(self, facts: _Facts) -> int:
        """Issues an instruction; gives the cycles after what issued last, 0 if they go together."""
        needed = max((self.ready.get(r, 0) for r in facts.reads), default=0)
        needed = max([needed, *(self.ready.get(r, 0) - 1 for r in facts.adds_to)])
        together = self.single is not None and needed <= self.cycle and _may_pair(self.single, facts)
        before = self.cycle
        if not together:
            self.cycle, self.busy = max(self.cycle + self.busy, needed), 0
        self.single = None if together else facts
        self.busy = max(self.busy, facts.cycles)
        latency = facts.cycles + (1 if facts.load or facts.multiply else 0)
        self.ready.update((r, self.cycle + latency) for r in facts.writes)
        return self.cycle - before


@dataclass(frozen=True)
class Issue:
    """What a program's order gives. paired: instructions that go along with the one before them; cycles: in which
    something issues or waits for a result."""

    instructions: int
    paired: int
    cycles: int

    @property
    def share(self) -> float:
        """Of the instructions that issue in pairs."""
        return 2 * self.paired / max(1, self.instructions)


def issue(program: Program, profile: Profile, functions: Iterable[str] | None = None) -> Issue:
    """The model over all that a profile counted, or over some functions.

    Every instruction is modelled behind the one before it in memory, from which it is reached most often.
    """
    wanted = None if functions is None else set(functions)
    instructions = paired = cycles = 0
    pipeline = _Pipeline()
    for i, instruction in enumerate(program.instructions):
        executions = profile.executions[i]
        if not executions:
            continue
        if not profile.sequential[i]:
            pipeline = _Pipeline()
        spent = pipeline.issue(_facts(instruction))
        if wanted is None or instruction.function in wanted:
            instructions += executions
            paired += 0 if spent else executions
            cycles += executions * spent
    return Issue(instructions, paired, cycles)
