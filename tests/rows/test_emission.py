"""C of operators computed by rows: constants that differ by rows, offsets in loops."""

from __future__ import annotations

import re
from random import Random

import numpy as np
import pytest

from mcugen.boards import load_board
from mcugen.compiled import Compiled
from mcugen.emit.model import model_files
from mcugen.interp import Interpreter
from mcugen.ir import Graph
from mcugen.lowering import Program, Rules
from mcugen.memory.liveness import plan_memory
from mcugen.ops import Concat, Conv2D
from mcugen.rows.order import works_by_rows
from tests.passes.integer_graphs import UNIT, Net, noise
from tests.rows import simulated
from tests.rows.drawn import Piece, divided, graph_of, pieces_of
from tests.rows.test_layout import SEEDS, Drawn

BOARD = load_board("mps2-an386")


def compiled(graph: Graph, pieces: list[Piece]) -> Compiled:
    program = divided(graph, pieces, Rules(BOARD.instruction_class))
    return Compiled("rows", "rows.tflite", b"", BOARD, program, plan_memory(program))


def arrays_in(text: str) -> set[bytes]:
    """The contents of the arrays of a weights file."""
    text = text.replace("INT32_MIN", str(-(2**31)))
    bodies = re.findall(r"const \w+ \w+\[\d+\] = \{(.*?)\};", text, re.DOTALL)
    return {np.array(re.findall(r"-?\d+", body), np.int64).tobytes() for body in bodies}


def constants_of(program: Program) -> set[bytes]:
    """The contents of all constants of the calls."""
    return {
        constant.data.astype(np.int64).tobytes()
        for call in program.calls
        for constant in call.constants
        if constant.data.dtype.kind in "iu"
    }


# In the last ones an operator has different weights for different rows.
@pytest.mark.parametrize("seed", [0, 1, 2, 5, 9, 14, 22, 33, 170])
def test_every_constant_is_in_the_file(seed: int) -> None:
    """Kernels for few rows may have weights of their own layout; none takes the place of another."""
    graph = graph_of(SEEDS[3000 + seed], most=10)
    made = compiled(graph, pieces_of(graph, Random(f"emission {seed}")))
    text = model_files(made)["src/rows_weights.c"]
    assert constants_of(made.program) <= arrays_in(text)


def concat_with_a_constant() -> Graph:
    net = Net((1, 6, 3, 2))
    y = net.conv("x", noise(2, 3, 3, 2), [0, 0], padding=(1, 1, 1, 1))
    y = net.add(Concat, y, net.const(noise(1, 6, 3, 2).astype(np.int8), UNIT), axis=3)
    return net.graph(net.conv(y, noise(3, 1, 1, 4), [0, 0, 0]))


def test_constants_of_several_rows_are_not_read_by_rows() -> None:
    graph = concat_with_a_constant()
    assert [works_by_rows(op, graph.tensors) for op in graph.ops] == [True, False, True]


def test_windows_that_may_see_only_padding_do_not_work_by_rows() -> None:
    net = Net((1, 6, 3, 2))
    net.conv("x", noise(2, 2, 2, 2), [0, 0], padding=(2, 0, 0, 0))
    net.conv("x", noise(2, 2, 2, 2), [0, 0], padding=(1, 1, 0, 0))
    graph = net.graph("t0", "t1")
    assert [works_by_rows(op, graph.tensors) for op in graph.ops] == [False, True]
    assert all(isinstance(op, Conv2D) for op in graph.ops)


def test_rows_that_a_run_does_not_read_are_kept_for_later_steps() -> None:
    """The first layer leaves out the last row of what the second reads; its working memory must not lie there."""
    net = Net((1, 6, 4, 16))
    y = net.conv("x", noise(16, 1, 1, 16), [0] * 16)
    a = net.conv(y, noise(4, 3, 2, 16), [0] * 4, stride=(3, 2), dilation=(2, 1))
    b = net.conv(a, noise(2, 1, 1, 4), [0] * 2)
    c = net.conv(y, noise(8, 1, 1, 16), [0] * 8)
    graph = net.graph(b, c)
    pieces = [Piece(0, 1), Piece(1, 3, 1), Piece(3, 4, 2)]
    drawn = Drawn.__new__(Drawn)
    drawn.graph, drawn.pieces = graph, pieces
    for instruction_class in ("scalar", "v6m", "v7m", "dsp", "mve"):
        program = divided(graph, pieces, Rules(instruction_class))
        layouts = {}
        for k, piece in enumerate(pieces):
            if piece.unit:
                run, _, layout = drawn.layout(piece)
                layouts[k] = run, layout
        assert y in layouts[1][1].blocks
        read = {block.high for block in layouts[1][1].blocks[y]}
        assert max(read) == graph.tensors[y].bytes
        inputs = simulated.random_input(graph, Random(1))
        simulated.run_program(program, plan_memory(program), layouts, inputs, Interpreter(graph).run(inputs))
