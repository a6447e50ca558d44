"""Graph passes: pure, idempotent functions from a graph to a graph, each exact for integer graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from mcugen.ir import Graph
from mcugen.passes.cancel_transposes import cancel_transposes
from mcugen.passes.expand_batch_norm import expand_batch_norm
from mcugen.passes.fold_batch_norm import fold_batch_norm
from mcugen.passes.fold_constants import fold_constants
from mcugen.passes.fold_transpose_into_fc import fold_transpose_into_fc
from mcugen.passes.fuse_activation import fuse_activation
from mcugen.passes.merge_pad import merge_pad
from mcugen.passes.remove_dead import remove_dead
from mcugen.passes.remove_identities import remove_identities
from mcugen.verify_ir import GraphError, verify

__all__ = ["FLOAT_PIPELINE", "INTEGER_PIPELINE", "Pass", "fold_constants", "remove_dead", "run_passes"]

Pass: TypeAlias = Callable[[Graph], Graph]

# In the order they run; the first list is for graphs in float, before quantization, the second for int8.
FLOAT_PIPELINE: tuple[Pass, ...] = (
    remove_dead,
    fold_constants,
    remove_identities,
    fold_batch_norm,
    expand_batch_norm,
    merge_pad,
    fuse_activation,
    cancel_transposes,
    fold_transpose_into_fc,
    remove_dead,
)
INTEGER_PIPELINE: tuple[Pass, ...] = (
    remove_dead,
    fold_constants,
    remove_identities,
    merge_pad,
    fuse_activation,
    cancel_transposes,
    fold_transpose_into_fc,
    remove_dead,
)


def run_passes(graph: Graph, pipeline: Sequence[Pass], dump: Path | None = None, label: str = "") -> Graph:
    """The graph after all passes of a pipeline, verified before the first and after each.

    dump: a folder that receives the graph as text after every pass.
    Raises GraphError naming the pass and those before it when a pass breaks an invariant.
    """
    _verified(graph, "the front-end", [])
    done: list[str] = []
    for index, transform in enumerate(pipeline):
        graph = transform(graph)
        _verified(graph, transform.__name__, done)
        done.append(transform.__name__)
        if dump is not None:
            dump.mkdir(parents=True, exist_ok=True)
            (dump / f"{label}{index:02d}_{transform.__name__}.txt").write_text(str(graph), encoding="utf-8")
    return graph


def _verified(graph: Graph, maker: str, before: list[str]) -> None:
    try:
        verify(graph)
    except (GraphError, ValueError) as error:
        raise GraphError(f"after {maker} (before it: {', '.join(before) or 'nothing'}): {error}") from error
