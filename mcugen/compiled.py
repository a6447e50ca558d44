"""The result of the pipeline: everything that emission, verification and reports need."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mcugen import __version__
from mcugen.boards import Board
from mcugen.ir import Graph
from mcugen.lowering import Program
from mcugen.memory.liveness import MemoryPlan
from mcugen.passes import Saving

GENERATOR = f"mcugen {__version__}"


@dataclass(frozen=True)
class Compiled:
    """A model compiled for a board.

    name: C identifier that prefixes everything generated; source: the model's file name, without folders.
    notes: what the user should know about how the model was read and quantized.
    savings: what each pass took out of the integer graph.
    """

    name: str
    source: str
    model: bytes
    board: Board
    program: Program
    memory: MemoryPlan
    notes: tuple[str, ...] = ()
    savings: tuple[Saving, ...] = ()

    @property
    def graph(self) -> Graph:
        return self.program.graph

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.model).hexdigest()
