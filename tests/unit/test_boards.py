"""Every shipped board loads and links; board files with mistakes are refused with the place and the need."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcugen.boards import CORES, Board, board_names, load_board
from mcugen.errors import BoardError
from mcugen.resources import resource_dir
from mcugen.toolchain import CompileOptions, build_firmware, section_sizes, symbol_sizes

REQUIRED = {
    "nrf52",
    "nrf52833",
    "nrf5340",
    "stm32f407-discovery",
    "nucleo-f411re",
    "nucleo-l4r5zi",
    "stm32f746g-disco",
    "nucleo-h743zi",
    "rp2040",
    "rp2350",
    "bluepill",
    "microbit",
    "corstone-300",
    "mps2-an385",
    "mps2-an386",
    "mps2-an500",
    "mps2-an505",
    "mps3-an547",
    "mps2-m0",
}

PROGRAM = """
#include "mcugen_rt.h"
__attribute__((section(".arena"))) static volatile uint8_t arena[1024];
__attribute__((section(".rodata.mcugen_weights"))) static const volatile uint8_t weights[2048] = {1};
int main(void)
{
    arena[0] = weights[0];
    mcugen_rt_print_u32(arena[0]);
    return 0;
}
"""

NRF52 = (resource_dir("boards") / "nrf52.toml").read_text()


@pytest.mark.parametrize("name", board_names())
def test_board_loads_and_links(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    source = tmp_path / "main.c"
    source.write_text(PROGRAM)
    for memory_map in {board.name: board, board.twin().name: board.twin()}.values():
        options = CompileOptions(extra=("-Wall", "-Wextra", "-Werror"))
        elf = build_firmware(board, [source], tmp_path / "main.elf", options, memory_map=memory_map)
        sizes = section_sizes(elf)
        assert (sizes.arena, sizes.weights, sizes.stack) == (1024, 2048, memory_map.layout.stack_bytes)
        assert 500 < sizes.code < 4000
        assert {"arena", "weights", "vectors"} <= {symbol.name for symbol in symbol_sizes(elf)}


def test_all_required_boards_are_there() -> None:
    assert set(board_names()) >= REQUIRED


@pytest.mark.parametrize("name", board_names())
def test_twins_have_a_machine_and_the_same_instruction_class(name: str) -> None:
    board = load_board(name)
    assert board.twin().emulator is not None
    assert board.twin().instruction_class == board.instruction_class
    assert board.emulator is not None or board.flash_command


def test_derived_figures() -> None:
    board = load_board("nucleo-h743zi")
    assert board.flash_bytes == 2 * 1024**2
    assert board.ram_bytes == (64 + 128 + 512 + 64) * 1024
    assert board.arena_bytes == 512 * 1024
    assert load_board("nrf52").arena_bytes == 256 * 1024 - 4096
    assert load_board("corstone-300").flash_bytes == (512 + 16 * 1024) * 1024


def test_arenas() -> None:
    board = load_board("stm32f746g-disco")
    assert load_board("nrf52").arenas == ("ram",)
    assert board.arenas == ("dtcm", "sram1", "sram2")
    assert board.room("sram2") == 16 * 1024 - 256
    assert board.room("dtcm") == 64 * 1024 - board.layout.stack_bytes - 4096 - 256
    for name in ("stm32f746g-disco", "nucleo-h743zi", "corstone-300"):
        board = load_board(name)
        assert board.layout.arena in board.arenas and len(board.arenas) > 2
        assert len({board.memory(arena).wait_states for arena in board.arenas}) > 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["dtcm", ', '["sdram", "dtcm", ', "'sdram' needs setup first, so that it is used by name only"),
        ('["dtcm", ', '["itcm", "dtcm", ', "'itcm' starts at address 0, which C takes for no address"),
        ('"sram1", "sram2"]', '"sram2"]', "needs 'sram1', the arena's memory, too"),
    ],
)
def test_arenas_that_cannot_be(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = (resource_dir("boards") / "stm32f746g-disco.toml").read_text()
    assert old in text
    path = tmp_path / "stm32f746g-disco.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BoardError) as caught:
        load_board(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nrf52", "dsp"),
        ("bluepill", "v7m"),
        ("rp2040", "v6m"),
        ("rp2350", "dsp"),
        ("corstone-300", "mve"),
    ],
)
def test_instruction_class(name: str, expected: str) -> None:
    assert load_board(name).instruction_class == expected


def test_unknown_board_offers_close_names() -> None:
    with pytest.raises(BoardError) as caught:
        load_board("nrf5284")
    assert "unknown board 'nrf5284'" in str(caught.value)
    assert "nrf52" in caught.value.hint.partition("known:")[0]
    with pytest.raises(BoardError) as caught:
        load_board("zzz")
    assert "did you mean" not in caught.value.hint


def load_changed(folder: Path, old: str, new: str) -> Board:
    """A user's copy of nrf52.toml with one change."""
    assert old in NRF52
    path = folder / "nrf52.toml"
    path.write_text(NRF52.replace(old, new, 1))
    return load_board(path)


