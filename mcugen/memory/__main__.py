"""``python -m mcugen.memory INSTANCE.csv``: plan an instance in minimalloc's CSV format and print the result.

Exit codes: 0; 2 when the file or an option cannot be used; 4 when the peak is above ``--capacity``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from mcugen.errors import DoesNotFitError, InputError, McugenError
from mcugen.memory import plan
from mcugen.memory.instances import read_csv
from mcugen.memory.problem import Plan


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        problem = read_csv(options.instance)
        if not problem.buffers:
            raise InputError("no buffers", where=str(options.instance))
        start = time.perf_counter()
        result = plan(problem, seconds=options.seconds, capacity=options.capacity)
        _print(result, time.perf_counter() - start, options.json)
        _require_capacity(result, options.capacity)
    except McugenError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mcugen.memory", description="Plan a memory instance.")
    parser.add_argument(
        "instance", type=Path, metavar="INSTANCE.csv", help="columns id,lower,upper,size[,alignment]"
    )
    parser.add_argument(
        "--capacity", type=_count, metavar="N", help="stop at a peak of N bytes; exit 4 if it is above"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=60.0, metavar="S", help="search budget (default: 60)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with the offset of every buffer")
    return parser


def _count(text: str) -> int:
    value = int(text.replace(",", ""))
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _print(result: Plan, seconds: float, as_json: bool) -> None:
    if as_json:
        document = {
            "peak": result.peak,
            "lower_bound": result.lower_bound,
            "gap": result.gap,
            "seconds": round(seconds, 3),
            "method": result.method,
            "proven": result.proven,
            "nodes": result.nodes,
            "clocked": result.clocked,
            "offsets": dict(result.offsets),
        }
        print(json.dumps(document, indent=2))
        return
    share = f" ({100 * result.gap / result.lower_bound:.2f} %)" if result.gap else ""
    proof = "" if not result.proven else ", proven smallest"
    print(f"peak         {result.peak:>12,} bytes")
    print(f"lower bound  {result.lower_bound:>12,} bytes")
    print(f"gap          {result.gap:>12,} bytes{share}")
    print(f"seconds      {seconds:>12.3f}")
    print(f"method       {result.method}{proof}")
    if result.clocked:
        print("note: the clock ended the search early; a faster machine may find a smaller plan")


def _require_capacity(result: Plan, capacity: int | None) -> None:
    if capacity is not None and result.peak > capacity:
        raise DoesNotFitError(
            f"the peak of {result.peak:,} bytes is above the capacity of {capacity:,}",
            hint=f"no plan can need less than {result.lower_bound:,} bytes; a longer --seconds may find a smaller one",
        )


if __name__ == "__main__":
    sys.exit(main())
