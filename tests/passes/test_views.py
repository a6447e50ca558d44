"""Parts of tensors that lie in one piece are read and made in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcugen import ops, toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for
from mcugen.emit.project import library_files, write_files
from mcugen.errors import ToolError
from mcugen.firmware import build_runner, run_cases
from mcugen.interp import Interpreter
from mcugen.ir import Graph
from mcugen.manifest import manifest_of
from mcugen.memory.views import Place, places
from mcugen.passes.views import join_in_place, view_slices
from tests.passes.integer_graphs import Net, inputs_for, kinds, noise, rewrite
from tests.support.compare import assert_equal_bytes


def two_halves() -> Graph:
    """The rows of an image go two ways and come together again."""
    net = Net((1, 8, 6, 4))
    whole = net.conv("x", noise(4, 3, 3, 4), padding=(1, 1, 1, 1))
    top, bottom = net.add_many(ops.Split, 2, whole, axis=1, sizes=(3, 5))
    a = net.conv(top, noise(4, 1, 1, 4, seed=1))
    b = net.conv(bottom, noise(4, 1, 1, 4, seed=2))
    joined = net.add(ops.Concat, a, b, axis=1)
    return net.graph(net.conv(joined, noise(2, 3, 3, 4)))


def sliced(begin: tuple[int, ...], size: tuple[int, ...], step: tuple[int, ...] = (1, 1, 1, 1)) -> Graph:
    net = Net((1, 8, 6, 4))
    x = net.conv("x", noise(4, 1, 1, 4))
    part = net.add(ops.StridedSlice, x, begin=begin, size=size, step=step)
    return net.graph(net.conv(part, noise(3, 1, 1, size[3])))


def test_rows_are_read_and_made_in_place() -> None:
    after = rewrite(rewrite(two_halves(), view_slices), join_in_place)
    assert kinds(after) == ["Conv2D", "View", "View", "Conv2D", "Conv2D", "Join", "Conv2D"]
    found = places(after)
    (whole,), (top,), (bottom,), (a,), (b,), (joined,), _ = (op.outputs for op in after.ops)
    assert found[top] == Place(whole, 0, False)
    assert found[bottom] == Place(whole, 3 * 24, False)
    assert found[a] == Place(joined, 0, False)
    assert found[b] == Place(joined, 3 * 24, False)
    assert found[joined] == Place(joined, 0, True)


@pytest.mark.parametrize(
    ("begin", "size", "first"),
    [((0, 2, 0, 0), (1, 4, 6, 4), 48), ((0, 5, 0, 0), (1, 1, 6, 4), 120), ((0, 3, 2, 0), (1, 1, 3, 4), 80)],
)
def test_slices_in_one_piece(begin: tuple[int, ...], size: tuple[int, ...], first: int) -> None:
    after = rewrite(sliced(begin, size), view_slices)
    (view,) = (op for op in after.ops if isinstance(op, ops.View))
    assert view.first == first


@pytest.mark.parametrize(
    ("begin", "size", "step"),
    [
        ((0, 0, 1, 0), (1, 8, 2, 4), (1, 1, 1, 1)),
        ((0, 0, 0, 1), (1, 1, 6, 2), (1, 1, 1, 1)),
        ((0, 7, 0, 0), (1, 4, 6, 4), (1, -2, 1, 1)),
    ],
)
def test_other_slices_are_copied(
    begin: tuple[int, ...], size: tuple[int, ...], step: tuple[int, ...]
) -> None:
    assert "View" not in kinds(rewrite(sliced(begin, size, step), view_slices))


def test_channels_and_what_others_read_are_copied() -> None:
    net = Net((1, 4, 4, 4))
    a, b = net.conv("x", noise(4, 1, 1, 4)), net.conv("x", noise(4, 1, 1, 4, seed=1))
    by_channel = net.add(ops.Concat, a, b, axis=3)
    by_row = net.add(ops.Concat, a, b, axis=1)
    with_input = net.add(ops.Concat, b, "x", axis=1)
    twice = net.conv("x", noise(4, 1, 1, 4, seed=2))
    doubled = net.add(ops.Concat, twice, twice, axis=1)
    graph = net.graph(by_channel, by_row, with_input, doubled)
    assert "Join" not in kinds(rewrite(graph, join_in_place))


def test_what_the_caller_sees_has_memory_of_its_own() -> None:
    net = Net((1, 4, 4, 4))
    top, bottom = net.add_many(ops.Split, 2, net.conv("x", noise(4, 1, 1, 4)), axis=1, sizes=(2, 2))
    assert "View" not in kinds(rewrite(net.graph(top, bottom), view_slices))


@pytest.mark.parametrize("io_in_arena", [True, False])
@pytest.mark.parametrize("board", ["mps2-m0", "mps2-an386", "mps3-an547"])
def test_on_the_processor(board: str, io_in_arena: bool, tmp_path: Path) -> None:
    try:
        toolchain.find_toolchain()
    except ToolError as error:
        pytest.skip(error.message)
    options = CompileOptions(io_in_arena=io_in_arena)
    target = load_board(board)
    compiled = compile_for(Quantized(two_halves(), b"views", "tflite", ()), "views.tflite", target, options)
    assert {"View", "Join"} & set(kinds(compiled.graph))
    saved = {s.name: s.copied_bytes for s in compiled.savings}
    assert saved.get("view_slices", 0) + saved.get("join_in_place", 0) > 0
    manifest, project = manifest_of(compiled, "library"), tmp_path / "project"
    write_files(library_files(compiled), project)
    elf = build_runner(project, manifest, target, tmp_path / "runner.elf", hooks=True)
    cases = inputs_for(compiled.graph)
    result = run_cases(elf, manifest, target, cases, trace=True)
    for case, outputs, trace in zip(cases, result.outputs, result.trace, strict=True):
        wanted = Interpreter(two_halves()).run(case)
        for name in (y.name for layer in manifest.layers for y in layer.outputs):
            assert_equal_bytes(trace[name], wanted[name], f"'{name}'")
        for name in compiled.graph.outputs:
            assert_equal_bytes(outputs[name], wanted[name], f"output '{name}'")
