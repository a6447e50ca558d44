"""The Arm GNU toolchain: compiles C for a board, links it, and measures the result.

Objects are cached by content: the key is the compiler's version, the flags and the preprocessed source. The cache is
bounded, see `object_cache`.
Sources must not be compiled with ``-g`` here, because debug information holds paths that the key leaves out.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import jinja2
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from mcugen import object_cache
from mcugen.boards import Board
from mcugen.errors import DoesNotFitError, ToolError
from mcugen.resources import resource_dir

TRIPLE = "arm-none-eabi-"
_INSTALL_HINT = (
    "install it, on Debian or Ubuntu with: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi; "
    "or set MCUGEN_TOOLCHAIN to its folder or prefix"
)
_LAST_LINES = 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class Toolchain:
    """An installed toolchain: what comes before each tool's name, and what gcc says of its version."""

    prefix: str
    version: str

    @property
    def gcc(self) -> str:
        """The compiler's path, also used as the linker."""
        return f"{self.prefix}gcc"


@dataclass(frozen=True)
class CompileOptions:
    """How sources are compiled. ``defines``: ``NAME`` or ``NAME=VALUE``; ``extra``: flags as they stand."""

    include_dirs: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    optimize: str = "-O2"
    extra: tuple[str, ...] = ()


# ---- the compiler --------------------------------------------------------------------------------------


def find_toolchain() -> Toolchain:
    """The toolchain of MCUGEN_TOOLCHAIN (a folder, its parent, or a prefix), else the one on PATH.

    Raises ToolError if there is none.
    """
    setting = os.environ.get("MCUGEN_TOOLCHAIN", "")
    folder = Path(setting)
    candidates = [str(folder / TRIPLE), str(folder / "bin" / TRIPLE), setting] if setting else [TRIPLE]
    for prefix in candidates:
        gcc = shutil.which(f"{prefix}gcc")
        if gcc:
            return Toolchain(gcc.removesuffix("gcc"), _gcc_version(gcc))
    raise ToolError(
        f"no {TRIPLE}gcc found" + (f" at MCUGEN_TOOLCHAIN={setting}" if setting else " on PATH"),
        hint=_INSTALL_HINT,
    )


@functools.cache
def _gcc_version(gcc: str) -> str:
    return _run([gcc, "--version"]).splitlines()[0]


def _run(command: Sequence[str]) -> str:
    """Standard output of a tool; ToolError with its last lines if it fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise ToolError(f"cannot run {command[0]}: {error.strerror}", hint=_INSTALL_HINT) from error
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()
        message = "\n".join([f"failed: {' '.join(command)}", *lines[-_LAST_LINES:]])
        missing_newlib = re.search(r"(string|math)\.h: No such file|cannot find -l[cm]\b", result.stderr)
        raise ToolError(message, where=Path(command[0]).name, hint=_INSTALL_HINT if missing_newlib else "")
    return result.stdout


def c_library() -> str:
    """The path of the toolchain's C library. Raises ToolError if it has none."""
    toolchain = find_toolchain()
    path = _run([toolchain.gcc, "-print-file-name=libc.a"]).strip()
    if not Path(path).is_absolute():
        raise ToolError("the compiler has no C library (newlib)", where=toolchain.gcc, hint=_INSTALL_HINT)
    return path


def cpu_flags(board: Board) -> tuple[str, ...]:
    """The flags that choose instruction set and float ABI; needed by the compiler and the linker alike."""
    features = board.features
    cpu = board.core
    if cpu == "cortex-m33" and not features.dsp:
        cpu += "+nodsp"
    if cpu == "cortex-m55":
        # without the vector unit, its float half, or both it and the FPU
        cpu += {"none": "+nomve", "int": "+nomve.fp", "float": ""}[features.mve]
    base = (f"-mcpu={cpu}", "-mthumb")
    if features.fpu == "none" and features.mve == "none":
        return (*base, "-mfloat-abi=soft")
    fpu = {
        "cortex-m4": "fpv4-sp-d16",
        "cortex-m7": "fpv5-d16" if features.fpu == "dp" else "fpv5-sp-d16",
        "cortex-m33": "fpv5-sp-d16",
    }.get(board.core, "auto")
    return (*base, "-mfloat-abi=hard", f"-mfpu={fpu}")


def cache_dir() -> Path:
    """Where objects are kept: MCUGEN_CACHE, else the user's cache folder."""
    setting = os.environ.get("MCUGEN_CACHE")
    if setting:
        return Path(setting).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mcugen"


def compile_sources(
    board: Board,
    sources: Sequence[Path],
    options: CompileOptions | None = None,
    *,
    jobs: int | None = None,
) -> list[Path]:
    """Compiles C or assembler sources for a board; object files in the cache, in the order of the sources.

    Raises ToolError if the compiler is missing or refuses a source.
    """
    options = options or CompileOptions()
    toolchain = find_toolchain()
    flags = [
        *cpu_flags(board),
        "-std=c11",
        options.optimize,
        "-ffunction-sections",
        "-fdata-sections",
        *(f"-I{folder}" for folder in options.include_dirs),
        *(f"-D{define}" for define in options.defines),
        *options.extra,
    ]
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        return list(pool.map(lambda source: _compile(toolchain, flags, source), sources))


