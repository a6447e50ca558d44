"""Firmware of random graphs divided at random into steps by rows, under the emulator: bit for bit the interpreter's.

MCUGEN_SEED: where the seeds start. The unused bytes of the arena are filled, see tests/support/guarded.py.
"""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from mcugen import toolchain
from mcugen.boards import load_board
from mcugen.compiled import Compiled
from mcugen.errors import ToolError
from mcugen.lowering import Rules
from mcugen.memory.liveness import plan_memory
from tests.rows.drawn import divided, graph_of, pieces_of
from tests.rows.simulated import random_input
from tests.rows.test_layout import SEEDS, SOAK_SECONDS
from tests.support import guarded

BOARDS = ("mps2-an386", "mps3-an547", "mps2-m0", "mps2-an385")


@pytest.fixture(scope="module", autouse=True)
def _needs_tools() -> None:
    try:
        toolchain.find_toolchain()
    except ToolError as error:
        pytest.skip(error.message)


def check(seed: int, board_name: str, folder: Path) -> None:
    r, board = Random(f"rows firmware {seed}"), load_board(board_name)
    graph = graph_of(seed, most=24)
    rules = Rules(board.instruction_class, optimize=r.choice(("ram", "ram", "size", "speed")))
    program = divided(graph, pieces_of(graph, r), rules)
    compiled = Compiled("rows", "rows.tflite", b"rows", board, program, plan_memory(program))
    folder.mkdir(exist_ok=True)
    cases = [random_input(graph, r) for _ in range(2)]
    guarded.assert_exact(compiled, guarded.build(compiled, folder), cases)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("board", BOARDS)
def test_random_divisions(board: str, number: int, tmp_path: Path) -> None:
    check(SEEDS[2000 + 10 * number + BOARDS.index(board)], board, tmp_path)


@pytest.mark.soak
def test_random_divisions_for_long(tmp_path: Path) -> None:
    end, seed = time.monotonic() + SOAK_SECONDS, int(time.time()) * 1000
    while time.monotonic() < end:
        for board in BOARDS:
            check(seed, board, tmp_path / board)
            seed += 1
