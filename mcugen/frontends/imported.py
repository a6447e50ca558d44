"""What every front-end returns."""

from __future__ import annotations

from dataclasses import dataclass

from mcugen.ir import Graph


@dataclass(frozen=True)
class Imported:
    """The graph of a model file, and what the user should know about how it was read, one sentence each."""

    graph: Graph
    notes: tuple[str, ...] = ()