def _compile(toolchain: Toolchain, flags: list[str], source: Path) -> Path:
    folder = cache_dir() / "objects"
    target = folder / f"{_object_key(toolchain, flags, source)}-{source.stem}.o"
    try:
        if object_cache.use(target):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        object_cache.prune_once(folder)
        # compiled beside the target and renamed, so that other processes see all of it or nothing
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            result = Path(scratch) / target.name
            _run([toolchain.gcc, *flags, "-c", str(source), "-o", str(result)])
            os.replace(result, target)
    except OSError as error:
        raise ToolError(
            f"cannot write to the cache: {error.strerror}",
            where=str(folder),
            hint="set MCUGEN_CACHE to a folder that can be written to",
        ) from error
    return target


def _object_key(toolchain: Toolchain, flags: list[str], source: Path) -> str:
    """What the object depends on. Include folders count by what is included, not by where they are."""
    preprocessed = _run([toolchain.gcc, *flags, "-E", "-P", str(source)])
    relevant = [flag for flag in flags if not flag.startswith("-I")]
    parts = [toolchain.version, *relevant, source.name, preprocessed]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


# ---- linking -------------------------------------------------------------------------------------------


def absent_memories(board: Board, memory_map: Board) -> tuple[str, ...]:
    """RAMs of a board that another one has not, or not with as much room."""
    room = {
        memory.name: memory_map.room(memory.name) for memory in memory_map.memories if memory.kind == "ram"
    }
    rams = [memory.name for memory in board.memories if memory.kind == "ram"]
    return tuple(name for name in rams if board != memory_map and room.get(name, -1) < board.room(name))


def linker_context(board: Board, absent: Sequence[str] = ()) -> Mapping[str, object]:
    """What templates/linker.ld.j2 prints, all of it ready-made text.

    absent: memories of another board, whose buffers go to the arena's memory.
    """
    layout = board.layout
    return {
        "title": board.title,
        "memories": [
            {
                "name": memory.name,
                "attributes": "rx" if memory.kind == "flash" else "rwx",
                "origin": f"0x{memory.origin:08x}",
                "length": str(memory.size),
            }
            for memory in board.memories
        ],
        "code": layout.code,
        "weights": layout.weights,
        "data": layout.data,
        "arena": layout.arena,
        "stack_bytes": str(layout.stack_bytes),
        "image_words": [f"0x{word:08x}" for word in board.image_words],
        "constant_memories": [memory.name for memory in board.memories if memory.kind == "flash"],
        "buffer_memories": [
            memory.name for memory in board.memories if memory.kind == "ram" and memory.name not in absent
        ],
        "absent_memories": list(absent),
    }