def test_a_users_board_file(tmp_path: Path) -> None:
    board = load_changed(tmp_path, 'size = "256K"', "size = 100_000")
    assert board.ram_bytes == 100_000
    assert board.twin().name == "mps2-an386"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[features]", "[features", "not valid TOML"),
        ('name = "nrf52"', 'name = "other"', "name: is 'other'; it needs to be 'nrf52'"),
        ('core = "cortex-m4"', 'core = "cortex-a9"', "core: is 'cortex-a9'; it needs one of cortex-m0"),
        ('core = "cortex-m4"', "", "core: is missing; it needs one of"),
        ('core = "cortex-m4"', "core = 4", "core: is 4; it needs one of"),
        ('core = "cortex-m4"', 'core = "cortex-m4"\ncolour = 1', "colour: is not a field"),
        ('fpu = "sp"', 'fpu = "dp"', r"[features] fpu: is 'dp'; it needs one of none, sp"),
        ("dsp = true", "dsp = false", "[features] dsp: is false; this core always has true"),
        ("dsp = true", "dsp = 1", "[features] dsp: is 1; it needs true or false"),
        ('mve = "none"', 'mve = "int"', "[features] mve: is 'int'"),
        (
            'arena = "ram"',
            'arena = "flash"',
            "[layout] arena: is 'flash'; it needs the name of a ram region: ram",
        ),
        ('code = "flash"', 'code = "rom"', "[layout] code: is 'rom'; it needs the name of a flash region"),
        ("stack_bytes = 4096", "stack_bytes = 4095", "[layout] stack_bytes"),
        (
            'arena = "ram"',
            'arena = "ram"\narenas = "ram"',
            "[layout] arenas: is 'ram'; it needs a list of names",
        ),
        ('arena = "ram"', 'arena = "ram"\narenas = [1]', "[layout] arenas: is [1]; it needs a list of names"),
        ('arena = "ram"', 'arena = "ram"\narenas = ["ram", "ram"]', "[layout] arenas: has a name twice"),
        (
            'arena = "ram"',
            'arena = "ram"\narenas = ["ram", "ccm"]',
            "[layout] arenas: 'ccm' is not a memory of the board; usable are ram",
        ),
        ('arena = "ram"', 'arena = "ram"\narenas = ["flash"]', "[layout] arenas: 'flash' is not a RAM"),
        ('size = "256K"', 'size = "256K"\nsetup = 1', "[[memory]] #2 setup: is 1; it needs a string"),
        ("stack_bytes = 4096", "stack_bytes = 1048576", "[layout] stack_bytes"),
        ('name = "ram"', 'name = "RAM 1"', "[[memory]] #2 name: is 'RAM 1'"),
        ('name = "ram"', 'name = "flash"', "a name of its own"),
        ('kind = "ram"', 'kind = "rom"', "[[memory]] #2 kind: is 'rom'; it needs one of flash, ram"),
        ('size = "256K"', 'size = "256 KB"', "[[memory]] #2 size: needs bytes, or a string like"),
        ('size = "256K"', "size = 0", "[[memory]] #2 size: is 0"),
        ('size = "256K"', "size = true", "[[memory]] #2 size: is True"),
        ('size = "256K"', 'size = "8192M"', "[[memory]] #2 size: is 8589934592"),
        ("origin = 0x2000_0000", "origin = -1", "[[memory]] #2 origin: is -1"),
        ("origin = 0x2000_0000", "origin = 0x2000_0004", "aligned to 16"),
        ("origin = 0x2000_0000", "origin = 0xFFFF_0000", "within 2^32"),
        ("origin = 0x2000_0000", "origin = 0x0008_0000", "'flash' and 'ram' overlap"),
        ('twin = "mps2-an386"', 'twin = "mps2"', "[emulator] twin: 'mps2' is not a board"),
        ('twin = "mps2-an386"', 'twin = "nrf52833"', "'nrf52833' has no machine of its own"),
        ('twin = "mps2-an386"', 'twin = "nrf52"', "'nrf52' has no machine of its own"),
        ('twin = "mps2-an386"', 'twin = "mps2-an385"', "lacks instructions"),
        ('twin = "mps2-an386"', 'machine = "x"', "[emulator] cpu: is missing"),
    ],
)
def test_mistakes_are_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BoardError) as caught:
        load_changed(tmp_path, old, new)
    assert message in caught.value.message
    assert caught.value.where.endswith("nrf52.toml")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="No such file"):
        load_board(tmp_path / "absent.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BoardError, match="not valid TOML"):
        load_board(str(tmp_path / "bytes.toml"))


def test_every_core_allows_its_own_features() -> None:
    for core in CORES.values():
        assert "none" in core.fpu
        assert "none" in core.mve
