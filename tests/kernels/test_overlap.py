"""Kernels whose output overlaps an input as far as they declare give the same bytes as with both apart.

One unit nearer (a byte, an element, or where channels must not meet, a pixel) they must fail on some case, or the
declared distance would be larger than needed. MCUGEN_CASES and MCUGEN_SEED: as in test_variants.py.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from mcugen.lowering import overlap
from mcugen.lowering.overlap import Sharing
from mcugen.lowering.variant import Variant
from tests.kernels import cases, matrix, runner
from tests.kernels.cases import Case
from tests.kernels.records import Record, make_record, overlapped
from tests.kernels.test_variants import CASES, SEED, params

SOAK_SECONDS = float(os.environ.get("MCUGEN_SOAK_SECONDS", "60"))
# Each is run at several distances.
CASES_PER_PLATFORM = max(40, CASES // 12)
DECLARED = [(v, name) for v, name in matrix.pairs() if v.overlap is not overlap.apart]
# As in generated code, where the compiler knows the sizes and may reorder more.
SPECIALISED = [(v, name) for v, name in matrix.specialised_pairs() if v.overlap is not overlap.apart]


def unit(case: Case, sharing: Sharing) -> int:
    """The least bytes by which the output can be moved: both stay aligned to their elements."""
    elements = (case.tensors[n].dtype.size for n in (case.calls[0].inputs[sharing.input], case.op.outputs[0]))
    return math.lcm(sharing.step, *elements)


def sharings(variant: Variant, record: Record) -> list[Sharing]:
    """What a record's call declares, with the smallest distance that is possible."""
    declared = [(s, unit(record.case, s)) for s in variant.overlap(record.calls[0])]
    return [replace(s, distance=-(-s.distance // step) * step) for s, step in declared]


def safe(variant: Variant, case: Case) -> list[Record]:
    """The case overlapped in all ways, as near as allowed and somewhat further."""
    r, record = Random(case.seed), make_record(case, variant)
    distances = [
        (s, s.distance + more * unit(case, s))
        for s in sharings(variant, record)
        for more in (0, r.randint(1, 3), r.randint(1, 100))
    ]
    return [overlapped(record, s, distance) for s, distance in distances]


def too_near(variant: Variant, case: Case) -> list[Record]:
    """The case overlapped one unit too far, where that is possible."""
    record = make_record(case, variant)
    size = {i: case.tensors[name].bytes for i, name in enumerate(record.calls[0].inputs)}
    return [
        overlapped(record, s, s.distance - unit(case, s))
        for s in sharings(variant, record)
        if s.distance - unit(case, s) > -size[s.input]
    ]


def single_calls(variant: Variant, count: int, seed: int) -> list[Case]:
    return [case for case in cases.cases(variant, count, seed) if len(case.calls) == 1]


def check(variant: Variant, platform_name: str, folder: Path, chosen: list[Case], *, literals: bool) -> None:
    platform = matrix.platform(platform_name)
    if not runner.has_tools(platform):
        pytest.skip(f"no compiler or emulator for {platform}")
    harness = runner.Harness.build(variant, platform, folder, chosen, literals=literals)
    report = harness.run_records([record for case in chosen for record in safe(variant, case)])
    assert not report.failures, "\n\n".join(runner.describe(f, variant, platform) for f in report.failures)
    broken = [record for case in chosen for record in too_near(variant, case)]
    if len(broken) > 20:
        assert harness.run_records(broken).failures, "works nearer than declared"


@pytest.mark.parametrize(("variant", "platform_name"), params(DECLARED))
def test_overlapped_equals_apart(variant: Variant, platform_name: str, tmp_path: Path) -> None:
    check(variant, platform_name, tmp_path, single_calls(variant, CASES_PER_PLATFORM, SEED), literals=False)


@pytest.mark.parametrize(("variant", "platform_name"), params(SPECIALISED))
def test_overlapped_equals_apart_when_specialised(
    variant: Variant, platform_name: str, tmp_path: Path
) -> None:
    check(variant, platform_name, tmp_path, single_calls(variant, 6, SEED), literals=True)


@pytest.mark.soak
def test_overlapped_equals_apart_for_long(tmp_path: Path) -> None:
    """All variants in turn on new random shapes, until the time is over."""
    end, seed, built = time.monotonic() + SOAK_SECONDS, int(time.time()), {}
    pairs = [(v, name) for v, name in DECLARED if runner.has_tools(matrix.platform(name))]
    while time.monotonic() < end:
        seed += 1
        for variant, name in pairs:
            key = f"{variant.function}-{name}"
            chosen = single_calls(variant, 40, seed)
            if key not in built:
                (tmp_path / key).mkdir()
                platform = matrix.platform(name)
                built[key] = runner.Harness.build(variant, platform, tmp_path / key, chosen)
            report = built[key].run_records([record for case in chosen for record in safe(variant, case)])
            assert not report.failures, runner.describe(report.failures[0], variant, built[key].platform)
            if time.monotonic() > end:
                return


def brute_force_distance(first_read: list[int], written: list[int], input_bytes: int) -> int:
    """The least distance at which no byte that is written is read later, by trying all."""
    for distance in range(-input_bytes, max(written) + 1):
        if all(
            end - distance <= first
            for i, end in enumerate(written)
            for first in first_read[i + 1 :]
            if first != overlap.NEVER
        ):
            return distance
    raise AssertionError("at this distance they are apart")


@pytest.mark.parametrize("seed", range(50))
def test_safe_distance_is_the_least(seed: int) -> None:
    r = Random(seed)
    parts = r.randint(1, 8)
    reads = [overlap.NEVER if r.random() < 0.1 else r.randrange(20) for _ in range(parts)]
    written = sorted(r.randint(1, 25) for _ in range(parts))
    found = overlap.safe_distance(np.array(reads), np.array(written), 20)
    assert found == brute_force_distance(reads, written, 20)
