"""Boards: a core, its memories, and where a program is put on them.

A board is one TOML file, shipped in ``boards/`` or given by the user as a path::

    name = "my-board"              # the file's stem
    title = "Maker's name for it"
    core = "cortex-m4"             # one of CORES
    cmsis_pack = "STM32F407VGTx"   # optional: device name in the CMSIS-Pack index
    flash_command = "probe-rs download --chip STM32F407VGTx {elf}"   # optional
    image_words = [0x1234]         # optional: words the boot ROM looks for right after the vector table

    [features]
    fpu = "sp"                     # none, sp (single precision) or dp (double)
    dsp = true
    mve = "none"                   # none, int or float

    [layout]                       # the memory each part of a program goes to, by name
    code = "flash"                 # vectors, functions, small constants, initial values of variables
    weights = "flash"              # constants of models
    data = "ram"                   # variables and stack
    arena = "ram"                  # activations
    arenas = ["ram", "ccm"]        # optional: memories that --regions auto may use for them; default the arena's
    stack_bytes = 4096

    [[memory]]
    name = "flash"
    kind = "flash"                 # flash: holds its contents at reset; ram: does not
    origin = 0x08000000
    size = "1M"                    # bytes, or a string with K or M
    wait_states = 5                # optional: what an access costs more than one to zero-wait memory
    alias = 0x00200000             # optional: another address of the same memory
    setup = "what to do first"     # optional: what a program must do before it uses this memory
    note = "what one should know"  # optional

    [emulator]                     # a QEMU machine of its own ...
    machine = "mps2-an386"
    cpu = "cortex-m4"
    instructions_per_tick = 40     # of SysTick, under -icount shift=0
    # ... or the board with the same core that has one:
    # twin = "mps2-an386"

``wait_states`` are clocks of the core at the board's highest clock, before caches and prefetch buffers, the way
through the buses included. They weigh memories against each other (mcugen/memory/spread.py). A memory that needs
``setup`` is only used when it is asked for by name (``--regions``), and does not count as the board's RAM.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from mcugen.errors import BoardError
from mcugen.resources import resource_dir

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

InstructionClass = Literal["v6m", "v7m", "dsp", "mve"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Core:
    """What a processor core can have. ``level`` orders instruction sets: a twin's is never lower.

    mainline: it has the instructions of Armv7-M, not only those of Armv6-M or Armv8-M Baseline.
    """

    level: int
    fpu: tuple[str, ...]
    dsp: tuple[bool, ...]
    mve: tuple[str, ...]
    mainline: bool = True


# What a region beside variables leaves to them, and what every region leaves to alignment and to the guard patterns
# of test firmware.
_VARIABLES = 4096
_SPARE = 256

_NO_FPU = ("none",)
_NO_MVE = ("none",)

CORES: Mapping[str, Core] = {
    "cortex-m0": Core(6, _NO_FPU, (False,), _NO_MVE, mainline=False),
    "cortex-m0plus": Core(6, _NO_FPU, (False,), _NO_MVE, mainline=False),
    "cortex-m3": Core(70, _NO_FPU, (False,), _NO_MVE),
    "cortex-m4": Core(71, ("none", "sp"), (True,), _NO_MVE),
    "cortex-m7": Core(71, ("none", "sp", "dp"), (True,), _NO_MVE),
    "cortex-m23": Core(80, _NO_FPU, (False,), _NO_MVE, mainline=False),
    "cortex-m33": Core(81, ("none", "sp"), (False, True), _NO_MVE),
    "cortex-m55": Core(82, ("none", "dp"), (True,), ("none", "int", "float")),
}
"""The cores mcugen knows, by the name GCC gives them (``-mcpu``)."""


@dataclass(frozen=True)
class Features:
    """Optional units of a core: ``fpu`` none/sp/dp, ``dsp``, ``mve`` none/int/float."""

    fpu: str
    dsp: bool
    mve: str


@dataclass(frozen=True)
class Memory:
    """One memory region; ``origin`` is an address, ``size`` bytes."""

    name: str
    kind: str
    origin: int
    size: int
    wait_states: int = 0
    alias: int | None = None
    note: str = ""
    setup: str = ""

    @property
    def end(self) -> int:
        """The first address after the region."""
        return self.origin + self.size


@dataclass(frozen=True)
class Layout:
    """Names of the memories that the parts of a program go to, and the bytes reserved for the stack.

    arenas: memories that activations may be spread over; the arena's alone when there are none.
    """

    code: str
    weights: str
    data: str
    arena: str
    stack_bytes: int
    arenas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Emulator:
    """A QEMU machine. ``instructions_per_tick``: instructions per SysTick tick under -icount shift=0."""

    machine: str
    cpu: str
    instructions_per_tick: float


@dataclass(frozen=True)
class Board:
    """A board as its file describes it. Exactly one of ``emulator`` and ``twin_name`` is set."""

    name: str
    title: str
    core: str
    features: Features
    memories: tuple[Memory, ...]
    layout: Layout
    emulator: Emulator | None
    twin_name: str | None
    cmsis_pack: str = ""
    flash_command: str = ""
    image_words: tuple[int, ...] = ()

    @property
    def instruction_class(self) -> InstructionClass:
        """The widest set of instructions kernels may use here."""
        if self.features.mve != "none":
            return "mve"
        if self.features.dsp:
            return "dsp"
        return "v7m" if CORES[self.core].mainline else "v6m"

    def memory(self, name: str) -> Memory:
        """The region of that name; KeyError if there is none."""
        for memory in self.memories:
            if memory.name == name:
                return memory
        raise KeyError(name)

    @property
    def flash_bytes(self) -> int:
        """Bytes of the memories that code and weights go to by default."""
        return sum(self.memory(name).size for name in {self.layout.code, self.layout.weights})

    @property
    def ram_bytes(self) -> int:
        """Bytes of all RAM regions together that need no set-up."""
        return sum(m.size for m in self.memories if m.kind == "ram" and not m.setup)

    @property
    def arena_bytes(self) -> int:
        """Bytes an arena can have at most: its region, less the stack if that lies there too."""
        stack = self.layout.stack_bytes if self.layout.arena == self.layout.data else 0
        return self.memory(self.layout.arena).size - stack

    @property
    def arenas(self) -> tuple[str, ...]:
        """Names of the memories that activations may be spread over."""
        return self.layout.arenas or (self.layout.arena,)

    def room(self, name: str) -> int:
        """Bytes of a memory that a region of activations can have: not the stack's, nor some for variables."""
        taken = self.layout.stack_bytes + _VARIABLES if name == self.layout.data else 0
        return max(self.memory(name).size - taken - _SPARE, 0)

    def twin(self) -> Board:
        """The board whose machine emulates this one: itself, or another with the same core."""
        return self if self.twin_name is None else load_board(self.twin_name)


