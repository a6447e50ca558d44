"""Reads planning problems in minimalloc's CSV format.

A header line, then one buffer per line: ``id,lower,upper,size`` (live at lower <= t < upper). ``begin`` and
``start`` stand for ``lower`` too, and ``end`` for an ``upper`` that is the last live step itself, as in minimalloc.
A column ``alignment`` is optional (default 1); other columns are ignored.
"""

from __future__ import annotations

import csv
from pathlib import Path

from mcugen.errors import InputError
from mcugen.memory.problem import Buffer, Problem

_COLUMNS = {
    "id": ("id", "buffer_id", "buffer", "name"),
    "lower": ("lower", "begin", "start"),
    "upper": ("upper",),
    "last": ("end",),
    "size": ("size",),
    "alignment": ("alignment",),
}
_HINT = "the first line names the columns: id,lower,upper,size and, if wanted, alignment"


def read_csv(path: Path) -> Problem:
    """The problem in a file; InputError naming the line when it cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not a CSV file ({error})"
        raise InputError(f"cannot be read: {reason}", where=str(path), hint=_HINT) from error
    columns = _columns(rows[0] if rows else [], path)
    buffers: dict[str, Buffer] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        buffer = _buffer(row, columns, f"{path}:{number}")
        if buffer.name in buffers:
            raise InputError(f"the id '{buffer.name}' is given twice", where=f"{path}:{number}")
        buffers[buffer.name] = buffer
    return Problem(tuple(buffers.values()))


def _columns(header: list[str], path: Path) -> dict[str, int]:
    """Column number of every field the header names."""
    cells = [cell.strip().lower() for cell in header]
    found = {
        field: cells.index(name) for field, names in _COLUMNS.items() for name in names[::-1] if name in cells
    }
    missing = [field for field in ("id", "lower", "size") if field not in found]
    if "upper" not in found and "last" not in found:
        missing.append("upper")
    if missing:
        raise InputError(f"no column {', '.join(missing)}", where=str(path), hint=_HINT)
    return found


def _buffer(row: list[str], columns: dict[str, int], where: str) -> Buffer:
    if len(row) <= max(columns.values()):
        raise InputError(f"{len(row)} columns where {max(columns.values()) + 1} are needed", where=where)
    name = row[columns["id"]].strip()
    lower, size = _integer(row, columns, "lower", where), _integer(row, columns, "size", where)
    if "upper" in columns:
        upper = _integer(row, columns, "upper", where)
    else:
        upper = _integer(row, columns, "last", where) + 1
    alignment = _integer(row, columns, "alignment", where) if "alignment" in columns else 1
    try:
        return Buffer(name, size, lower, upper, alignment)
    except ValueError as error:
        raise InputError(str(error), where=where) from error


def _integer(row: list[str], columns: dict[str, int], field: str, where: str) -> int:
    text = row[columns[field]].strip()
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{field} is '{text}', not a whole number", where=where) from None
