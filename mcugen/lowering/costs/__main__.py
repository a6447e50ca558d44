"""Measures kernels in the emulator and writes the cost tables that ``--kernels auto`` and ``explain`` use.

::

    python -m mcugen.lowering.costs                            # all cores, native kernels; a quarter of an hour
    python -m mcugen.lowering.costs --cmsis-nn FOLDER          # CMSIS-NN too (or CMSIS_NN_ROOT)
    python -m mcugen.lowering.costs --board mps2-an386 --kernel conv2d_s8      # what changed, the rest is kept
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mcugen.boards import Board, load_board
from mcugen.ir import Array
from mcugen.lowering.choice import Rules, candidates, contenders, least_scratch
from mcugen.lowering.costs import FOLDER, Model, features, load_table
from mcugen.lowering.costs.layers import layers
from mcugen.lowering.variant import LEVELS
from mcugen.measure import Sample, measure

BOARDS = ("mps2-m0", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
_SWEEPS = 4000
# Functions that apply to fewer layers have no model.
_FEWEST = 3
_TOO_LITTLE = 1e-9
_DIGITS = 4


def main() -> None:
    """Measures, fits, writes."""
    parser = argparse.ArgumentParser(prog="python -m mcugen.lowering.costs", description=__doc__)
    parser.add_argument("--board", action="append", help="may be repeated; default all with an emulator")
    parser.add_argument("--kernel", action="append", help="only these contracts, e.g. conv2d_s8")
    parser.add_argument("--cmsis-nn", metavar="FOLDER", default=os.environ.get("CMSIS_NN_ROOT"))
    arguments = parser.parse_args()
    for name in arguments.board or BOARDS:
        board = load_board(name)
        models = fitted(board, arguments.kernel, arguments.cmsis_nn)
        worst = max(models.values(), key=lambda model: model.error)
        print(f"{board.core}: {len(models)} functions, largest median error {100 * worst.error:.1f} %")
        write_table(board.core, models, partial=bool(arguments.kernel))


def fitted(board: Board, kernels: Sequence[str] | None, cmsis_nn: str | None) -> dict[str, Model]:
    """The models of the contenders for the layers, by C function."""
    # Those of "ram" are the same functions with less memory, which are a little slower.
    levels = [
        Rules(board.instruction_class, "auto", level, bool(cmsis_nn)) for level in LEVELS if level != "ram"
    ]
    samples = [sample for sample in _samples(levels) if not kernels or sample.contract.kernel in kernels]
    counts = measure(samples, board, "speed", cmsis_nn)
    groups: dict[str, list[tuple[dict[str, float], int]]] = {}
    for sample, count in zip(samples, counts, strict=True):
        groups.setdefault(sample.variant.function, []).append((features(sample.contract), count))
    return {function: fit(rows) for function, rows in groups.items() if len(rows) >= _FEWEST}


def _samples(levels: Sequence[Rules]) -> Iterator[Sample]:
    """Every layer with all that any level would consider for it, and what takes less memory without MVE."""
    for layer in layers():
        for index, call in enumerate(layer.op.lower(layer.tensors)):
            found = [v for rules in levels for v in contenders(candidates(call, rules))]
            frugal = least_scratch(call, dataclasses.replace(levels[0], optimize="ram"), lesser=True).variant
            found += [frugal] if frugal.requires != found[0].requires else []
            distinct = [v for i, v in enumerate(found) if v not in found[:i]]
            yield from (Sample(layer.op, layer.tensors, index, variant) for variant in distinct)


def fit(rows: Sequence[tuple[dict[str, float], int]]) -> Model:
    """The model with the least squares of relative errors and no negative coefficient.

    rows: features and instructions of measured layers.
    """
    names = list(rows[0][0])
    values = np.array([[row[name] for name in names] for row, _ in rows])
    counts = np.array([count for _, count in rows], dtype=np.float64)
    relative = values / np.maximum(counts, 1)[:, None]
    factors = nonnegative_least_squares(relative, np.ones(len(rows)))
    errors = np.abs(values @ factors / np.maximum(counts, 1) - 1)
    kept = {n: _rounded(float(f)) for n, f in zip(names, factors, strict=True) if f > _TOO_LITTLE}
    return Model(kept, _rounded(float(np.median(errors))), len(rows))


def nonnegative_least_squares(a: Array, b: Array) -> Array:
    """x >= 0 that makes ``a @ x`` closest to b: coordinate descent, from zero."""
    gram, target = a.T @ a, a.T @ b
    scale = np.maximum(np.diag(gram), np.finfo(float).tiny)
    x = np.zeros(a.shape[1])
    for _ in range(_SWEEPS):
        for i in range(len(x)):
            x[i] = max(x[i] + (target[i] - gram[i] @ x) / scale[i], 0.0)
    return x


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def write_table(core: str, models: dict[str, Model], partial: bool) -> None:
    """Writes a core's table; with ``partial`` the functions that were not measured keep their entries."""
    merged = {**(load_table(core) if partial else {}), **models}
    table: dict[str, Any] = {
        "core": core,
        "made_by": "python -m mcugen.lowering.costs",
        "functions": {name: dataclasses.asdict(merged[name]) for name in sorted(merged)},
    }
    (FOLDER / f"{core}.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
