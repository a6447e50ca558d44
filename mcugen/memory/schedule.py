"""The order of operators that needs the least memory.

Sets of operators already run ("done") are bit masks. What lives after a set has run does not depend on the order in
which it ran, so the search goes over such sets, always from the one that was reached with the lowest peak: the first
complete set is the best order. Three things keep it small:

- Where every order passes through the same set, as after each layer of a chain or each block of a residual network,
  the graph is cut, and the parts are ordered one by one.
- No order can be better than what must live together around some operator; a part whose order is as good as that of
  the worst part stays as it is.
- A chain of operators that ends with no more bytes than it started with, without a higher peak on its way, is run at
  once. Live bytes are submodular in the set done, so whatever comes later can only be cheaper for it.

A part with too many sets goes to a beam search, which may miss the best order but not make the given one worse.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from mcugen.ir import Graph, Op
from mcugen.memory.liveness import ALIGNMENT
from mcugen.memory.problem import align_up
from mcugen.memory.views import alias_roots

ExtraBytes = Callable[[Op], int]

_EXACT_MOVES = 30_000
"""Operators that the exact search tries in one part before it gives way to the beam."""
_BEAM_MOVES = 30_000
"""Operators that the beam search tries in one part, spread evenly over the part's length."""
_LEAST_WIDTH = 8


def schedule(graph: Graph, outside: Collection[str] = (), extra_bytes: ExtraBytes | None = None) -> Graph:
    """The graph with its operators in the order of the lowest peak of live bytes; itself if none is lower.

    Bytes count as in :mod:`mcugen.memory.liveness`: aligned, views share memory, states always live, model inputs
    from the start, model outputs to the end. Operators that share a state keep their relative order.

    outside:     tensors that do not lie in the arena.
    extra_bytes: bytes that an operator needs while it runs, beside its tensors.
    """
    work = _work(graph, outside, extra_bytes or (lambda op: 0))
    floor = max(map(work.least_bytes, range(len(graph.ops))), default=0)
    parts = [(work.peak(part), part) for part in work.parts()]
    better: dict[int, list[int]] = {}
    for peak, part in sorted(parts, key=lambda entry: -entry[0]):
        # The worst part comes first, so that the others need not be better than it can be.
        if peak <= floor:
            break
        found = _search(work, part, floor, peak)
        if found is not None:
            better[part.start] = found
        floor = max(floor, peak if found is None else work.peak(found, part.start))
    if not better:
        return graph
    order = [i for _, part in parts for i in better.get(part.start, part)]
    return graph.replace(ops=tuple(graph.ops[i] for i in order))


@dataclass(frozen=True)
class _Memory:
    """Memory of some tensors. maker: the operator that first writes it, or -1; users: mask of all that touch it.

    kept: lives to the end.
    """

    size: int
    maker: int
    users: int
    kept: bool


@dataclass(frozen=True)
class _Operator:
    """What the search knows of an operator; masks of operators, indices of memories.

    before: those that must run earlier, directly; after, later.
    """

    before: int
    after: tuple[int, ...]
    touches: tuple[int, ...]
    makes: int
    extra: int


@dataclass(frozen=True)
class _Work:
    """A graph to be scheduled.

    ancestors, descendants: masks per operator, transitive.
    start: bytes live before the first operator, without those of inputs that no operator reads, which are ``unused``.
    """

    operators: tuple[_Operator, ...]
    memories: tuple[_Memory, ...]
    ancestors: tuple[int, ...]
    descendants: tuple[int, ...]
    start: int
    unused: int

    def run(self, done: int, live: int, i: int) -> tuple[int, int, int]:
        """Runs an operator: the new set, the bytes live after it, and those live while it ran."""
        operator = self.operators[i]
        after = live + operator.makes
        during = after + operator.extra + (0 if done else self.unused)
        new = done | 1 << i
        for m in operator.touches:
            memory = self.memories[m]
            if not memory.kept and not memory.users & ~new:
                after -= memory.size
        return new, after, during

    def live_before(self, position: int) -> int:
        """Bytes live before a position of the given order."""
        done, live = 0, self.start
        for i in range(position):
            done, live, _ = self.run(done, live, i)
        return live

    def peak(self, order: Sequence[int], position: int | None = None) -> int:
        """Bytes of the worst step of an order of a part that starts at a position (default: its first operator)."""
        position = order[0] if position is None else position
        done, live, peak = (1 << position) - 1, self.live_before(position), 0
        for i in order:
            done, live, during = self.run(done, live, i)
            peak = max(peak, during)
        return peak

    def least_bytes(self, i: int) -> int:
        """Bytes that live while an operator runs, whatever the order."""
        since, until = self.ancestors[i] | 1 << i, self.descendants[i] | 1 << i
        bytes_ = self.operators[i].extra
        for memory in self.memories:
            made = memory.maker < 0 or since >> memory.maker & 1
            if made and (memory.kept or memory.users & until):
                bytes_ += memory.size
        return bytes_

    def parts(self) -> list[range]:
        """The given order, cut where every order has run the same operators."""
        cuts, common = [len(self.operators)], -1
        for position in reversed(range(len(self.operators))):
            common &= self.ancestors[position]
            earlier = (1 << position) - 1
            if common & earlier == earlier:
                cuts.append(position)
        cuts.reverse()
        return [range(a, b) for a, b in zip(cuts, cuts[1:], strict=False)]

    def ready_after(self, ready: Sequence[int], i: int, done: int) -> tuple[int, ...]:
        """What can run once operator i of those ready has; ``done`` includes it."""
        return tuple(sorted([*(k for k in ready if k != i), *self.freed(i, done)]))

    def freed(self, i: int, done: int) -> list[int]:
        """The operators that operator i was the last to hold up."""
        return [k for k in self.operators[i].after if not self.operators[k].before & ~done]


