"""Models spread over random memories: a simulation finds every byte that a kernel reads where it was written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, compile_for, load_quantized
from mcugen.errors import DoesNotFitError
from mcugen.lowering import Program
from mcugen.memory.liveness import MemoryPlan, Place, plan_memory
from mcugen.memory.spread import Bank, Banks, Copy
from mcugen.memory.traffic import traffic_of
from tests.memory.residual import residual_program
from tests.support.zoo import Zoo

MODELS = ("ic_resnet8_int8", "keyword_scrambled_8bit", "sww_ref_int8")


@cache
def program_of(zoo: Zoo, name: str) -> Program:
    quantized = load_quantized(zoo.entry(name).path, CompileOptions())
    return compile_for(quantized, name, load_board("mps2-an386"), CompileOptions()).program


@dataclass
class Simulation:
    """Memory whose bytes know what they are: ``(name, index)``. late: copies happen when they are waited for."""

    program: Program
    memory: MemoryPlan
    late: bool
    bytes: dict[tuple[str, int], Any] = field(default_factory=dict)
    waiting: list[Copy] = field(default_factory=list)

    def run(self) -> None:
        """Two inferences: what the first leaves must do for the second."""
        for copy in self._copies(kind=("keep",)):
            self._copy(copy)
        for variable in self.program.graph.variables():
            self._write(variable.name, None)
        for _ in range(2):
            for name in self.program.graph.inputs:
                self._write(name, None)
            for t in range(len(self.program.steps)):
                self._copies_before(t)
                self._step(t)
            self._copies_before(len(self.program.steps))
            for name in (*self.program.graph.outputs, *(v.name for v in self.program.graph.variables())):
                self._read(name, None)

    def _step(self, t: int) -> None:
        for k, call in enumerate(self.program.steps[t].calls):
            for name in (*call.inputs, *call.states):
                if not self.program.graph.tensors[name].is_const:
                    self._read(name, t)
            for constant in call.constants:
                place = self.memory.constant_place((t, k, constant.role))
                if place is not None:
                    self._require((t, k, constant.role), place, constant.data.nbytes)
            place = self.memory.scratch_place(call.outputs[0])
            if place is not None:
                self._fill("scratch", place, call.scratch or 0)
            for name in (*call.outputs, *call.states):
                self._write(name, t)

    def _copies(self, kind: Iterable[str]) -> list[Copy]:
        assert self.memory.spread is not None
        return [copy for copy in self.memory.spread.copies if copy.kind in kind]

    def _copies_before(self, position: int) -> None:
        """Those that leave go first; those for later steps are begun last."""
        here = [c for c in self._copies(("stage", "spill", "restore")) if c.begin == position]
        order = sorted(here, key=lambda c: (c.kind != "spill", c.end))
        if any(c.end == position for c in self.waiting):
            self._wait()
        for copy in order:
            if self.late and copy.end > position:
                self.waiting.append(copy)
            else:
                self._copy(copy)

    def _wait(self) -> None:
        for copy in self.waiting:
            self._copy(copy)
        self.waiting.clear()

    def _copy(self, copy: Copy) -> None:
        target = self.memory.buffer_place(copy.target)
        if not isinstance(copy.source, str):
            self._fill(copy.source, target, copy.bytes)
            return
        source = self.memory.buffer_place(copy.source)
        moved = [self.bytes.get((source.region, source.offset + i)) for i in range(copy.bytes)]
        self.bytes |= {(target.region, target.offset + i): value for i, value in enumerate(moved)}

    def _root(self, name: str) -> tuple[tuple[str, int], int]:
        return self.memory.views[name], self.program.graph.tensors[name].bytes

    def _write(self, name: str, step: int | None) -> None:
        root, size = self._root(name)
        self._fill(root, self.memory.place(name, step), size)

    def _read(self, name: str, step: int | None) -> None:
        root, size = self._root(name)
        self._require(root, self.memory.place(name, step), size)

    def _fill(self, what: Any, place: Place, size: int) -> None:
        self.bytes |= {(place.region, place.offset + i): _byte(what, i) for i in range(size)}

    def _require(self, what: Any, place: Place, size: int) -> None:
        found = [self.bytes.get((place.region, place.offset + i)) for i in range(size)]
        assert found == [_byte(what, i) for i in range(size)], f"{what} is not whole at {place}"


def _byte(what: Any, i: int) -> tuple[Any, int]:
    """Byte i of something; of part of a tensor, given as (name, bytes before), a byte of that."""
    if isinstance(what, tuple) and len(what) == 2:
        return what[0], what[1] + i
    return what, i


def _simulate(program: Program, banks: Banks) -> MemoryPlan | None:
    try:
        memory = plan_memory(program, banks=banks)
    except DoesNotFitError:
        return None
    for late in (False, True):
        Simulation(program, memory, late).run()
    spread = memory.spread
    assert spread is not None and all(memory.plan.peaks[bank.name] <= bank.size for bank in spread.banks)
    return memory


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=4)
@given(data=st.data())
def test_models_in_random_memories(zoo: Zoo, model: str, data: st.DataObject) -> None:
    program = program_of(zoo, model)
    arena = plan_memory(program).arena_bytes
    fast = data.draw(st.integers(arena // 8, arena))
    banks = Banks(
        (
            Bank("fast", fast, 1.0),
            Bank("middle", data.draw(st.integers(arena // 4, arena)), data.draw(st.sampled_from((2.0, 5.0)))),
            Bank("slow", 2 * arena, data.draw(st.sampled_from((8.0, 40.0)))),
        ),
        constants=data.draw(st.sampled_from((1.0, 12.0))),
        arena=2.0,
    )
    memory = _simulate(program, banks)
    assert memory is not None


def test_a_tensor_moves_away_while_others_need_the_fast_memory() -> None:
    program = residual_program()
    banks = Banks((Bank("fast", 1700, 1.0), Bank("slow", 4096, 60.0)), constants=1.0, arena=1.0)
    memory = _simulate(program, banks)
    assert memory is not None and memory.spread is not None
    assert [copy.kind for copy in memory.spread.copies] == ["spill", "restore"]
    (name,) = memory.spread.between
    assert memory.place(name, 0).region == memory.place(name, 4).region == "fast"
    assert memory.spread.between[name].region == "slow"


def test_constants_are_copied_only_where_that_is_worth_it() -> None:
    program = residual_program()
    for constants, kinds in ((1.0, set()), (50.0, {"keep"})):
        banks = Banks((Bank("fast", 10**6, 1.0),), constants=constants, arena=1.0)
        memory = _simulate(program, banks)
        assert memory is not None and memory.spread is not None
        assert {copy.kind for copy in memory.spread.copies} == kinds
        assert memory.spread.cost <= memory.spread.arena_cost


def test_states_move_where_they_are_used(zoo: Zoo) -> None:
    banks = Banks((Bank("fast", 2048, 1.0), Bank("slow", 6000, 30.0)), constants=1.0, arena=1.0)
    memory = _simulate(program_of(zoo, "keyword_scrambled_8bit"), banks)
    assert memory is not None and memory.spread is not None
    assert memory.spread.rest and {buffer.region for buffer in memory.spread.rest.values()} == {"slow"}


def test_traffic_of_weights_grows_with_their_reuse() -> None:
    program = residual_program()
    traffic = traffic_of(program)
    conv = program.steps[0]
    macs = conv.macs(program.graph.tensors)
    assert traffic.constants[0, 0, "weights"] == macs // 2
    assert traffic.buffers[4, "d"] == program.graph.tensors["d"].bytes
