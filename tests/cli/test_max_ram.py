"""--max-ram from the command line, and what is said when a board is too small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcugen.cli.options import byte_count
from mcugen.errors import InputError
from tests.cli.test_cli import CALIBRATION, MODEL, ROOT, Run, fails, mcugen

__all__ = ["mcugen"]  # a fixture

ON_M4 = ("-b", "mps2-an386", "--calibration", CALIBRATION)


@pytest.mark.parametrize(
    ("value", "count"),
    [("20000", 20000), ("20K", 20480), ("20k", 20480), ("1M", 1 << 20), ("0x5000", 20480), ("0X10", 16)],
)
def test_numbers_of_bytes(value: str, count: int) -> None:
    assert byte_count("--max-ram", value) == count


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5K", "20KB", "x", "0x", "K"])
def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(InputError) as caught:
        byte_count("--max-ram", value)
    assert caught.value.where == "--max-ram"


def _arena(mcugen: Run, *arguments: object) -> int:
    result = mcugen("plan", MODEL, *ON_M4, *arguments, "--json")
    assert result.returncode == 0, result.stderr
    return int(json.loads(result.stdout)["arena_bytes"])


def test_room_enough_buys_speed(mcugen: Run) -> None:
    result = mcugen("build", MODEL, *ON_M4, "--max-ram", "1M", "--no-compile", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["optimize"] in ("speed", "balanced")
    assert [n for n in report["notes"] if n.startswith("--max-ram 1,048,576: ")]


def test_the_smallest_arena_fits_and_one_byte_less_does_not(mcugen: Run) -> None:
    result = mcugen("plan", MODEL, *ON_M4, "--max-ram", "16")
    fails(result, 4, "the smallest arena found is", "--max-ram allows 16", "holds it", "hint: --max-ram ")
    least = int(result.stderr.split("hint: --max-ram ")[1].split(",")[0])
    assert _arena(mcugen, "--max-ram", least) <= least
    fails(mcugen("build", MODEL, *ON_M4, "--max-ram", least - 1), 4, "digits.onnx: the smallest arena found")


def test_the_level_given_is_kept(mcugen: Run, tmp_path: Path) -> None:
    usual = _arena(mcugen, "--optimize", "size")
    result = mcugen(
        "build", MODEL, *ON_M4, "--optimize", "size", "--max-ram", usual, "-o", "p", "--no-compile", "-q"
    )
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "p" / "mcugen.json").read_text())["optimize"] == "size"


@pytest.mark.parametrize("command", ["verify", "bench", "explain"])
def test_commands_obey_it(mcugen: Run, command: str) -> None:
    more = ("--no-measure",) if command == "explain" else ()
    fails(mcugen(command, MODEL, *ON_M4, "--max-ram", "16", *more), 4, "the smallest arena found is")


def test_a_board_that_is_too_small_hears_of_rows(mcugen: Run, tmp_path: Path) -> None:
    board = (ROOT / "boards" / "microbit.toml").read_text()
    board = board.replace('name = "microbit"', 'name = "tiny"').replace('size = "16K"', 'size = "4K"')
    (tmp_path / "tiny.toml").write_text(board)
    on_tiny = ("--board", "tiny.toml", "--calibration", CALIBRATION)
    fails(
        mcugen("build", MODEL, *on_tiny),
        4,
        "the arena needs",
        "row by row (--optimize ram) it would still need",
    )
    result = mcugen("build", MODEL, *on_tiny, "--optimize", "ram")
    fails(result, 4, "the arena needs")
    assert "--optimize ram" not in result.stderr
