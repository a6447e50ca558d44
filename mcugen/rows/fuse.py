"""A run of operators as one step: the kernel calls for every band, and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mcugen.ir import Op, Tensor, Tensors
from mcugen.lowering import Costs, KernelCall, Rules, Sharing, Step, step_of
from mcugen.lowering.choice import Choice, candidates, choose, least_scratch
from mcugen.lowering.variant import Variant
from mcugen.memory.blocks import Accesses, Block, Nearest, scratch_of
from mcugen.rows.feed import ReadRows, read_call
from mcugen.rows.order import Run, band_order
from mcugen.rows.windows import Action, Compute, Layout, Move, lay_out

_Key = tuple[Op, tuple[int, ...], int]


@dataclass
class BandLowering:
    """Chooses kernels for operators on a few rows; remembers what it has prepared.

    thrift: 0 for the usual kernels, 1 for those with the least working memory, 2 for slower ones with still less.
    """

    tensors: Tensors
    rules: Rules
    costs: Costs | None = None
    thrift: int = 0
    wanted: dict[_Key, tuple[Sequence[KernelCall], Sequence[Choice]]] = field(default_factory=dict)
    prepared: dict[tuple[_Key, tuple[tuple[str, int], ...]], Step] = field(default_factory=dict)
    taken: dict[str, dict[str, Variant]] = field(default_factory=dict)

    def start(self) -> None:
        """Begins a run: which kernels others took does not matter to it."""
        self.taken = {}

    def step(self, op: Op, inputs: Mapping[str, range], rows: range) -> tuple[Step, Sequence[KernelCall]]:
        """The operator's step for some rows of its output, which it makes of those rows of its inputs.

        With the calls in contract form.
        All bands of an operator use the kernel of the first one asked for where they can, so that its weights are in
        flash once.
        """
        banded = op.of_rows(self.tensors, rows)
        key = (banded, tuple(len(r) for r in inputs.values()), len(rows))
        if key not in self.wanted:
            tensors = {n: _rows_of(self.tensors, n, len(r)) for n, r in inputs.items()}
            tensors[op.outputs[0]] = _rows_of(self.tensors, op.outputs[0], len(rows))
            lowered = banded.lower({**self.tensors, **tensors})
            self.wanted[key] = lowered, self._best(lowered)
        contracts, wanted = self.wanted[key]
        choices = self._choices(op.outputs[0], contracts, wanted)
        kernels = key, tuple((choice.variant.function, choice.variant.rank) for choice in choices)
        if kernels not in self.prepared:
            self.prepared[kernels] = step_of(banded, contracts, choices)
        return self.prepared[kernels], contracts

    def _best(self, contracts: Sequence[KernelCall]) -> list[Choice]:
        if self.thrift:
            return [least_scratch(call, self.rules, self.thrift > 1) for call in contracts]
        return choose(contracts, self.rules, self.costs)

    def _choices(
        self, output: str, contracts: Sequence[KernelCall], wanted: Sequence[Choice]
    ) -> list[Choice]:
        """Those wanted, but the kernels that other bands of the operator have taken where they can be used."""
        usual = self.taken.setdefault(output, {})
        found = []
        for call, choice in zip(contracts, wanted, strict=True):
            same = usual.setdefault(call.kernel, choice.variant)
            if same is not choice.variant and same in candidates(call, self.rules):
                choice = Choice(same, "the same as for other rows")
            found.append(choice)
        return found


def _rows_of(tensors: Tensors, name: str, rows: int) -> Tensor:
    shape = tensors[name].shape
    return tensors[name].replace(shape=(shape[0], rows, *shape[2:]))


@dataclass(frozen=True, eq=False)
class Fused:
    """A run as one step; contracts: its calls in contract form, those of moves left out, with their C functions."""

    step: Step
    contracts: tuple[tuple[KernelCall, str], ...]


def layout_of(run: Run, unit: int, upwards: bool = False) -> Layout:
    """Where the rows of a run are that is computed at most ``unit`` rows of a tensor at a time.

    upwards: from the last row to the first, for runs of one operator.
    """
    bands = band_order(run, unit)
    return lay_out(run, bands[::-1] if upwards else bands)


def fused(run: Run, unit: int, lowering: BandLowering, upwards: bool = False) -> Fused:
    """The step that computes a run, see `layout_of`."""
    return fused_in(layout_of(run, unit, upwards), run, lowering)


def fused_in(layout: Layout, run: Run, lowering: BandLowering) -> Fused:
    """The step that computes a run whose rows are laid out."""
    lowering.start()
    _choose_by_middle(run, layout, lowering)
    builder = _Builder(run, lowering)
    for time, action in enumerate(layout.actions):
        builder.add(time, action)
    blocks = dict(layout.blocks) | builder.scratch_blocks()
    step = Step(
        ops=run.ops,
        calls=tuple(builder.calls),
        reasons=tuple(builder.reasons.values()),
        windows=layout.sizes,
        accesses=Accesses(blocks, tuple(builder.nearest)),
    )
    return Fused(step, tuple(builder.contracts))


def _choose_by_middle(run: Run, layout: Layout, lowering: BandLowering) -> None:
    """Makes the lowering choose the kernels for the bands in the middle, which are the most."""
    computes = [action for action in layout.actions if isinstance(action, Compute)]
    for k, op in enumerate(run.ops):
        if isinstance(op, ReadRows):
            continue
        own = [c for c in computes if c.band.op == k]
        middle = own[len(own) // 2]
        lowering.step(op, {n: rows for n, (rows, _) in middle.inputs.items()}, middle.band.rows)


@dataclass
class _Builder:
    """Collects the calls of a run, and when each operator's working memory is used."""

    run: Run
    lowering: BandLowering
    calls: list[KernelCall] = field(default_factory=list)
    contracts: list[tuple[KernelCall, str]] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    nearest: list[Nearest] = field(default_factory=list)
    scratch: dict[str, list[Block]] = field(default_factory=dict)

    def add(self, time: int, action: Action) -> None:
        if isinstance(action, Move):
            self.calls.append(_move_call(action))
            return
        op = self.run.ops[action.band.op]
        if isinstance(op, ReadRows):
            self.calls.append(read_call(op, action.band.rows, action.output))
            return
        rows_read = {n: rows for n, (rows, _) in action.inputs.items()}
        step, contracts = self.lowering.step(op, rows_read, action.band.rows)
        self.contracts += zip(contracts, (call.function for call in step.calls), strict=True)
        self.reasons.setdefault(action.band.op, step.reasons[0])
        for call, sharings in zip(step.calls, step.sharings, strict=True):
            placed = _placed(call, action)
            self.calls.append(placed)
            if call.scratch:
                self.scratch.setdefault(op.outputs[0], []).append(Block(0, call.scratch, time, time))
            if len(step.calls) == 1:
                self.nearest += _nearest(time, placed, sharings)

    def scratch_blocks(self) -> dict[str, tuple[Block, ...]]:
        return {scratch_of(name): tuple(blocks) for name, blocks in self.scratch.items()}


def _placed(call: KernelCall, action: Compute) -> KernelCall:
    """The call with the places of its rows."""
    return call.replace(
        input_offsets=tuple(action.inputs[n][1] if n in action.inputs else 0 for n in call.inputs),
        output_offsets=(action.output,) * len(call.outputs),
    )


def _nearest(time: int, call: KernelCall, sharings: Sequence[Sharing]) -> list[Nearest]:
    """What the kernel allows its output and its inputs, counted from the starts of their memories."""
    return [
        Nearest(
            time, call.inputs[s.input], call.outputs[0],
            call.input_offsets[s.input] - call.output_offsets[0] - s.distance, s.step,
        )
        for s in sharings
        if call.inputs.count(call.inputs[s.input]) == 1
    ]  # fmt: skip


def _move_call(move: Move) -> KernelCall:
    return KernelCall(
        kernel="move",
        params=(("bytes", move.bytes),),
        inputs=(move.tensor,),
        outputs=(move.tensor,),
        label="rows",
        struct="mcugen_move_params",
        function="mcugen_move_scalar",
        header="scalar/move.h",
        input_offsets=(move.source,),
        output_offsets=(0,),
    )
