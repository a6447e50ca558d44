"""Compiling, the object cache, linking and measuring."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mcugen import object_cache
from mcugen.boards import Board, load_board
from mcugen.errors import DoesNotFitError, ToolError
from mcugen.toolchain import (
    CompileOptions,
    build_firmware,
    compile_sources,
    cpu_flags,
    find_toolchain,
    input_sections,
    linker_script,
    section_sizes,
    symbol_sizes,
)

SOURCE = '#include "size.h"\nint table[SIZE];\nint first(void) { return table[0]; }\n'


@pytest.fixture
def board() -> Board:
    return load_board("nrf52")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCUGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_source(folder: Path, size: int = 4) -> tuple[Path, CompileOptions]:
    folder.mkdir(exist_ok=True)
    (folder / "size.h").write_text(f"#define SIZE {size}\n")
    (folder / "code.c").write_text(SOURCE)
    return folder / "code.c", CompileOptions(include_dirs=(folder,))


# ---- finding -------------------------------------------------------------------------------------------


def test_toolchain_can_be_given_as_folder_parent_or_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCUGEN_TOOLCHAIN", raising=False)
    found = find_toolchain()
    assert "gcc" in found.version
    folder = Path(found.gcc).parent
    for setting in (str(folder), str(folder.parent), found.prefix):
        monkeypatch.setenv("MCUGEN_TOOLCHAIN", setting)
        assert find_toolchain() == found


def test_missing_toolchain_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCUGEN_TOOLCHAIN", str(tmp_path))
    with pytest.raises(ToolError, match="MCUGEN_TOOLCHAIN=") as caught:
        find_toolchain()
    assert "apt install gcc-arm-none-eabi" in caught.value.hint
    monkeypatch.delenv("MCUGEN_TOOLCHAIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="on PATH"):
        find_toolchain()


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("microbit", "-mcpu=cortex-m0 -mthumb -mfloat-abi=soft"),
        ("nrf52", "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16"),
        ("stm32f746g-disco", "-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16"),
        ("nucleo-h743zi", "-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-d16"),
        ("rp2350", "-mcpu=cortex-m33 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16"),
        ("corstone-300", "-mcpu=cortex-m55 -mthumb -mfloat-abi=hard -mfpu=auto"),
    ],
)
def test_cpu_flags(name: str, flags: str) -> None:
    assert " ".join(cpu_flags(load_board(name))) == flags


@pytest.mark.parametrize(
    ("name", "fpu", "dsp", "mve", "macros"),
    [
        ("nrf52", "none", True, "none", "defined(__ARM_FEATURE_DSP) && !defined(__ARM_FP)"),
        ("rp2350", "none", False, "none", "!defined(__ARM_FEATURE_DSP) && !defined(__ARM_FP)"),
        ("rp2350", "sp", False, "none", "!defined(__ARM_FEATURE_DSP) && __ARM_FP == 4"),
        ("corstone-300", "dp", True, "none", "!defined(__ARM_FEATURE_MVE) && (__ARM_FP & 8)"),
        ("corstone-300", "dp", True, "int", "__ARM_FEATURE_MVE == 1 && (__ARM_FP & 8)"),
        ("corstone-300", "none", True, "int", "__ARM_FEATURE_MVE == 1"),
        ("corstone-300", "dp", True, "float", "__ARM_FEATURE_MVE == 3"),
    ],
)
def test_optional_units(name: str, fpu: str, dsp: bool, mve: str, macros: str, tmp_path: Path) -> None:
    board = load_board(name)
    board = replace(board, features=replace(board.features, fpu=fpu, dsp=dsp, mve=mve))
    source = tmp_path / "units.c"
    source.write_text(
        f"#if !({macros})\n#error units\n#endif\nint unit;\nint main(void) {{ return unit; }}\n"
    )
    build_firmware(board, [source], tmp_path / "units.elf")


# ---- the cache -----------------------------------------------------------------------------------------


def test_objects_are_reused_whatever_the_folder(board: Board, tmp_path: Path) -> None:
    first, options = write_source(tmp_path / "a")
    (object_file,) = compile_sources(board, [first], options)
    stamp = object_file.stat().st_mtime_ns
    second, options = write_source(tmp_path / "b")
    assert compile_sources(board, [second], options) == [object_file]
    assert object_file.stat().st_mtime_ns == stamp


def test_whatever_changes_the_object_changes_its_key(board: Board, tmp_path: Path) -> None:
    source, options = write_source(tmp_path / "a")
    variants = [
        (board, options),
        (load_board("bluepill"), options),
        (board, replace(options, optimize="-Os")),
        (board, replace(options, defines=("table=chair",))),
        (board, replace(options, extra=("-fno-inline",))),
    ]
    objects = {path for which, how in variants for path in compile_sources(which, [source], how)}
    write_source(tmp_path / "a", size=5)
    objects.update(compile_sources(board, [source], options))
    assert len(objects) == len(variants) + 1


def _compile_all(folder: Path, results: multiprocessing.Queue[list[str]]) -> None:
    sources = sorted(folder.glob("*.c"))
    results.put([str(path) for path in compile_sources(load_board("nrf52"), sources, jobs=1)])


def test_processes_can_share_the_cache(tmp_path: Path, own_cache: Path) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    for i in range(5):
        (folder / f"f{i}.c").write_text(f"int f{i}(void) {{ return {i}; }}\n")
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=_compile_all, args=(folder, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    first, second = results.get(timeout=60), results.get(timeout=60)
    for worker in workers:
        worker.join()
    assert first == second
    assert sorted(map(str, (own_cache / "objects").iterdir())) == sorted(first)


def test_cache_is_bounded(tmp_path: Path) -> None:
    """The oldest go first, those just used stay; sizes are counted, and folders left behind are removed."""
    (tmp_path / "abandoned").mkdir()
    (tmp_path / "abandoned" / "half.o").write_bytes(b"half")
    for i in range(6):
        (tmp_path / f"{i}.o").write_bytes(bytes(100))
        os.utime(tmp_path / f"{i}.o", (1000 + i, 1000 + i))
    os.utime(tmp_path / "abandoned", (1, 1))
    (tmp_path / "running").mkdir()
    assert object_cache.use(tmp_path / "0.o") and not object_cache.use(tmp_path / "6.o")
    assert (tmp_path / "0.o").stat().st_mtime == 1000
    object_cache.prune(tmp_path, limit=350)
    assert {path.name for path in tmp_path.iterdir()} == {"0.o", "4.o", "5.o", "running"}
    object_cache.prune(tmp_path, limit=0)
    assert {path.name for path in tmp_path.iterdir()} == {"0.o", "running"}
    object_cache.prune(tmp_path, limit=0, spared_seconds=-1)
    assert not list(tmp_path.iterdir())


def test_objects_that_were_pruned_are_compiled_again(board: Board, tmp_path: Path, own_cache: Path) -> None:
    source, options = write_source(tmp_path / "a")
    (first,) = compile_sources(board, [source], options)
    object_cache.prune(own_cache / "objects", limit=0, spared_seconds=-1)
    assert not first.exists()
    assert compile_sources(board, [source], options) == [first] and first.exists()


def test_compiling_prunes(
    board: Board, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_cache / "objects"
    folder.mkdir(parents=True)
    (folder / "old.o").write_bytes(bytes(100))
    os.utime(folder / "old.o", (1000, 1000))
    monkeypatch.setattr(object_cache, "LIMIT_BYTES", 0)
    source, options = write_source(tmp_path / "a")
    assert list(folder.iterdir()) != compile_sources(board, [source], options) == list(folder.iterdir())


def test_unusable_cache(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, options = write_source(tmp_path / "a")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MCUGEN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ToolError, match="cannot write to the cache") as caught:
        compile_sources(board, [source], options)
    assert "MCUGEN_CACHE" in caught.value.hint


def test_compiler_errors_show_command_and_message(board: Board, tmp_path: Path, own_cache: Path) -> None:
    source = tmp_path / "bad.c"
    source.write_text("int f(void) { return nothing; }\n")
    with pytest.raises(ToolError) as caught:
        compile_sources(board, [source])
    assert "-mcpu=cortex-m4" in caught.value.message
    assert "'nothing' undeclared" in caught.value.message
    assert not list((own_cache / "objects").iterdir())


# ---- linking and sizes ---------------------------------------------------------------------------------

PROGRAM = """
#include <string.h>
__attribute__((section(".arena"))) unsigned char arena[3000];
__attribute__((section(".rodata.mcugen_weights.conv"))) const unsigned char weights[5000] = {1};
__attribute__((section(".mcugen.flash"))) const unsigned char pinned[40] = {1};
__attribute__((section(".mcugen.ram"))) unsigned char scratch[80];
volatile int initialized = 3;
volatile int zeroed[25];
int unused(void) { return 1; }
int main(void)
{
    memcpy(arena, weights, (size_t)initialized * 1000U);
    scratch[0] = pinned[0];
    return arena[0] + zeroed[1] + scratch[zeroed[2]];
}
"""


def build_program(board: Board, folder: Path) -> Path:
    source = folder / "program.c"
    source.write_text(PROGRAM)
    return build_firmware(board, [source], folder / "out" / "program.elf")


def test_sizes_by_purpose(board: Board, tmp_path: Path) -> None:
    sizes = section_sizes(build_program(board, tmp_path))
    assert (sizes.weights, sizes.arena, sizes.stack) == (5000, 3000, 4096)
    assert sizes.data == 4
    assert 100 <= sizes.bss <= 112
    assert sizes.regions == {"flash": 40, "ram": 80}
    assert sizes.flash == sizes.code + sizes.rodata + 5000 + 4
    assert sizes.ram == 4 + sizes.bss + 3000 + 4096


def test_sizes_by_symbol_and_by_file(board: Board, tmp_path: Path) -> None:
    elf = build_program(board, tmp_path)
    symbols = {symbol.name: symbol for symbol in symbol_sizes(elf)}
    assert (symbols["weights"].size, symbols["weights"].section) == (5000, ".mcugen_weights")
    assert symbols["main"].section == ".text"
    assert "unused" not in symbols
    parts = input_sections(elf)
    weights = [part for part in parts if part.name.startswith(".rodata.mcugen_weights")]
    assert [(part.file, part.size) for part in weights] == [("program.o", 5000)]
    code = sum(part.size for part in parts if part.name.startswith((".text", ".vectors")))
    # the linker may pad between pieces
    assert 0 <= section_sizes(elf).code - code < 64
    assert {"mcugen_rt_start.o", "mcugen_rt_ticks.o"} <= {part.file for part in parts}


def test_a_program_too_large_for_its_region(board: Board, tmp_path: Path) -> None:
    source = tmp_path / "large.c"
    source.write_text(
        '__attribute__((section(".arena"))) volatile char arena[300000];\n'
        "int main(void) { return arena[0]; }\n"
    )
    with pytest.raises(DoesNotFitError, match=r"ram \(262144 bytes\) is \d+ bytes too small"):
        build_firmware(board, [source], tmp_path / "large.elf")
    assert not (tmp_path / "large.elf").exists()
    build_firmware(board, [source], tmp_path / "large.elf", memory_map=board.twin())


def test_undefined_symbols_are_a_tool_error(board: Board, tmp_path: Path) -> None:
    source = tmp_path / "undefined.c"
    source.write_text("int absent(void);\nint main(void) { return absent(); }\n")
    with pytest.raises(ToolError, match="undefined reference to `absent'"):
        build_firmware(board, [source], tmp_path / "undefined.elf")


def test_output_folder_that_cannot_be_made(board: Board, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ToolError, match="cannot write the linker script"):
        build_program(board, tmp_path)


def test_paths_with_spaces_and_commas(board: Board, tmp_path: Path) -> None:
    folder = tmp_path / "a, b"
    folder.mkdir()
    assert input_sections(build_program(board, folder))


def test_files_that_are_not_programs(tmp_path: Path) -> None:
    path = tmp_path / "text.elf"
    path.write_text("text")
    for measure in (section_sizes, symbol_sizes, input_sections):
        with pytest.raises(ToolError):
            measure(path)


def test_linker_script_of_a_board_with_boot_words() -> None:
    script = linker_script(load_board("rp2350"))
    assert "LONG(0xffffded3)" in script
    assert "flash (rx) : ORIGIN = 0x10000000, LENGTH = 4194304" in script
    assert ".mcugen.sram8 (NOLOAD) : ALIGN(16)" in script
