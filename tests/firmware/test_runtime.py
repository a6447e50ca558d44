"""The runtime, run on every emulated board under QEMU."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcugen.boards import Board, board_names, load_board
from mcugen.emulator import EmulatorResult, qemu_command, run
from mcugen.errors import ToolError
from mcugen.toolchain import CompileOptions, build_firmware, section_sizes

PROGRAMS = Path(__file__).parent / "programs"
EMULATED = [board for board in map(load_board, board_names()) if board.emulator is not None]
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")

every_board = pytest.mark.parametrize("board", EMULATED, ids=lambda board: board.name)


def build(board: Board, program: str, folder: Path, *defines: str, runtime: tuple[str, ...] = ()) -> Path:
    options = CompileOptions(defines=defines, extra=STRICT)
    return build_firmware(
        board,
        [PROGRAMS / f"{program}.c"],
        folder / f"{program}.elf",
        options,
        memory_map=board.twin(),
        runtime_defines=runtime,
    )


def execute(
    board: Board, program: str, folder: Path, *defines: str, runtime: tuple[str, ...] = ()
) -> EmulatorResult:
    return run(build(board, program, folder, *defines, runtime=runtime), board, folder, 30, check=False)


@every_board
def test_prints_initializes_copies_files_and_returns_a_code(board: Board, tmp_path: Path) -> None:
    data = bytes(range(256))
    (tmp_path / "in.bin").write_bytes(data)
    result = execute(board, "basics", tmp_path)
    assert result.stdout.splitlines() == [
        "0 4294967295 -2147483648 -1 18446744073709551615 0x00c0ffee",
        "356 0",
        "256 256 0 256 0 -1",
    ]
    assert result.exit_code == 7
    assert (tmp_path / "out.bin").read_bytes() == bytes(255 - byte for byte in data)


def test_a_board_with_a_twin_runs_on_it(tmp_path: Path) -> None:
    (tmp_path / "in.bin").write_bytes(b"x")
    assert execute(load_board("nrf5340"), "basics", tmp_path).exit_code == 7


# ---- the instruction counter ---------------------------------------------------------------------------

ITERATIONS = 1_000_000


def loop_ticks(board: Board, folder: Path, reload: int = 0xFFFFFF) -> int:
    """Ticks of a loop of 2 * ITERATIONS instructions, less those of an empty measurement."""
    defines = (f"ITERATIONS={ITERATIONS}U",)
    result = execute(board, "counter", folder, *defines, runtime=(f"MCUGEN_RT_SYSTICK_RELOAD={reload}U",))
    assert result.exit_code == 0, result.stdout
    empty, loop = map(int, result.stdout.split())
    return loop - empty


@every_board
def test_counts_instructions_exactly_and_repeatably(board: Board, tmp_path: Path) -> None:
    assert board.emulator is not None
    ticks = loop_ticks(board, tmp_path)
    # four readings of the counter, each cut to a whole tick: two differences, each wrong by less than one
    assert abs(ticks - 2 * ITERATIONS / board.emulator.instructions_per_tick) < 2
    assert loop_ticks(board, tmp_path) == ticks


@every_board
def test_counter_survives_wraps(board: Board, tmp_path: Path) -> None:
    assert board.emulator is not None
    reload = 999
    long_period, short_period = loop_ticks(board, tmp_path), loop_ticks(board, tmp_path, reload)
    # a lost or doubled wrap would be 1000 ticks; the handler of each wrap is five instructions
    handlers = (long_period // (reload + 1)) * 5 / board.emulator.instructions_per_tick
    assert abs(short_period - long_period - handlers) < 2


@every_board
def test_counter_never_goes_back(board: Board, tmp_path: Path) -> None:
    assert execute(board, "monotonic", tmp_path, runtime=("MCUGEN_RT_SYSTICK_RELOAD=251U",)).exit_code == 0


# ---- faults and the stack ------------------------------------------------------------------------------


@every_board
@pytest.mark.parametrize("fault", ["UNDEFINED", "NOWHERE"])
def test_fault_is_reported(board: Board, fault: str, tmp_path: Path) -> None:
    result = execute(board, "fault", tmp_path, f"FAULT={fault}")
    assert result.exit_code == 125
    assert result.stdout.startswith("before\n\nmcugen: HardFault\n  r0=0x")
    assert "after" not in result.stdout
    if fault == "UNDEFINED":
        assert "r2=0x1234abcd" in result.stdout
    if board.instruction_class != "v6m":
        # UNDEFINSTR; PRECISERR and BFARVALID
        status = {"UNDEFINED": "cfsr=0x00010000", "NOWHERE": "cfsr=0x00008200"}[fault]
        assert status in result.stdout


@every_board
def test_only_armv6m_faults_on_unaligned_loads(board: Board, tmp_path: Path) -> None:
    exit_code = execute(board, "fault", tmp_path, "FAULT=UNALIGNED").exit_code
    assert exit_code == (125 if board.core == "cortex-m0" else 0)


@every_board
def test_stack_high_water_mark(board: Board, tmp_path: Path) -> None:
    result = execute(board, "stack", tmp_path)
    two, one, size = map(int, result.stdout.split())
    # a frame is 512 bytes and at most eight saved registers with padding
    assert 512 <= one <= 512 + 40
    assert one + 512 <= two <= 2 * (512 + 40)
    assert size == board.layout.stack_bytes


@every_board
def test_stack_overflow_is_reported(board: Board, tmp_path: Path) -> None:
    result = execute(board, "stack", tmp_path, "OVERFLOW")
    assert result.exit_code == 124
    assert result.stdout.endswith("mcugen: stack overflow\n")


# ---- units and memories --------------------------------------------------------------------------------


@every_board
def test_units_work(board: Board, tmp_path: Path) -> None:
    result = execute(board, "vector_units", tmp_path)
    expected = ["single 225", "double 3999999999"]
    expected += ["fpu 1"] if board.features.fpu != "none" else []
    expected += ["dsp 30"] if board.features.dsp else []
    expected += ["mve 240", "mve float 6"] if board.features.mve == "float" else []
    assert result.stdout.splitlines() == expected


@every_board
def test_large_arenas_and_weights(board: Board, tmp_path: Path) -> None:
    arena = min(board.arena_bytes - 1024, 2**20)
    weights = min(board.flash_bytes - 16 * 1024, 900_000)
    region = [memory.name for memory in board.memories if memory.kind == "ram"][-1]
    defines = (f"ARENA_BYTES={arena}U", f"WEIGHT_BYTES={weights}U", f'NAMED_REGION="{region}"')
    result = execute(board, "regions", tmp_path, *defines)
    assert result.stdout == f"{arena} 11 512"
    sizes = section_sizes(tmp_path / "regions.elf")
    assert (sizes.arena, sizes.weights, sizes.regions[region]) == (arena, weights, 256)


# ---- the emulator's own errors -------------------------------------------------------------------------


def test_a_program_that_fails_is_a_tool_error(tmp_path: Path) -> None:
    board = load_board("nrf52")
    elf = build(board, "fault", tmp_path, "FAULT=UNDEFINED")
    with pytest.raises(ToolError, match=r"(?s)exit code 125.*HardFault"):
        run(elf, board, tmp_path)


def test_a_program_that_hangs_is_a_tool_error(tmp_path: Path) -> None:
    board = load_board("mps2-an386")
    source = tmp_path / "hang.c"
    source.write_text(
        '#include "mcugen_rt.h"\nint main(void) { mcugen_rt_print("waiting\\n"); for (;;) { } }\n'
    )
    elf = build_firmware(board, [source], tmp_path / "hang.elf")
    with pytest.raises(ToolError, match=r"(?s)within 0.5 seconds.*waiting"):
        run(elf, board, tmp_path, timeout=0.5)


def test_a_file_that_is_no_program_is_a_tool_error(tmp_path: Path) -> None:
    (tmp_path / "empty.elf").write_bytes(b"not an ELF file")
    with pytest.raises(ToolError, match="not an ELF program"):
        run(tmp_path / "empty.elf", load_board("mps2-an386"), tmp_path)
    with pytest.raises(ToolError, match="cannot read the program"):
        run(tmp_path / "absent.elf", load_board("mps2-an386"), tmp_path)


def test_missing_emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCUGEN_QEMU", str(tmp_path / "absent"))
    board = load_board("mps2-an386")
    assert board.emulator is not None
    with pytest.raises(ToolError) as caught:
        qemu_command(tmp_path / "x.elf", board.emulator)
    assert "apt install qemu-system-arm" in caught.value.hint
