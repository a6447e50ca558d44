"""``--regions``: which memories of a board a model may use."""

from __future__ import annotations

import re

from mcugen.boards import Board, Memory, arena_problem
from mcugen.errors import InputError
from mcugen.memory.spread import Bank, Banks

SINGLE = "single"
AUTO = "auto"
_OPTION = "--regions"
_UNITS = {"": 1, "K": 1024, "M": 1024**2}


def banks_of(board: Board, choice: str) -> Banks | None:
    """The memories that ``single``, ``auto`` or a list ``NAME[=BYTES],...`` means; None for the single arena.

    auto is what the board's file gives for activations. Bytes are numbers, with K or M if wanted; without them a
    region gets what the stack and some variables leave. Raises InputError for what the board has not.
    """
    if choice == SINGLE:
        return None
    parts = list(board.arenas) if choice == AUTO else [part.strip() for part in choice.split(",")]
    names = [part.partition("=")[0] for part in parts]
    if len(set(names)) != len(names):
        raise InputError(f"'{choice}' has a name twice", where=_OPTION)
    return Banks(
        tuple(_bank(board, part) for part in parts),
        constants=_cost(board.memory(board.layout.weights)),
        arena=_cost(board.memory(board.layout.arena)),
    )


def _cost(memory: Memory) -> float:
    """Of touching one byte: what it takes in a memory without wait states is 1."""
    return 1.0 + memory.wait_states


def _bank(board: Board, part: str) -> Bank:
    name, equals, text = part.partition("=")
    memory = next((m for m in board.memories if m.name == name), None)
    problem = "is not a memory of the board" if memory is None else arena_problem(memory)
    if memory is None or problem:
        usable = ", ".join(m.name for m in board.memories if not arena_problem(m))
        raise InputError(
            f"'{name}' {problem}", where=_OPTION, hint=f"{board.name} has {usable}; or auto, or single"
        )
    room = board.room(name)
    size = _bytes(part, text) if equals else room
    if size > room:
        raise InputError(f"'{part}' is more than the {room:,} bytes that {name} has for it", where=_OPTION)
    return Bank(name, size, _cost(memory), memory.note, memory.setup)


def _bytes(part: str, text: str) -> int:
    match = re.fullmatch(r"(\d+)([KM]?)", text)
    size = int(match[1]) * _UNITS[match[2]] if match else 0
    if size < 1:
        raise InputError(
            f"'{part}' is not NAME=BYTES", where=_OPTION, hint="for example dtcm=64K,sram1=100000"
        )
    return size
