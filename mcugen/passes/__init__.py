"""Graph passes: pure, idempotent functions from a graph to a graph, each exact for integer graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mcugen.ir import Graph
from mcugen.passes.cancel_transposes import cancel_transposes
from mcugen.passes.drop_softmax import drop_softmax
from mcugen.passes.expand_batch_norm import expand_batch_norm
from mcugen.passes.fold_batch_norm import fold_batch_norm
from mcugen.passes.fold_channel_constants import fold_channel_constants
from mcugen.passes.fold_channel_scaling import fold_channel_scaling
from mcugen.passes.fold_constants import fold_constants
from mcugen.passes.fold_transpose_into_fc import fold_transpose_into_fc
from mcugen.passes.fuse_activation import fuse_activation
from mcugen.passes.fuse_clamps import fuse_clamps
from mcugen.passes.fuse_tables import fuse_tables
from mcugen.passes.merge_duplicates import merge_duplicates
from mcugen.passes.merge_pad import merge_pad
from mcugen.passes.remove_constant_channels import remove_constant_channels
from mcugen.passes.remove_dead import remove_dead
from mcugen.passes.remove_identities import remove_identities
from mcugen.passes.views import join_in_place, view_slices
from mcugen.verify_ir import GraphError, verify

__all__ = [
    "FLOAT_PIPELINE",
    "INTEGER_PIPELINE",
    "MEMORY_PIPELINE",
    "Pass",
    "PassResult",
    "Saving",
    "apply_passes",
    "drop_softmax",
    "fold_constants",
    "remove_dead",
    "rewrite_names",
    "run_passes",
]

Pass: TypeAlias = Callable[[Graph], Graph]

# In the order they run; the first list is for graphs in float, before quantization, the second for int8.
FLOAT_PIPELINE: tuple[Pass, ...] = (
    remove_dead,
    fold_constants,
    remove_identities,
    fold_batch_norm,
    fold_channel_scaling,
    expand_batch_norm,
    merge_pad,
    fuse_activation,
    cancel_transposes,
    fold_transpose_into_fc,
)
INTEGER_PIPELINE: tuple[Pass, ...] = (
    remove_dead,
    fold_constants,
    remove_identities,
    merge_duplicates,
    merge_pad,
    fuse_activation,
    fold_channel_constants,
    fuse_tables,
    fuse_clamps,
    cancel_transposes,
    fold_transpose_into_fc,
    remove_constant_channels,
)


# After those, once, where they make the arena no larger: the others know the operators as they were.
MEMORY_PIPELINE: tuple[Pass, ...] = (view_slices, join_in_place)

# Passes of a pipeline may enable each other, so that it runs again until nothing changes, at most this often.
MAX_ROUNDS = 8


@dataclass(frozen=True)
class Saving:
    """What one pass took out of a graph, over all rounds; less than nothing is what it added.

    macs: multiply-accumulates per inference; constant_bytes: weights, biases and tables; ops: operators with code;
    copied_bytes: bytes that operators move without changing them.
    """

    name: str
    macs: int
    constant_bytes: int
    ops: int
    copied_bytes: int = 0


@dataclass(frozen=True)
class PassResult:
    """The graph after a pipeline, and what each pass of it saved, in the order of the pipeline."""

    graph: Graph
    savings: tuple[Saving, ...]


def run_passes(
    graph: Graph,
    pipeline: Sequence[Pass],
    dump: Path | None = None,
    label: str = "",
    disabled: frozenset[str] = frozenset(),
) -> Graph:
    """The graph of :func:`apply_passes`."""
    return apply_passes(graph, pipeline, dump, label, disabled).graph


def apply_passes(
    graph: Graph,
    pipeline: Sequence[Pass],
    dump: Path | None = None,
    label: str = "",
    disabled: frozenset[str] = frozenset(),
) -> PassResult:
    """Runs a pipeline until it changes nothing, verifying the graph before the first pass and after each.

    dump: a folder that receives the graph as text after every pass of the first round, and every change later.
    disabled: names of passes to leave out.
    Raises GraphError naming the pass and those before it when a pass breaks an invariant.
    """
    _verified(graph, "the front-end", [])
    enabled = [p for p in pipeline if p.__name__ not in disabled]
    sizes: dict[str, Counter[str]] = {p.__name__: Counter() for p in enabled}
    done: list[str] = []
    for round_number in range(MAX_ROUNDS):
        start = str(graph)
        for transform in enabled:
            name, before = transform.__name__, graph
            graph = transform(graph)
            _verified(graph, name, done)
            _count(sizes[name], before, graph)
            if dump is not None and (round_number == 0 or str(graph) != str(before)):
                _write(dump / f"{label}{len(done):02d}_{name}.txt", graph)
            done.append(name)
        if str(graph) == start:
            break
    return PassResult(graph, tuple(Saving(name, **counts) for name, counts in sizes.items()))


def rewrite_names() -> tuple[str, ...]:
    """The names of the passes on integer graphs: any of them may be left out."""
    return tuple(p.__name__ for p in (*INTEGER_PIPELINE, *MEMORY_PIPELINE))


def _count(saved: Counter[str], before: Graph, after: Graph) -> None:
    saved["macs"] += before.macs() - after.macs()
    saved["constant_bytes"] += _constant_bytes(before) - _constant_bytes(after)
    saved["ops"] += _with_code(before) - _with_code(after)
    saved["copied_bytes"] += _copied_bytes(before) - _copied_bytes(after)


def _constant_bytes(graph: Graph) -> int:
    return sum(t.bytes for t in graph.constants())


def _with_code(graph: Graph) -> int:
    return sum(not op.is_alias for op in graph.ops)


def _copied_bytes(graph: Graph) -> int:
    copying = (op for op in graph.ops if op.moves_data_only and not op.is_alias)
    return sum(graph.tensors[name].bytes for op in copying for name in op.outputs)


def _write(path: Path, graph: Graph) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(graph), encoding="utf-8")


def _verified(graph: Graph, maker: str, before: list[str]) -> None:
    try:
        verify(graph)
    except (GraphError, ValueError) as error:
        raise GraphError(f"after {maker} (before it: {', '.join(before) or 'nothing'}): {error}") from error
