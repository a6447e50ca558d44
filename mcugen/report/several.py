"""A project of several models: how their arenas lie in the shared one, for people and for machines."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from mcugen.report.text import kib, plain_table
from mcugen.several import SeveralBuilt


def several_table(built: SeveralBuilt) -> Table:
    """One row per model."""
    title = f"{built.several.name} for {built.board.title}"
    table = plain_table("model", "arena", "offset", "end", "states", right=(1, 2, 3), title=title)
    for part in built.several.parts:
        size = part.compiled.memory.arena_bytes
        table.add_row(
            part.name, f"{size:,}", f"{part.offset:,}", f"{part.offset + size:,}", "yes" if part.has_states else ""
        )  # fmt: skip
    return table


def several_lines(built: SeveralBuilt) -> list[str]:
    """What all of them need together."""
    several, foot = built.several, built.footprint
    alone = sum(part.compiled.memory.arena_bytes for part in several.parts)
    lines = [f"arena        {kib(several.arena_bytes)}; apart they need {alone:,} B"]
    if foot is not None:
        lines.append(f"flash        code {kib(foot.code)}, weights {kib(foot.weights)}")
        lines.append(f"whole image  {kib(foot.image_flash)} of {kib(built.board.flash_bytes)} flash,")
        lines.append(f"             {kib(foot.image_ram)} of {kib(built.board.ram_bytes)} RAM")
        lines.append(f"stack        about {foot.stack:,} B")
    return lines


def several_data(built: SeveralBuilt) -> dict[str, Any]:
    several, foot = built.several, built.footprint
    return {
        "name": several.name,
        "out": built.out.as_posix(),
        "board": built.board.name,
        "concurrent": several.concurrent,
        "arena_bytes": several.arena_bytes,
        "models": [
            {
                "name": part.name,
                "folder": part.folder,
                "arena_bytes": part.compiled.memory.arena_bytes,
                "offset": part.offset,
                "has_states": part.has_states,
            }
            for part in several.parts
        ],
        "code_bytes": foot.code if foot else None,
        "weight_bytes": foot.weights if foot else None,
        "stack_bytes": foot.stack if foot else None,
        "image_flash_bytes": foot.image_flash if foot else None,
        "image_ram_bytes": foot.image_ram if foot else None,
    }
