"""Order of the rows, windows, moves and offsets, held against the interpreter by executing them on bytes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property
from random import Random

import pytest

from mcugen.interp import Interpreter
from mcugen.ir import Array, Graph
from mcugen.lowering import Program, Rules
from mcugen.memory.liveness import plan_memory
from mcugen.rows.order import Band, Run, band_order, needed_from
from mcugen.rows.windows import Compute, Layout, Move, lay_out, row_bytes
from tests.rows import simulated
from tests.rows.drawn import Piece, divided, graph_of, pieces_of, run_of

SEEDS = range(int(os.environ.get("MCUGEN_SEED", "1")) * 100_000, 10**9)
SOAK_SECONDS = float(os.environ.get("MCUGEN_SOAK_SECONDS", "60"))
CLASSES = ("scalar", "v6m", "v7m", "dsp", "mve")


@dataclass
class Drawn:
    """A graph, its division into pieces, and what the interpreter gives for a random input."""

    seed: int

    def __post_init__(self) -> None:
        self.r = Random(f"layout {self.seed}")
        self.graph: Graph = graph_of(self.seed)
        self.pieces = pieces_of(self.graph, self.r)
        self.inputs = simulated.random_input(self.graph, self.r)

    @cached_property
    def expected(self) -> dict[str, Array]:
        return Interpreter(self.graph).run(self.inputs)

    def layout(self, piece: Piece) -> tuple[Run, list[Band], Layout]:
        run = run_of(self.graph, piece.start, piece.end)
        bands = band_order(run, piece.unit)
        bands = bands[::-1] if piece.upwards else bands
        return run, bands, lay_out(run, bands)


def assert_order(run: Run, bands: list[Band], unit: int, upwards: bool) -> None:
    """Rows once and in order, of results all, and nothing before the rows that it is made of."""
    done = dict.fromkeys(run.made, 0)
    for band in bands[::-1] if upwards else bands:
        op = run.ops[band.op]
        assert 0 < len(band.rows) <= unit
        assert band.rows.start == done[op.outputs[0]]
        for index, name in run.read(op):
            if name in done:
                assert run.rows_read(op, index, band.rows).stop <= done[name]
        done[op.outputs[0]] = band.rows.stop
    for name in run.made:
        height = run.tensors[name].shape[1]
        assert done[name] == height if name in run.results else 0 < done[name] <= height


def assert_windows(run: Run, bands: list[Band], layout: Layout) -> None:
    """Windows are as high as the most rows that live at a time; every action stays within its window."""
    assert set(layout.sizes) == set(run.made) - set(run.results)
    assert [a.band for a in layout.actions if isinstance(a, Compute)] == bands
    made = dict.fromkeys(layout.sizes, 0)
    most = dict.fromkeys(layout.sizes, 0)
    for band, first in zip(bands, needed_from(run, bands), strict=True):
        name = run.ops[band.op].outputs[0]
        if name in made:
            made[name] = band.rows.stop
            most[name] = max(most[name], made[name] - min(first[name], band.rows.start))
    for name, size in layout.sizes.items():
        assert size == most[name] * row_bytes(run.tensors[name])
    for action in layout.actions:
        if isinstance(action, Move):
            assert action.source > 0 and action.source + action.bytes <= layout.sizes[action.tensor]
        else:
            name = run.ops[action.band.op].outputs[0]
            size = layout.sizes.get(name, run.tensors[name].bytes)
            end = action.output + len(action.band.rows) * row_bytes(run.tensors[name])
            assert action.output >= 0 and end <= size


def check_layouts(seed: int) -> None:
    drawn = Drawn(seed)
    for piece in drawn.pieces:
        if not piece.unit:
            continue
        run, bands, layout = drawn.layout(piece)
        assert_order(run, bands, piece.unit, piece.upwards)
        assert_windows(run, bands, layout)
        machine = simulated.own_buffers(run, layout)
        for op in run.ops:
            for _, name in run.read(op):
                if name not in run.made:
                    machine.write(name, 0, drawn.expected[name])
        simulated.run_layout(machine, run, layout, drawn.expected)
        for name in run.results:
            found = machine.read(run.tensors[name], 0)
            assert found.tobytes() == drawn.expected[name].tobytes(), name


def check_program(seed: int) -> int:
    """Bytes that row by row saved."""
    drawn = Drawn(seed)
    rules = Rules(drawn.r.choice(CLASSES))
    program = divided(drawn.graph, drawn.pieces, rules)
    layouts = {}
    for number, piece in enumerate(drawn.pieces):
        if piece.unit:
            run, _, layout = drawn.layout(piece)
            layouts[number] = run, layout
            assert_calls(program, number, layout)
    memory = plan_memory(program)
    simulated.run_program(program, memory, layouts, drawn.inputs, drawn.expected)
    whole = divided(drawn.graph, [Piece(k, k + 1) for k in range(len(drawn.graph.ops))], rules)
    return plan_memory(whole).arena_bytes - memory.arena_bytes


def assert_calls(program: Program, number: int, layout: Layout) -> None:
    """The step's calls are those of the layout, with its offsets."""
    step = program.steps[number]
    calls = list(step.calls)
    for action in layout.actions:
        if isinstance(action, Move):
            call = calls.pop(0)
            assert call.kernel == "move" and call.param("bytes") == action.bytes
            assert (call.inputs, call.outputs) == ((action.tensor,), (action.tensor,))
            assert (call.places_of_inputs, call.places_of_outputs) == ((action.source,), (0,))
            continue
        output = step.ops[action.band.op].outputs[0]
        own = []
        while calls and calls[0].kernel != "move" and calls[0].outputs == (output,):
            own.append(calls.pop(0))
            if len(own) == len(step.ops[action.band.op].lower(program.graph.tensors)):
                break
        assert own
        for call in own:
            assert call.places_of_outputs == (action.output,)
            for name, place in zip(call.inputs, call.places_of_inputs, strict=True):
                assert place == (action.inputs[name][1] if name in action.inputs else 0)
    assert not calls


@pytest.mark.parametrize("block", range(10))
def test_layouts_of_random_runs(block: int) -> None:
    for seed in SEEDS[40 * block : 40 * (block + 1)]:
        check_layouts(seed)


@pytest.mark.parametrize("block", range(10))
def test_random_programs_in_their_arena(block: int) -> None:
    saved = [check_program(seed) for seed in SEEDS[1000 + 25 * block : 1000 + 25 * (block + 1)]]
    assert max(saved) > 0


@pytest.mark.soak
def test_random_layouts_for_long() -> None:
    end, seed = time.monotonic() + SOAK_SECONDS, int(time.time()) * 1000
    while time.monotonic() < end:
        check_layouts(seed)
        check_program(seed)
        seed += 1
