"""The order of operators: never worse, the best where brute force can tell, and untouched where nothing is gained."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcugen import frontends, passes
from mcugen.errors import McugenError
from mcugen.ir import DType, Graph, Op, Tensor
from mcugen.lowering import Program, Step
from mcugen.memory import schedule as scheduling
from mcugen.memory.liveness import memory_problem
from mcugen.memory.schedule import schedule
from tests.support.zoo import Zoo


@dataclass(frozen=True)
class Node(Op):
    """An operator of which only the memory matters."""

    kind: ClassVar[str] = "Node"
    own_states: tuple[str, ...] = ()

    @property
    def states(self) -> tuple[str, ...]:
        return self.own_states


@dataclass(frozen=True)
class View(Op):
    kind: ClassVar[str] = "View"
    is_alias: ClassVar[bool] = True


def tensor(name: str, size: int, variable: bool = False) -> Tensor:
    return Tensor(name, DType.INT8, (size,), variable=variable)


def network(sizes: dict[str, int], ops: Sequence[Op], inputs: str, outputs: str, states: str = "") -> Graph:
    tensors = {name: tensor(name, size, name in states.split()) for name, size in sizes.items()}
    return Graph(tensors, tuple(ops), tuple(inputs.split()), tuple(outputs.split()))


def node(output: str, inputs: str, states: str = "") -> Node:
    """``output`` and ``inputs`` are names separated by spaces."""
    return Node(inputs=tuple(inputs.split()), outputs=tuple(output.split()), own_states=tuple(states.split()))


def peak(graph: Graph, extra: dict[Op, int] | None = None) -> int:
    """Bytes of the worst step, by the planner's own account of what lives when."""
    steps = tuple(Step((op,), ()) for op in graph.ops)
    buffers = memory_problem(Program(graph, steps, "scalar", "native")).buffers
    return max(
        sum((b.size + 15) // 16 * 16 for b in buffers if b.lower <= t < b.upper) + (extra or {}).get(op, 0)
        for t, op in enumerate(graph.ops)
    )


def is_valid(graph: Graph) -> bool:
    """Every tensor is made before it is read."""
    known = {*graph.inputs, *(t.name for t in graph.variables())}
    for op in graph.ops:
        if not set(op.inputs) <= known:
            return False
        known |= set(op.outputs)
    return True


def orders(graph: Graph) -> Iterator[Graph]:
    """All orders that respect data and states."""

    def extend(done: tuple[Op, ...], rest: tuple[Op, ...]) -> Iterator[tuple[Op, ...]]:
        if not rest:
            yield done
        for op in rest:
            shared = any(set(op.states) & set(other.states) for other in rest[: rest.index(op)])
            if not shared and not any(set(op.inputs) & set(other.outputs) for other in rest):
                yield from extend((*done, op), tuple(o for o in rest if o is not op))

    return (graph.replace(ops=ops) for ops in extend((), graph.ops))


@st.composite
def graphs(draw: st.DrawFn, most: int = 7) -> Graph:
    """Random graphs: several inputs, some unread, operators with several outputs, views, states, unread results."""
    sizes = {f"in{k}": draw(st.integers(1, 200)) for k in range(draw(st.integers(1, 2)))}
    inputs = " ".join(sizes)
    states = [f"state{k}" for k in range(draw(st.integers(0, 2)))]
    ops: list[Op] = []
    for k in range(draw(st.integers(1, most))):
        known = list(sizes)
        read = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        if draw(st.integers(0, 4)) == 0:
            sizes[f"t{k}"] = sizes[read[0]]
            ops.append(View(inputs=(read[0],), outputs=(f"t{k}",)))
            continue
        made = [f"t{k}"] + ([f"t{k}b"] if draw(st.integers(0, 5)) == 0 else [])
        sizes |= {name: draw(st.integers(1, 200)) for name in made}
        uses = draw(st.sampled_from(["", *states]))
        ops.append(node(" ".join(made), " ".join(read), uses))
    outputs = draw(st.lists(st.sampled_from(list(sizes)), min_size=1, max_size=2, unique=True))
    return network(sizes | dict.fromkeys(states, 48), ops, inputs, " ".join(outputs), " ".join(states))


@given(graphs())
def test_equals_brute_force(graph: Graph) -> None:
    found = schedule(graph)
    best = min(map(peak, orders(graph)))
    assert is_valid(found) and sorted(map(str, found.ops)) == sorted(map(str, graph.ops))
    assert peak(found) == best
    assert found is graph or best < peak(graph)


@given(graphs(), st.lists(st.integers(0, 300), min_size=7, max_size=7))
def test_equals_brute_force_with_extra_bytes(graph: Graph, values: list[int]) -> None:
    extra = dict(zip(graph.ops, values, strict=False))
    found = schedule(graph, extra_bytes=extra.__getitem__)
    assert peak(found, extra) == min(peak(other, extra) for other in orders(graph))


@given(graphs())
def test_states_keep_their_order(graph: Graph) -> None:
    found = schedule(graph)
    for state in graph.variables():
        users = [op for op in graph.ops if state.name in op.states]
        assert [op for op in found.ops if state.name in op.states] == users


@settings(max_examples=40)
@given(graphs(most=30))
def test_beam_is_never_worse(graph: Graph) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduling, "_EXACT_MOVES", 3)
        patch.setattr(scheduling, "_BEAM_MOVES", 1)
        patch.setattr(scheduling, "_LEAST_WIDTH", 2)
        found = schedule(graph)
    assert is_valid(found) and len(found.ops) == len(graph.ops)
    assert found is graph or peak(found) < peak(graph)
    assert peak(schedule(graph)) <= peak(found)


