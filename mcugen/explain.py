"""`mcugen explain`: which kernel computes each layer and why, what that costs, and what else would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mcugen.compile import CompileOptions
from mcugen.compiled import Compiled
from mcugen.emit.layers import own_copies
from mcugen.lowering import Costs, KernelCall, Optimize, Program, Rules, Step, lower
from mcugen.lowering.choice import candidates, contenders
from mcugen.lowering.costs import load_table, table_costs
from mcugen.lowering.variant import LEVELS
from mcugen.measure import run_layers


@dataclass(frozen=True)
class Alternative:
    """A kernel that was not chosen, and the instructions it would take for the layer."""

    kernel: str
    expected: int


@dataclass(frozen=True)
class Layer:
    """One layer.

    contract: what its kernels compute, the beginning of their names after ``mcugen_``. expected: instructions by the
    core's cost table; measured: in the emulator, the hook included.
    """

    index: int
    name: str
    op: str
    shape: str
    contract: str
    kernel: str
    reason: str
    macs: int
    expected: int | None
    measured: int | None
    alternatives: tuple[Alternative, ...]

    @property
    def per_mac(self) -> float | None:
        """Instructions per multiply-accumulate, measured if possible."""
        count = self.expected if self.measured is None else self.measured
        return count / self.macs if count is not None and self.macs else None


@dataclass(frozen=True)
class Explanation:
    model: str
    board: str
    core: str
    kernels: str
    optimize: str
    layers: tuple[Layer, ...]

    def data(self) -> dict[str, Any]:
        """For JSON."""
        layers = [{**asdict(layer), "instructions_per_mac": layer.per_mac} for layer in self.layers]
        return {**asdict(self), "layers": layers}


def explain(compiled: Compiled, options: CompileOptions, *, measure: bool = True) -> Explanation:
    """The layers of a compiled model; with ``measure`` they are run. Raises ToolError."""
    program, board = compiled.program, compiled.board
    costs = table_costs(board.twin().core)
    # A board's table knows CMSIS-NN whether or not it is here.
    rules = Rules(program.instruction_class, "auto", program.optimize, has_cmsis_nn=True)
    steps = [step for step in program.steps if step.calls]
    counts: Sequence[int | None] = run_layers(compiled, options.cmsis_nn) if measure else [None] * len(steps)
    layers = tuple(
        _layer(i, step, compiled, rules, costs, count)
        for i, (step, count) in enumerate(zip(steps, counts, strict=True))
    )
    return Explanation(compiled.source, board.name, board.core, program.kernels, program.optimize, layers)


def _layer(
    index: int, step: Step, compiled: Compiled, rules: Rules, costs: Costs | None, measured: int | None
) -> Layer:
    tensors = compiled.graph.tensors
    contracts = step.ops[0].lower(tensors) if len(step.ops) == 1 else ()
    known = [_costs_of(call, rules, costs) for call in contracts]
    own = (
        [found.get(call.function) for found, call in zip(known, step.calls, strict=True)] if known else [None]
    )
    others = known[0] if len(known) == 1 else {}
    first = next(call for call in step.calls if not call.asks_caller)
    return Layer(
        index=index,
        name=step.title,
        op=step.kind,
        shape=first.label,
        contract=first.kernel,
        kernel=first.function,
        reason=step.reasons[0] if step.reasons else "",
        macs=step.macs(tensors),
        expected=None if None in own else round(sum(cost for cost in own if cost is not None)),
        measured=measured,
        alternatives=tuple(
            Alternative(function, round(cost))
            for function, cost in sorted(others.items(), key=lambda item: item[1])
            if function != first.function
        ),
    )


def _costs_of(call: KernelCall, rules: Rules, costs: Costs | None) -> dict[str, float]:
    """Instructions that a contract call takes, by C function, where they are known."""
    if costs is None:
        return {}
    found = {v.function: costs.instructions(call, v) for v in contenders(candidates(call, rules))}
    return {function: cost for function, cost in found.items() if cost is not None}


# ---- what --optimize trades ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Trade:
    """A level of ``--optimize`` for one model.

    functions: kernels in the code, copies for different parameters counted; constants: bytes of weights and tables;
    expected: instructions, for levels whose kernels all are in the cost table.
    """

    optimize: Optimize
    functions: int
    constants: int
    expected: int | None


def trades(compiled: Compiled) -> tuple[Trade, ...]:
    """What each level means for a model, as far as can be said without compiling it.

    What "ram" does is only known after its search, so that it is there when it was asked for.
    """
    program = compiled.program
    found = []
    for level in (level for level in LEVELS if level != "ram" or program.optimize == "ram"):
        rules = Rules(program.instruction_class, program.kernels, level, program.uses_cmsis_nn)
        other = program if level == program.optimize else lower(program.graph, rules)
        found.append(
            Trade(level, _functions(other), _constants(other), _expected(other, compiled.board.twin().core))
        )
    return tuple(found)


def _functions(program: Program) -> int:
    copies = own_copies(program)
    return len({(c.function, c.params if (c.function, c.params) in copies else ()) for c in program.calls})


def _constants(program: Program) -> int:
    """Bytes, equal ones counted once."""
    arrays = {(k.data.tobytes(), k.data.dtype.name) for call in program.calls for k in call.constants}
    return sum(len(data) for data, _ in arrays)


def _expected(program: Program, core: str) -> int | None:
    """None for size: tables are measured with literal parameters."""
    table = load_table(core)
    if program.optimize == "size":
        return None
    total = 0.0
    for step in program.steps:
        if step.accesses is not None:
            return None
        for contract, call in zip(step.ops[0].lower(program.graph.tensors), step.calls, strict=True):
            if call.function not in table:
                return None
            total += table[call.function].instructions(contract)
    return round(total)
