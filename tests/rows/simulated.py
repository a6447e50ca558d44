"""Executes layouts in Python, on bytes, with the operators' own definition, and as unkindly as kernels may behave.

Everything a call is going to write, and its working memory, is overwritten with noise before its inputs are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from mcugen.ir import Array, Graph, Op, Tensor
from mcugen.lowering import Program, Step
from mcugen.memory.blocks import Accesses, scratch_of
from mcugen.memory.liveness import MemoryPlan
from mcugen.rows.order import Run
from mcugen.rows.windows import Layout, Move

Place = Callable[[str], int]
"""Where a buffer starts in the memory."""
_NO_SCRATCH = Accesses({})


@dataclass
class Machine:
    """A memory that is full of noise at first. ``place`` gives the start of every activation's buffer."""

    memory: Array
    place: Place
    noise: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def __post_init__(self) -> None:
        self.spoil(slice(0, self.memory.size))

    def spoil(self, where: slice) -> None:
        self.memory[where] = self.noise.integers(0, 256, self.memory[where].size)

    def bytes_of(self, name: str, first: int, count: int) -> slice:
        start = self.place(name) + first
        assert start >= 0 and start + count <= self.memory.size, f"{name} lies outside the memory"
        return slice(start, start + count)

    def write(self, name: str, first: int, data: Array) -> None:
        self.memory[self.bytes_of(name, first, data.nbytes)] = np.frombuffer(data.tobytes(), np.uint8)

    def read(self, tensor: Tensor, first: int) -> Array:
        raw = self.memory[self.bytes_of(tensor.name, first, tensor.bytes)]
        return np.frombuffer(raw.tobytes(), tensor.dtype.numpy).reshape(tensor.shape)

    def compute(
        self,
        op: Op,
        tensors: Mapping[str, Tensor],
        places: Mapping[str, int],
        spared: frozenset[str] = frozenset(),
        scratch: slice = slice(0, 0),
    ) -> Array:
        """Runs an operator. tensors: of the shapes that it sees; places: bytes from the starts of the buffers.

        spared: inputs whose bytes the output may come to lie on, as the kernel allows. Gives the output.
        """
        output = tensors[op.outputs[0]]
        target = np.zeros(self.memory.size, bool)
        target[self.bytes_of(output.name, places[output.name], output.bytes)] = True
        for name in spared:
            target[self.bytes_of(name, places[name], tensors[name].bytes)] = False
        self.memory[target] = self.noise.integers(0, 256, int(target.sum()))
        self.spoil(scratch)
        arrays = [
            tensors[n].data if n and tensors[n].is_const else self._input(n, tensors, places)
            for n in op.inputs
        ]
        (result,) = op.evaluate(tensors, *arrays)
        assert result.shape == output.shape and result.dtype == output.dtype.numpy
        self.write(output.name, places[output.name], result)
        self.spoil(scratch)
        return result

    def _input(self, name: str, tensors: Mapping[str, Tensor], places: Mapping[str, int]) -> Array:
        if not name:
            return np.zeros(0, np.int32)
        return self.read(tensors[name], places[name])


def run_layout(
    machine: Machine,
    run: Run,
    layout: Layout,
    expected: Mapping[str, Array],
    accesses: Accesses = _NO_SCRATCH,
    scratch: Mapping[str, int] = {},
) -> None:
    """Executes the actions; every band must be what the interpreter gave as part of the whole tensor.

    scratch: where the working memory of each operator starts.
    """
    for time, action in enumerate(layout.actions):
        if isinstance(action, Move):
            source = machine.memory[machine.bytes_of(action.tensor, action.source, action.bytes)].copy()
            machine.write(action.tensor, 0, source)
            continue
        op, rows = run.ops[action.band.op], action.band.rows
        tensors = dict(run.tensors)
        places = {op.outputs[0]: action.output}
        for name, (read, place) in action.inputs.items():
            tensors[name] = _rows_of(run.tensors[name], read)
            places[name] = place
        tensors[op.outputs[0]] = _rows_of(run.tensors[op.outputs[0]], rows)
        spared = frozenset(n.source for n in accesses.nearest if n.time == time) & places.keys()
        found = machine.compute(
            op.of_rows(run.tensors, rows), tensors, places, spared, _working(accesses, scratch, op, time)
        )
        wanted = expected[op.outputs[0]][:, rows.start : rows.stop]
        assert found.tobytes() == wanted.tobytes(), f"rows {rows} of {op.outputs[0]}, action {time}"


def _working(accesses: Accesses, scratch: Mapping[str, int], op: Op, time: int) -> slice:
    """The working memory of an operator at a call."""
    name = scratch_of(op.outputs[0])
    ends = [b.high for b in accesses.blocks.get(name, ()) if b.first == time]
    return slice(scratch[name], scratch[name] + max(ends)) if ends else slice(0, 0)


def _rows_of(tensor: Tensor, rows: range) -> Tensor:
    return tensor.replace(shape=(tensor.shape[0], len(rows), *tensor.shape[2:]))


def own_buffers(run: Run, layout: Layout) -> Machine:
    """A memory in which every activation of a run lies apart, windows of just their sizes, noise between them."""
    starts: dict[str, int] = {}
    end = 16
    names = dict.fromkeys((*(n for op in run.ops for _, n in run.read(op)), *run.made))
    for name in names:
        starts[name] = end
        end += layout.sizes.get(name, run.tensors[name].bytes) + 16
    return Machine(np.zeros(end, np.uint8), starts.__getitem__)


def run_program(
    program: Program,
    memory: MemoryPlan,
    layouts: Mapping[int, tuple[Run, Layout]],
    inputs: Mapping[str, Array],
    expected: Mapping[str, Array],
) -> None:
    """Executes a program in its arena. layouts: of the steps computed by rows, by number of the step."""
    sizes = {b.name: b.size for b in memory.problem.buffers}
    machine = Machine(np.zeros(memory.arena_bytes, np.uint8), memory.offsets.__getitem__)

    def scratch(output: str) -> slice:
        name = scratch_of(output)
        if name not in memory.scratch:
            return slice(0, 0)
        return slice(memory.scratch[name], memory.scratch[name] + sizes[name])

    for name, data in inputs.items():
        machine.write(name, 0, data)
    for number, step in enumerate(program.steps):
        if number in layouts:
            assert step.accesses is not None
            run_layout(machine, *layouts[number], expected, step.accesses, memory.scratch)
        else:
            found = _run_whole(machine, program.graph, step, scratch(step.outputs[0]))
            wanted = expected[step.outputs[0]]
            assert found.tobytes() == wanted.tobytes(), f"{step.outputs[0]}, step {number}"
    for name in program.graph.outputs:
        assert machine.read(program.graph.tensors[name], 0).tobytes() == expected[name].tobytes(), name


def _run_whole(machine: Machine, graph: Graph, step: Step, scratch: slice) -> Array:
    (op,) = step.ops
    activations = [n for n in op.inputs if n and not graph.tensors[n].is_const]
    return machine.compute(
        op, graph.tensors, dict.fromkeys((*activations, *op.outputs), 0), frozenset(activations), scratch
    )


def random_input(graph: Graph, r: Random) -> dict[str, Array]:
    """Inputs drawn from all values."""
    generator = np.random.default_rng(r.getrandbits(32))
    tensors = (graph.tensors[n] for n in graph.inputs)
    return {
        t.name: generator.integers(*t.dtype.bounds, t.shape, endpoint=True).astype(t.dtype.numpy)
        for t in tensors
    }
