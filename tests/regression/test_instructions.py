"""No model takes more than 1 % more instructions than the figures committed in instructions.json."""

from __future__ import annotations

import pytest

from mcugen import emulator, toolchain
from mcugen.errors import ToolError
from tests.regression.figures import BOARDS, DIGITS, MODELS, committed, measured, model_path

ALLOWED_GROWTH = 0.01
ACCEPT = "python tools/accept_instructions.py"


@pytest.fixture(scope="module", autouse=True)
def _needs_tools() -> None:
    try:
        toolchain.find_toolchain()
        emulator.find_qemu()
    except ToolError as error:
        pytest.skip(error.message)


@pytest.mark.parametrize("model", [DIGITS, *MODELS])
@pytest.mark.parametrize("board", BOARDS)
def test_instructions_do_not_grow(model: str, board: str) -> None:
    if model_path(model) is None:
        pytest.skip("the model zoo is not here: set MCUGEN_ZOO")
    allowed = committed().get(model, {}).get(board)
    assert allowed is not None, f"no figure for {model} on {board}: {ACCEPT} --model {model}"
    found = measured(model, board)
    assert found <= allowed * (1 + ALLOWED_GROWTH), (
        f"{model} on {board} takes {found:,} instructions, {found / allowed - 1:+.1%} of the {allowed:,} committed; "
        f"if that is meant: {ACCEPT} --model {model} --board {board}"
    )