def _work(graph: Graph, outside: Collection[str], extra_bytes: ExtraBytes) -> _Work:
    roots = {name: root for name, root in alias_roots(graph).items() if name not in outside}
    touched = [_touched(op, roots) for op in graph.ops]
    memories = _memories(graph, roots, touched)
    number = {root: m for m, root in enumerate(memories)}
    before = _direct_ancestors(graph)
    after: list[list[int]] = [[] for _ in graph.ops]
    for i, mask in enumerate(before):
        for k in _bits(mask):
            after[k].append(i)
    makes = [0] * len(graph.ops)
    for memory in memories.values():
        if memory.maker >= 0:
            makes[memory.maker] += memory.size
    operators = tuple(
        _Operator(before[i], tuple(after[i]), tuple(number[r] for r in touched[i]), makes[i], extra_bytes(op))
        for i, op in enumerate(graph.ops)
    )
    given = [memory for memory in memories.values() if memory.maker < 0]
    unused = sum(memory.size for memory in given if not memory.kept and not memory.users)
    return _Work(
        operators=operators,
        memories=tuple(memories.values()),
        ancestors=_closure(before, range(len(before))),
        descendants=_closure([sum(1 << k for k in later) for later in after], reversed(range(len(before)))),
        start=sum(memory.size for memory in given) - unused,
        unused=unused,
    )


def _touched(op: Op, roots: dict[str, str]) -> list[str]:
    """The memories that an operator reads or writes."""
    return list(dict.fromkeys(roots[n] for n in (*op.inputs, *op.states, *op.outputs) if n in roots))


def _memories(graph: Graph, roots: dict[str, str], touched: list[list[str]]) -> dict[str, _Memory]:
    variables = {t.name for t in graph.variables()}
    kept = variables | {roots[n] for n in graph.outputs if n in roots}
    given = variables | {roots[n] for n in graph.inputs if n in roots}
    users: dict[str, list[int]] = {root: [] for root in dict.fromkeys(roots.values()) if root in given}
    for i, names in enumerate(touched):
        for name in names:
            users.setdefault(name, []).append(i)
    return {
        name: _Memory(
            align_up(max(graph.tensors[name].bytes, 1), ALIGNMENT),
            -1 if name in given else who[0],
            sum(1 << i for i in who),
            name in kept,
        )
        for name, who in users.items()
    }


def _direct_ancestors(graph: Graph) -> list[int]:
    """Per operator, the mask of those that make its inputs, and of the last one before it with one of its states."""
    maker: dict[str, int] = {}
    last_user: dict[str, int] = {}
    variables = {t.name for t in graph.variables()}
    before = []
    for i, op in enumerate(graph.ops):
        states = variables & {*op.inputs, *op.outputs, *op.states}
        earlier = {maker[n] for n in op.inputs if n in maker} | {
            last_user[n] for n in states if n in last_user
        }
        before.append(sum(1 << k for k in earlier))
        maker |= dict.fromkeys(op.outputs, i)
        last_user |= dict.fromkeys(states, i)
    return before


def _closure(direct: Sequence[int], order: Iterable[int]) -> tuple[int, ...]:
    """Transitive masks of direct ones, which only name operators that come before in ``order``."""
    masks = [0] * len(direct)
    for i in order:
        masks[i] = direct[i]
        for k in _bits(direct[i]):
            masks[i] |= masks[k]
    return tuple(masks)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