def linker_script(board: Board, absent: Sequence[str] = ()) -> str:
    """The linker script of a board. absent: memories that it stands in for, see `linker_context`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is a linker script
    )
    return environment.get_template("linker.ld.j2").render(linker_context(board, absent))


def link(board: Board, objects: Sequence[Path], output: Path, *, memory_map: Board | None = None) -> Path:
    """Links objects into an ELF file; the linker script and the map are left beside it (.ld, .map).

    memory_map: the board whose memories are used, e.g. the emulator twin of ``board``; default ``board``.
    Raises DoesNotFitError if a memory region overflows, ToolError for anything else the linker refuses.
    """
    memory_map = memory_map or board
    script = output.with_suffix(".ld")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(linker_script(memory_map, absent_memories(board, memory_map)), encoding="utf-8")
    except OSError as error:
        raise ToolError(f"cannot write the linker script: {error.strerror}", where=str(script)) from error
    command = [
        find_toolchain().gcc,
        *cpu_flags(board),
        "-nostartfiles",
        "-static",
        *("-T", str(script)),
        *("-Xlinker", f"-Map={output.with_suffix('.map')}"),
        "-Wl,--gc-sections",
        *map(str, objects),
        "-lm",
        "-o",
        str(output),
    ]
    try:
        _run(command)
    except ToolError as error:
        overflows = re.findall(r"region `(\w+)' overflowed by (\d+) bytes", error.message)
        if not overflows:
            raise
        raise _does_not_fit(memory_map, overflows) from error
    return output


def _does_not_fit(board: Board, overflows: Sequence[tuple[str, str]]) -> DoesNotFitError:
    lines = [
        f"{name} ({board.memory(name).size} bytes) is {missing} bytes too small"
        for name, missing in overflows
    ]
    return DoesNotFitError("the program does not fit: " + "; ".join(lines), where=board.name)


def runtime_sources() -> list[Path]:
    """The sources of firmware/runtime; its folder is also the include folder of mcugen_rt.h."""
    return sorted((resource_dir("firmware") / "runtime").glob("*.c"))


def build_firmware(
    board: Board,
    sources: Sequence[Path],
    output: Path,
    options: CompileOptions | None = None,
    *,
    memory_map: Board | None = None,
    runtime_defines: tuple[str, ...] = (),
) -> Path:
    """Compiles sources, adds the runtime, and links them: a program that runs on the board.

    The runtime's header is on the include path. memory_map: see `link`. Raises what `compile_sources` and
    `link` do.
    """
    options = options or CompileOptions()
    runtime = runtime_sources()
    include = runtime[0].parent
    own = CompileOptions((*options.include_dirs, include), options.defines, options.optimize, options.extra)
    objects = compile_sources(board, sources, own)
    objects += compile_sources(board, runtime, CompileOptions((include,), runtime_defines))
    return link(board, objects, output, memory_map=memory_map)


# ---- sizes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SectionSizes:
    """Bytes of a linked program by purpose.

    ``rodata`` are constants other than weights; ``regions`` is what was put into a memory by its name
    (``.mcugen.<memory>``).
    """

    code: int
    rodata: int
    weights: int
    data: int
    bss: int
    arena: int
    stack: int
    regions: Mapping[str, int]

    @property
    def flash(self) -> int:
        """Bytes that must be in non-volatile memory; ``data`` counts for its initial values."""
        return self.code + self.rodata + self.weights + self.data

    @property
    def ram(self) -> int:
        """Bytes of RAM, the reserved stack included, memories addressed by name left out."""
        return self.data + self.bss + self.arena + self.stack


@dataclass(frozen=True)
class Symbol:
    """A function or an object of a linked program: bytes, and the output section it lies in."""

    name: str
    size: int
    section: str


@dataclass(frozen=True)
class InputSection:
    """A piece of a linked program: section and file (object or archive member) it came from, bytes."""

    name: str
    file: str
    size: int


def section_sizes(elf: Path) -> SectionSizes:
    """Sizes of the sections of an ELF made by `link`. Raises ToolError if the file is not one."""
    sizes = _read_elf(elf, _all_section_sizes)
    return SectionSizes(
        code=sizes.get(".vectors", 0) + sizes.get(".text", 0),
        rodata=sizes.get(".rodata", 0),
        weights=sizes.get(".mcugen_weights", 0),
        data=sizes.get(".data", 0),
        bss=sizes.get(".bss", 0),
        arena=sizes.get(".arena", 0),
        stack=sizes.get(".stack", 0),
        regions={
            name.removeprefix(".mcugen."): size for name, size in sizes.items() if name.startswith(".mcugen.")
        },
    )


def _all_section_sizes(elf: ELFFile) -> dict[str, int]:
    return {section.name: int(section["sh_size"]) for section in elf.iter_sections()}


def symbol_sizes(elf: Path) -> tuple[Symbol, ...]:
    """Functions and objects with a size, largest first. Raises ToolError if the file is not an ELF file."""
    symbols = _read_elf(elf, _all_symbols)
    return tuple(sorted(symbols, key=lambda symbol: (-symbol.size, symbol.name)))


def _all_symbols(elf: ELFFile) -> list[Symbol]:
    table = elf.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return []
    return [
        Symbol(symbol.name, int(symbol["st_size"]), elf.get_section(symbol["st_shndx"]).name)
        for symbol in table.iter_symbols()
        if symbol["st_size"] > 0 and isinstance(symbol["st_shndx"], int)
    ]


def _read_elf(path: Path, read: Callable[[ELFFile], _T]) -> _T:
    try:
        with path.open("rb") as stream:
            return read(ELFFile(stream))
    except (OSError, ELFError) as error:
        raise ToolError(f"cannot be read as an ELF file: {error}", where=path.name) from error


def input_sections(elf: Path) -> tuple[InputSection, ...]:
    """What the linker kept of each object file, from the map beside an ELF made by `link`.

    Objects are named ``<source stem>.o``, archive members ``libc.a(name.o)``. Raises ToolError without a map.
    """
    try:
        text = elf.with_suffix(".map").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ToolError(f"no linker map beside it: {error.strerror}", where=elf.name) from error
    # before this headline stand the sections that were thrown away
    kept = text.partition("Linker script and memory map")[2]
    lines = re.findall(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S.*)$", kept, re.MULTILINE)
    return tuple(
        InputSection(name, re.sub(r"^[0-9a-f]{32}-", "", file.rpartition("/")[2]), int(size, 16))
        for name, size, file in lines
        if int(size, 16) > 0 and not name.startswith((".debug", ".comment", ".ARM"))
    )


# ---- call graphs ---------------------------------------------------------------------------------------


def call_graph(board: Board, source: Path, options: CompileOptions, target: Path) -> str:
    """GCC's call graph with stack sizes (``-fcallgraph-info=su``, a .ci file) of one source.

    target: where the object goes; the graph is written beside it. Raises ToolError if the source does not compile.
    """
    flags = [
        *cpu_flags(board),
        "-std=c11",
        options.optimize,
        *(f"-I{folder}" for folder in options.include_dirs),
    ]
    flags += [*(f"-D{define}" for define in options.defines), *options.extra, "-fcallgraph-info=su"]
    _run([find_toolchain().gcc, *flags, "-c", str(source), "-o", str(target)])
    return target.with_suffix(".ci").read_text(encoding="utf-8", errors="replace")
