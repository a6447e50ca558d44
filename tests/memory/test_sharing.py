"""Which buffers of a program may overlap: those of a kernel that allows it, when nobody needs the input afterwards."""

from __future__ import annotations

import pytest

from mcugen.ir import Op
from mcugen.lowering import KernelCall, Program, Sharing, Step
from mcugen.memory import plan
from mcugen.memory.liveness import memory_problem
from tests.memory.test_schedule import View, network, node


def program(
    sizes: dict[str, int], ops: dict[str, str], outputs: str, *sharings: Sharing, states: str = ""
) -> Program:
    """ops: inputs by output; every operator is one call with the same sharings, or a view if named so."""
    nodes = [
        View(inputs=(inputs,), outputs=(output,)) if output.startswith("view") else node(output, inputs)
        for output, inputs in ops.items()
    ]
    graph = network(sizes, nodes, "x", outputs, states)
    steps = tuple(_step(op, sharings) for op in graph.ops)
    return Program(graph, steps, "scalar", "native")


def _step(op: Op, sharings: tuple[Sharing, ...]) -> Step:
    if op.is_alias:
        return Step((op,), ())
    own = tuple(s for s in sharings if s.input < len(op.inputs))
    return Step((op,), (KernelCall("k", (), op.inputs, op.outputs),), ("",), (own,))


def allowed(made: Program, overlap: bool = True) -> set[tuple[str, str]]:
    """(output, input) of all pairs that may overlap."""
    return {(o.b, o.a) for o in memory_problem(made, overlap=overlap).overlaps}


SIZES = dict.fromkeys(("x", "a", "b", "c"), 64)


def test_a_chain_needs_the_memory_of_one_tensor() -> None:
    chain = program(SIZES, {"a": "x", "b": "a", "c": "b"}, "c", Sharing(0))
    assert allowed(chain) == {("a", "x"), ("b", "a"), ("c", "b")}
    assert plan(memory_problem(chain)).peak == 64
    assert allowed(chain, overlap=False) == set()
    assert plan(memory_problem(chain, overlap=False)).peak == 128


def test_inputs_that_are_needed_later_are_kept() -> None:
    made = program(SIZES, {"a": "x", "b": "x", "c": "a b"}, "c b", Sharing(0), Sharing(0, input=1))
    assert allowed(made) == {("b", "x"), ("c", "a")}


def test_states_and_the_callers_memory_are_kept() -> None:
    made = program(SIZES, {"b": "a", "c": "x"}, "b c", Sharing(0), states="a")
    assert allowed(made) == {("c", "x")}
    for outside in ("x", "c"):
        assert memory_problem(made, outside=(outside,)).overlaps == ()


def test_a_view_is_its_tensor() -> None:
    sizes = {"x": 64, "a": 64, "view": 64, "b": 64}
    assert allowed(program(sizes, {"a": "x", "view": "a", "b": "view"}, "b", Sharing(0))) == {
        ("a", "x"),
        ("b", "a"),
    }
    assert allowed(program(sizes, {"a": "x", "view": "a", "b": "view"}, "b a", Sharing(0))) == {("a", "x")}


def test_one_tensor_as_both_inputs_is_kept() -> None:
    assert allowed(program(SIZES, {"a": "x x"}, "a", Sharing(0), Sharing(0, input=1))) == set()


@pytest.mark.parametrize(
    ("sharing", "sizes", "expected"),
    [
        (Sharing(5), (64, 64), [(None, -5)]),
        (Sharing(-40, step=8), (64, 32), [(0, 0), (32, 32), (32, 32)]),
        (Sharing(10, step=24), (96, 96), [(-48, -48)]),
    ],
)
def test_places(
    sharing: Sharing, sizes: tuple[int, int], expected: list[tuple[int | None, int | None]]
) -> None:
    """Distances that keep channels apart: multiples of the channels and of the alignment, not below the least."""
    made = program(dict(zip("xa", sizes, strict=True)), {"a": "x"}, "a", sharing)
    found = {(o.low, o.high) for o in memory_problem(made).overlaps}
    assert found == set(expected)