def test_outside_tensors_cost_nothing() -> None:
    """Of two branches, the one that makes the outside tensor may come first at no cost."""
    ops = [node("a", "in0"), node("b", "in0"), node("c", "a"), node("d", "b"), node("e", "c d")]
    sizes = {"in0": 16, "a": 16, "b": 800, "c": 800, "d": 16, "e": 16}
    graph = network(sizes, ops, "in0", "e")
    assert schedule(graph) is not graph
    assert schedule(graph, outside=("b",)) is graph


def branches(count: int, length: int, seed: int = 1) -> Graph:
    """Parallel chains between a fork and a join, breadth first, as converters like to write them."""
    chance = random.Random(seed)
    sizes = {"in0": 64, "out": 16}
    ops: list[Op] = []
    for k in range(length):
        for c in range(count):
            sizes[f"t{c}_{k}"] = chance.randrange(1, 60) * 16
            ops.append(node(f"t{c}_{k}", f"t{c}_{k - 1}" if k else "in0"))
    ops.append(node("out", " ".join(f"t{c}_{length - 1}" for c in range(count))))
    return network(sizes, ops, "in0", "out")


@pytest.mark.parametrize(("count", "length"), [(3, 3), (2, 6)])
def test_parallel_branches_equal_brute_force(count: int, length: int) -> None:
    for seed in range(3):
        graph = branches(count, length, seed)
        assert peak(schedule(graph)) == min(map(peak, orders(graph)))


@pytest.mark.parametrize(("count", "length"), [(4, 30), (10, 5), (30, 10)])
def test_large_graphs_take_no_time(count: int, length: int) -> None:
    graph = branches(count, length)
    start = time.process_time()
    found = schedule(graph)
    assert time.process_time() - start < 4
    assert is_valid(found) and peak(found) < peak(graph)


def test_only_the_part_that_matters_is_reordered() -> None:
    """Two blocks in a row: the one whose order does not decide the peak stays, though it could be better."""
    small = {"in0": 16, "a": 16, "b": 320, "c": 320, "d": 16, "e": 16}
    large = {name + "2": size * 10 for name, size in small.items() if name != "in0"}
    ops = [node("a", "in0"), node("b", "in0"), node("c", "a"), node("d", "b"), node("e", "c d")]
    more = [
        node(op.outputs[0] + "2", " ".join("e" if n == "in0" else n + "2" for n in op.inputs)) for op in ops
    ]
    graph = network(small | large, ops + more, "in0", "e2")
    found = schedule(graph)
    assert peak(found) < peak(graph)
    assert found.ops[:5] == graph.ops[:5]


def test_no_operators() -> None:
    graph = network({"in0": 16}, [], "in0", "in0")
    assert schedule(graph) is graph


def test_zoo_models(zoo: Zoo) -> None:
    """All models that can be read: valid, never worse, and in well under a second."""
    for entry in (*zoo.entries(), *zoo.entries("onnx")):
        try:
            data, model_format = frontends.read_model(entry.path)
            graph = frontends.import_model(data, model_format, entry.path.stem, {}).graph
            graph = passes.run_passes(graph, (passes.remove_dead, passes.fold_constants, passes.remove_dead))
        except McugenError:
            continue
        start = time.process_time()
        found = schedule(graph)
        assert time.process_time() - start < 1, entry.path.name
        assert is_valid(found.replace(inputs=(*found.inputs, *(t.name for t in found.constants()), "")))
        assert found is graph or peak(found) < peak(graph)
