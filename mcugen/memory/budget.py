"""How long a search may take: counted in search nodes, so that it ends at the same point on every machine."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

NODES_PER_SECOND = 2_500
"""Nodes bought by a second of budget: a fraction of what an ordinary machine does in one, even a busy one."""

_NODES_BETWEEN_CLOCKS = 64


class BudgetSpent(Exception):
    """Raised inside a search when its nodes are used up."""


@dataclass
class Budget:
    """Search nodes left, and the time at which the clock ends the search whatever is left.

    A slice (:meth:`slice`) is a smaller budget that draws on this one.
    """

    nodes: int
    deadline: float
    parent: Budget | None = None
    spent: int = 0
    clocked: bool = field(default=False)

    @staticmethod
    def of_seconds(seconds: float) -> Budget:
        """The nodes that ``seconds`` buy, and a deadline after as many seconds."""
        return Budget(int(seconds * NODES_PER_SECOND), time.monotonic() + seconds)

    @property
    def left(self) -> int:
        """Nodes left; 0 when the clock has ended the search."""
        return 0 if self.clocked else self.nodes - self.spent

    def slice(self, nodes: int) -> Budget:
        """A part of this budget, at most ``nodes``."""
        return Budget(min(nodes, self.left), self.deadline, self)

    def spend(self) -> None:
        """Use one node; raises BudgetSpent when there is none left."""
        if self.left <= 0:
            raise BudgetSpent
        self.spent += 1
        if self.parent is not None:
            self.parent.spend()
        elif self.spent % _NODES_BETWEEN_CLOCKS == 0 and time.monotonic() > self.deadline:
            self.clocked = True
