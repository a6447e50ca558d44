"""Measures instruction counts and makes them the figures that tests/regression compares with.

    python tools/accept_instructions.py [--model NAME] [--board BOARD]

Prints what changed. The zoo's models come from the folder MCUGEN_ZOO (default ../shared/models); figures of models
that are not here are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.regression.figures import BOARDS, DIGITS, FILE, MODELS, committed, measured, model_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", action="append", choices=[DIGITS, *MODELS])
    parser.add_argument("--board", action="append", choices=BOARDS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    figures = committed()
    wanted = [m for m in arguments.model or [DIGITS, *MODELS] if model_path(m) is not None]
    pairs = [(model, board) for model in wanted for board in arguments.board or BOARDS]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        counts = list(pool.map(measured, *zip(*pairs, strict=True)))
    for (model, board), count in zip(pairs, counts, strict=True):
        old = figures.setdefault(model, {}).get(board)
        if old != count:
            change = "new" if old is None else f"{count / old - 1:+.2%}"
            print(f"{model} on {board}: {count:,} instructions, {change}")
        figures[model][board] = count
    ordered = {
        m: {b: figures[m][b] for b in BOARDS if b in figures[m]} for m in (DIGITS, *MODELS) if m in figures
    }
    FILE.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