def board_names() -> list[str]:
    """Names of the boards shipped with mcugen, sorted."""
    return sorted(path.stem for path in resource_dir("boards").glob("*.toml"))


def load_board(name_or_path: str | Path) -> Board:
    """A board by its name, or from the user's own file (anything that ends in ``.toml``).

    Raises BoardError if there is no such board (naming close ones), or if the file is not a valid one.
    """
    if str(name_or_path).endswith(".toml"):
        return _read_board(Path(name_or_path))
    name = str(name_or_path)
    names = board_names()
    if name not in names:
        close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        raise BoardError(
            f"unknown board '{name}'",
            hint=(f"did you mean {' or '.join(close)}? " if close else "")
            + "`mcugen boards` lists all; or give the path of your own .toml file",
        )
    return _read_board(resource_dir("boards") / f"{name}.toml")


def _read_board(path: Path) -> Board:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BoardError(f"cannot read the board file: {error.strerror}", where=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BoardError(f"not valid TOML: {error}", where=str(path)) from error
    board = _board(_Table(table, path.name, ""))
    _check_board(board, path)
    return board


# ---- reading tables ------------------------------------------------------------------------------------


class _Table:
    """A TOML table that is read field by field; whatever is wrong or left over is a BoardError."""

    def __init__(self, values: Mapping[str, Any], file: str, path: str) -> None:
        self._left = dict(values)
        self._file = file
        self._path = path

    def fail(self, key: str, problem: str) -> NoReturn:
        raise BoardError(f"{self._path}{key}: {problem}", where=self._file, hint="see boards/nrf52.toml")

    def _take(self, key: str, kind: type, description: str) -> Any:
        if key not in self._left:
            self.fail(key, f"is missing; it needs {description}")
        value = self._left.pop(key)
        # bool is a subclass of int, but `size = true` is a mistake
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fail(key, f"is {value!r}; it needs {description}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and key not in self._left:
            return default
        return str(self._take(key, str, "a string"))

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = str(self._take(key, str, f"one of {', '.join(allowed)}"))
        if value not in allowed:
            self.fail(key, f"is '{value}'; it needs one of {', '.join(allowed)}")
        return value

    def flag(self, key: str) -> bool:
        return bool(self._take(key, bool, "true or false"))

    def integer(self, key: str, default: int | None = None) -> int:
        if default is not None and key not in self._left:
            return default
        value = int(self._take(key, int, "a number"))
        if not 0 <= value < 2**32:
            self.fail(key, f"is {value}; it needs a number from 0 to 2^32 - 1")
        return value

    def size(self, key: str) -> int:
        """Bytes: a number, or a string such as "256K" or "2M"."""
        if not isinstance(self._left.get(key), str):
            value = self.integer(key)
        else:
            value = _parse_size(self.text(key)) or self.fail(
                key, 'needs bytes, or a string like "256K" or "2M"'
            )
        if not 0 < value < 2**32:
            self.fail(key, f"is {value}; it needs more than 0 and less than 2^32 bytes")
        return value

    def number(self, key: str) -> float:
        if isinstance(self._left.get(key), float):
            return float(self._left.pop(key))
        return float(self.integer(key))

    def words(self, key: str) -> tuple[int, ...]:
        values = self._take(key, list, "a list of 32-bit numbers") if key in self._left else []
        for value in values:
            if type(value) is not int or not 0 <= value < 2**32:
                self.fail(key, f"has {value!r}; it needs 32-bit numbers")
        return tuple(values)

    def names(self, key: str) -> tuple[str, ...]:
        values = self._take(key, list, "a list of names") if key in self._left else []
        if not all(isinstance(value, str) for value in values):
            self.fail(key, f"is {values!r}; it needs a list of names")
        return tuple(values)

    def table(self, key: str) -> _Table:
        values = self._take(key, dict, f"a table [{key}]")
        return _Table(values, self._file, f"[{key}] ")

    def tables(self, key: str) -> list[_Table]:
        values = self._take(key, list, f"one or more tables [[{key}]]")
        if not values or not all(isinstance(value, dict) for value in values):
            self.fail(key, f"needs one or more tables [[{key}]]")
        return [_Table(value, self._file, f"[[{key}]] #{i} ") for i, value in enumerate(values, 1)]

    def has(self, key: str) -> bool:
        return key in self._left

    def done(self) -> None:
        for key in self._left:
            self.fail(key, "is not a field mcugen knows")


def _parse_size(text: str) -> int | None:
    match = re.fullmatch(r"(\d+)([KM]?)", text)
    return int(match[1]) * {"": 1, "K": 1024, "M": 1024**2}[match[2]] if match else None


def _board(table: _Table) -> Board:
    core = table.choice("core", tuple(CORES))
    emulator, twin_name = _read(table.table("emulator"), _emulator)
    board = Board(
        name=table.text("name"),
        title=table.text("title"),
        core=core,
        features=_read(table.table("features"), lambda features: _features(features, CORES[core])),
        memories=tuple(_read(memory, _memory) for memory in table.tables("memory")),
        layout=_read(table.table("layout"), _layout),
        emulator=emulator,
        twin_name=twin_name,
        cmsis_pack=table.text("cmsis_pack", ""),
        flash_command=table.text("flash_command", ""),
        image_words=table.words("image_words"),
    )
    table.done()
    return board


def _read(table: _Table, reader: Callable[[_Table], _T]) -> _T:
    value = reader(table)
    table.done()
    return value


def _features(table: _Table, core: Core) -> Features:
    fpu = table.choice("fpu", core.fpu)
    dsp = table.flag("dsp")
    if dsp not in core.dsp:
        table.fail("dsp", f"is {str(dsp).lower()}; this core always has {str(core.dsp[0]).lower()}")
    return Features(fpu, dsp, table.choice("mve", core.mve))


def _memory(table: _Table) -> Memory:
    name = table.text("name")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        table.fail("name", f"is '{name}'; it needs lower-case letters, digits and _, a letter first")
    return Memory(
        name=name,
        kind=table.choice("kind", ("flash", "ram")),
        origin=table.integer("origin"),
        size=table.size("size"),
        wait_states=table.integer("wait_states", 0),
        alias=table.integer("alias") if table.has("alias") else None,
        note=table.text("note", ""),
        setup=table.text("setup", ""),
    )


def _layout(table: _Table) -> Layout:
    return Layout(
        code=table.text("code"),
        weights=table.text("weights"),
        data=table.text("data"),
        arena=table.text("arena"),
        stack_bytes=table.size("stack_bytes"),
        arenas=table.names("arenas"),
    )


def _emulator(table: _Table) -> tuple[Emulator | None, str | None]:
    if table.has("twin"):
        return None, table.text("twin")
    emulator = Emulator(table.text("machine"), table.text("cpu"), table.number("instructions_per_tick"))
    if emulator.instructions_per_tick <= 0:
        table.fail("instructions_per_tick", "needs to be more than 0")
    return emulator, None


# ---- checks between fields -----------------------------------------------------------------------------


def _check_board(board: Board, path: Path) -> None:
    problem = _memory_problem(board) or _layout_problem(board) or _twin_problem(board)
    if board.name != path.stem:
        problem = f"name: is '{board.name}'; it needs to be '{path.stem}' like the file"
    if problem:
        raise BoardError(problem, where=path.name)


def _layout_problem(board: Board) -> str:
    layout = board.layout
    kinds = {memory.name: memory.kind for memory in board.memories}
    for part, name, kind in (
        ("code", layout.code, "flash"),
        ("weights", layout.weights, "flash"),
        ("data", layout.data, "ram"),
        ("arena", layout.arena, "ram"),
    ):
        if kinds.get(name) != kind:
            usable = ", ".join(n for n, k in kinds.items() if k == kind) or "none is there"
            return f"[layout] {part}: is '{name}'; it needs the name of a {kind} region: {usable}"
    if problem := _arenas_problem(board):
        return problem
    if layout.stack_bytes % 8 or layout.stack_bytes >= board.memory(layout.data).size:
        return "[layout] stack_bytes: needs a multiple of 8 that is smaller than the data region"
    return ""


def _arenas_problem(board: Board) -> str:
    arenas = board.layout.arenas
    if len(set(arenas)) != len(arenas):
        return "[layout] arenas: has a name twice"
    for name in arenas:
        memory = next((m for m in board.memories if m.name == name), None)
        if memory is None or (problem := arena_problem(memory)):
            usable = ", ".join(m.name for m in board.memories if not arena_problem(m) and not m.setup)
            reason = "is not a memory of the board" if memory is None else problem
            return f"[layout] arenas: '{name}' {reason}; usable are {usable}"
        if memory.setup:
            return f"[layout] arenas: '{name}' needs setup first, so that it is used by name only"
    if arenas and board.layout.arena not in arenas:
        return f"[layout] arenas: needs '{board.layout.arena}', the arena's memory, too"
    return ""


def arena_problem(memory: Memory) -> str:
    """Why activations cannot lie in a memory, or nothing."""
    if memory.kind != "ram":
        return "is not a RAM"
    if memory.origin == 0:
        return "starts at address 0, which C takes for no address"
    return ""


def _memory_problem(board: Board) -> str:
    regions = sorted(board.memories, key=lambda memory: memory.origin)
    if len({memory.name for memory in regions}) != len(regions):
        return "[[memory]] name: each region needs a name of its own"
    for memory in regions:
        if memory.end > 2**32 or memory.origin % 16:
            return f"[[memory]] '{memory.name}': needs an origin aligned to 16 and an end within 2^32"
    for low, high in zip(regions, regions[1:], strict=False):
        if low.end > high.origin:
            return f"[[memory]] '{low.name}' and '{high.name}' overlap"
    return ""


def _twin_problem(board: Board) -> str:
    if board.twin_name is None:
        return ""
    if board.twin_name not in board_names():
        return f"[emulator] twin: '{board.twin_name}' is not a board of mcugen's"
    twin = load_board(board.twin_name) if board.twin_name != board.name else board
    if twin.emulator is None:
        return f"[emulator] twin: '{twin.name}' has no machine of its own"
    if not _runs_on(board, twin):
        return f"[emulator] twin: '{twin.name}' lacks instructions that {board.core} has"
    return ""


def _runs_on(board: Board, twin: Board) -> bool:
    """Whether the twin executes every instruction of the board."""
    fpu, mve = ("none", "sp", "dp"), ("none", "int", "float")
    mine, its = board.features, twin.features
    return (
        CORES[board.core].level <= CORES[twin.core].level
        and fpu.index(mine.fpu) <= fpu.index(its.fpu)
        and mve.index(mine.mve) <= mve.index(its.mve)
        and mine.dsp <= its.dsp
    )