@dataclass(frozen=True)
class _State:
    """A set of operators that have run, and the best known way to it.

    live: bytes after it. peak: the worst on the way, at least the floor. ran: the last operators, after ``previous``.
    """

    done: int
    live: int
    peak: int
    ready: tuple[int, ...]
    ran: tuple[int, ...] = ()
    previous: _State | None = None

    def order(self) -> list[int]:
        parts = []
        state: _State | None = self
        while state is not None:
            parts.append(state.ran)
            state = state.previous
        return [i for ran in reversed(parts) for i in ran]


def _search(work: _Work, part: range, floor: int, limit: int) -> list[int] | None:
    """An order of a part with a peak below the limit, None if there is none or none was found.

    It is the best one, or one at the floor, unless the part was too large for the exact search.
    """
    done = (1 << part.start) - 1
    ready = tuple(i for i in part if not work.operators[i].before & ~done)
    start = _State(done, work.live_before(part.start), floor, ready)
    end = (1 << part.stop) - 1
    found, complete = _best_first(work, start, end, limit)
    if not complete:
        found = _beam(work, start, end, limit, _BEAM_MOVES // len(part))
    return None if found is None else found.order()


def _best_first(work: _Work, start: _State, end: int, limit: int) -> tuple[_State | None, bool]:
    """The best way to the end below a limit, and whether the search came to its end.

    Of the sets with the lowest peak, the largest comes first; of those, the one found first, which keeps close to
    the given order.
    """
    number = count()
    heap = [(start.peak, 0, next(number), start)]
    best = {start.done: start.peak}
    tried = 0
    while heap:
        state = heapq.heappop(heap)[-1]
        if state.done == end:
            return state, True
        if state.peak > best[state.done]:
            continue
        if tried > _EXACT_MOVES:
            return None, False
        tried += len(state.ready)
        for new in _moves(work, state, end):
            if new.peak < min(limit, best.get(new.done, limit)):
                best[new.done] = new.peak
                heapq.heappush(heap, (new.peak, -new.done.bit_count(), next(number), new))
    return None, True


def _beam(work: _Work, start: _State, end: int, limit: int, moves: int) -> _State | None:
    """A way to the end below a limit that keeps the best sets of each size only; None if it finds none.

    moves: operators to try at each size.
    """
    levels: dict[int, dict[int, _State]] = {start.done.bit_count(): {start.done: start}}
    while levels:
        level = levels.pop(min(levels))
        if end in level:
            return level[end]
        for state in _best_of(level.values(), moves):
            for new in _moves(work, state, end):
                others = levels.setdefault(new.done.bit_count(), {})
                if new.peak < limit and (new.done not in others or new.peak < others[new.done].peak):
                    others[new.done] = new
        levels = {size: others for size, others in levels.items() if others}
    return None


def _best_of(states: Iterable[_State], moves: int) -> Iterator[_State]:
    """The best states, as many as can be gone on from by trying a number of operators, but not just a few."""
    tried = 0
    for i, state in enumerate(sorted(states, key=lambda s: (s.peak, s.live))):
        if i >= _LEAST_WIDTH and tried >= moves:
            return
        tried += len(state.ready)
        yield state


def _moves(work: _Work, state: _State, end: int) -> list[_State]:
    """The states to go on with: the one after a chain that cannot harm, or one for each operator that is ready."""
    ready = [i for i in state.ready if end >> i & 1]
    for i in ready:
        settled = _free_chain(work, state, i, end)
        if settled is not None:
            return [settled]
    return [_step(work, state, i) for i in ready]


def _step(work: _Work, state: _State, i: int) -> _State:
    done, live, during = work.run(state.done, state.live, i)
    return _State(done, live, max(state.peak, during), work.ready_after(state.ready, i, done), (i,), state)


def _free_chain(work: _Work, state: _State, i: int, end: int) -> _State | None:
    """The state after the chain from operator i to where no more bytes live than before, if the peak stays.

    Each operator of the chain waited for the one before it only, so nothing can come between in a worse place.
    """
    done, live, ready = state.done, state.live, state.ready
    chain: list[int] = []
    while True:
        done, live, during = work.run(done, live, i)
        if during > state.peak:
            return None
        ready = work.ready_after(ready, i, done)
        chain.append(i)
        if live <= state.live:
            return _State(done, live, state.peak, ready, tuple(chain), state)
        following = work.freed(i, done)
        if len(following) != 1 or not end >> following[0] & 1:
            return None
        i = following[0]
