"""Which channels can be removed from an integer graph: the greatest solution of what the operators ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from mcugen.ir import Graph, Op, Tensors
from mcugen.ops import FullyConnected
from mcugen.passes.channel_links import STAYS, DenseReader, Links, dense_reader, links
from mcugen.passes.intervals import Range, channels_of

Mask = NDArray[np.bool_]


def kept_channels(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Mask]:
    """For each tensor that can lose channels, which of them stay; the others have no influence on any output
    of the model, or are constants that their readers can take into their bias.

    A tensor keeps at least one channel, the result of a layer with scales per output at least two.
    """
    problem = _Problem(graph, ranges)
    problem.shrink()
    while problem.keep_some():
        problem.shrink()
    return {name: ~mask for name, mask in problem.removable.items() if mask.any()}


class _Problem:
    """Starts with all channels removable and takes back what an operator cannot do without, until nothing changes."""

    def __init__(self, graph: Graph, ranges: Mapping[str, Range]) -> None:
        tensors = graph.tensors
        self.removable: dict[str, Mask] = {n: np.ones(channels_of(t), bool) for n, t in tensors.items()}
        self.least = dict.fromkeys(tensors, 1)
        self.links: list[Links] = []
        self.readers: list[DenseReader] = []
        self._fix((*graph.inputs, *graph.outputs, *(t.name for t in graph.variables())))
        for op in graph.ops:
            self._add(op, tensors, ranges)

    def _fix(self, names: Iterable[str]) -> None:
        for name in names:
            self.removable[name][:] = False

    def _add(self, op: Op, tensors: Tensors, ranges: Mapping[str, Range]) -> None:
        sound = not op.check(tensors)
        x = ranges.get(op.inputs[0]) if sound else None
        reader = None if x is None else dense_reader(op, tensors, x)
        found = links(op, tensors) if sound else []
        free = {name for name, _ in found}
        if reader is not None:
            self.readers.append(reader)
            free |= {reader.source, reader.output}
            self.least[reader.output] = _least_outputs(op, tensors)
        self.links.append(found)
        self._fix(n for n in (*op.inputs, *op.outputs) if n and n not in free)

    def shrink(self) -> None:
        before = -1
        while before != (now := sum(int(m.sum()) for m in self.removable.values())):
            before = now
            for reader in self.readers:
                self.removable[reader.source] &= reader.can_do_without(~self.removable[reader.output])
            for tied in self.links:
                self._tie(tied)

    def _tie(self, tied: Links) -> None:
        groups = 1 + max((int(group.max()) for _, group in tied), default=STAYS)
        stays = np.zeros(groups + 1, dtype=bool)  # the last is the group STAYS
        stays[STAYS] = True
        for name, group in tied:
            stays[group[~self.removable[name]]] = True
        for name, group in tied:
            self.removable[name] &= ~stays[group]

    def keep_some(self) -> bool:
        """Gives channels back to tensors that would keep too few; whether there were any."""
        changed = False
        for name, mask in self.removable.items():
            missing = min(self.least[name], mask.size) - int((~mask).sum())
            if missing > 0:
                mask[np.flatnonzero(mask)[:missing]] = False
                changed = True
        return changed


def _least_outputs(op: Op, tensors: Tensors) -> int:
    """A fully connected layer with one scale computes its multiplier in another way than one with several."""
    quant = tensors[op.inputs[1]].quant
    return 2 if isinstance(op, FullyConnected) and quant is not None and len(quant.scale) > 1 else 1
