"""Verification: the firmware in the emulator against the reference, byte for byte."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Progress, compile_model, silent
from mcugen.compiled import Compiled
from mcugen.emit.project import library_files, write_files
from mcugen.errors import McugenError, MismatchError
from mcugen.firmware import build_runner, run_cases
from mcugen.inputs import Case, TestData, generated_cases, load_test_data
from mcugen.interp import Interpreter
from mcugen.ir import Array
from mcugen.manifest import Manifest, manifest_of

Status: TypeAlias = Literal["passed", "failed", "refused", "error"]


@dataclass(frozen=True)
class Job:
    """One model on one board. inputs: a .npy or .npz file, or None for generated cases. layers: always trace."""

    model: Path
    board: str
    options: CompileOptions
    inputs: Path | None = None
    cmsis_nn: str | None = None
    layers: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a job. ``message`` says why it did not pass; ``exit_code`` is that of the error behind it."""

    model: str
    board: str
    status: Status
    message: str = ""
    exit_code: int = 0
    cases: int = 0
    golden: bool = False
    instructions: int = 0


def verify_all(jobs: Sequence[Job], workers: int, progress: Progress = silent) -> list[Outcome]:
    """The outcomes, in the order of the jobs; several processes at once where workers > 1."""
    if workers <= 1 or len(jobs) <= 1:
        return [_reported(verify(job), progress) for job in jobs]
    with ProcessPoolExecutor(min(workers, len(jobs))) as pool:
        return [_reported(outcome, progress) for outcome in pool.map(verify, jobs)]


def _reported(outcome: Outcome, progress: Progress) -> Outcome:
    progress(f"{outcome.model} on {outcome.board}: {outcome.status}")
    return outcome


def verify(job: Job) -> Outcome:
    """Compiles, builds and runs one job, and compares every output byte with the reference."""
    name = job.model.stem
    try:
        board = load_board(job.board)
        compiled = compile_model(job.model, board, job.options)
        manifest = manifest_of(compiled, "library")
        data = test_data(job.inputs, manifest)
        with tempfile.TemporaryDirectory() as folder:
            instructions = _compare(job, compiled, manifest, data, Path(folder) / "project")
    except McugenError as error:
        status: Status = "failed" if isinstance(error, MismatchError) else "error"
        if error.exit_code in (2, 3, 4):
            status = "refused"
        return Outcome(name, job.board, status, str(error), error.exit_code)
    return Outcome(
        name,
        job.board,
        "passed",
        cases=len(data.cases),
        golden=bool(data.expected),
        instructions=instructions,
    )


def test_data(path: Path | None, manifest: Manifest) -> TestData:
    """The user's cases, or generated ones."""
    if path is None:
        return TestData(generated_cases(manifest.inputs))
    return load_test_data(path, manifest.inputs, manifest.outputs)


def _compare(job: Job, compiled: Compiled, manifest: Manifest, data: TestData, project: Path) -> int:
    """Instructions of the last case. Raises MismatchError at the first difference."""
    write_files(library_files(compiled), project)
    elf = build_runner(project, manifest, compiled.board, project / "runner.elf", cmsis_nn=job.cmsis_nn)
    result = run_cases(elf, manifest, compiled.board, data.cases)
    wanted = reference_outputs(compiled, data)
    differs = any(_first_difference(g, w) for g, w in zip(result.outputs, wanted, strict=True))
    if differs or job.layers:
        _compare_layers(job, compiled, manifest, data, project)
    for i, (got, want) in enumerate(zip(result.outputs, wanted, strict=True)):
        _require_equal(got, want, f"case {i}", "reference")
    for i, (got, want) in enumerate(zip(result.outputs, data.expected, strict=False)):
        _require_equal(got, want, f"case {i}", "the outputs given")
    return result.instructions


def reference_outputs(compiled: Compiled, data: TestData) -> list[Case]:
    """What the interpreter gives for each case from the initial state."""
    interpreter = Interpreter(compiled.graph)
    results: list[Case] = []
    for case in data.cases:
        interpreter.reset()
        values = interpreter.run(case)
        results.append({name: values[name] for name in compiled.graph.outputs})
    return results


def _compare_layers(job: Job, compiled: Compiled, manifest: Manifest, data: TestData, project: Path) -> None:
    """Raises MismatchError at the first layer that differs."""
    elf = build_runner(
        project, manifest, compiled.board, project / "trace.elf", hooks=True, cmsis_nn=job.cmsis_nn
    )
    trace = run_cases(elf, manifest, compiled.board, data.cases, trace=True).trace
    interpreter = Interpreter(compiled.graph)
    for i, (case, got) in enumerate(zip(data.cases, trace, strict=True)):
        interpreter.reset()
        want = interpreter.run(case)
        for index, layer in enumerate(manifest.layers):
            where = f"case {i}, layer {index} {layer.name} ({layer.kernel})"
            names = [entry.name for entry in layer.outputs]
            _require_equal({n: got[n] for n in names}, {n: want[n] for n in names}, where, "reference")


def _require_equal(got: Case, want: Case, where: str, authority: str) -> None:
    difference = _first_difference(got, want)
    if difference:
        raise MismatchError(f"{where}: {difference} ({authority} against firmware)")


def _first_difference(got: Case, want: Case) -> str:
    """Where two sets of arrays first differ in any byte, or ""."""
    for name, expected in want.items():
        different = _different(got[name], expected)
        if different.any():
            index = np.unravel_index(int(different.argmax()), different.shape)
            position = ", ".join(str(int(i)) for i in index)
            return (
                f"{int(different.sum())} of {different.size} elements of '{name}' differ, "
                f"first at [{position}]: expected {expected[index]}, got {got[name][index]}"
            )
    return ""


def _different(got: Array, want: Array) -> Array:
    """Elements that differ in any byte."""
    a = np.ascontiguousarray(got).reshape(-1, 1).view(np.uint8)
    b = np.ascontiguousarray(want).reshape(-1, 1).view(np.uint8)
    different: Array = (a != b).any(axis=1)
    return different.reshape(want.shape)


def mismatches(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [o for o in outcomes if o.status == "failed"]


def junit(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as a JUnit XML report: refused models are skipped tests."""
    import xml.etree.ElementTree as ET

    counts = {s: sum(o.status == s for o in outcomes) for s in ("failed", "error", "refused")}
    suite = ET.Element(
        "testsuite",
        name="mcugen verify",
        tests=str(len(outcomes)),
        failures=str(counts["failed"]),
        errors=str(counts["error"]),
        skipped=str(counts["refused"]),
    )
    tags = {"failed": "failure", "error": "error", "refused": "skipped"}
    for outcome in outcomes:
        case = ET.SubElement(suite, "testcase", classname=f"mcugen.{outcome.board}", name=outcome.model)
        if outcome.status in tags:
            lines = outcome.message.splitlines() or [""]
            ET.SubElement(case, tags[outcome.status], message=lines[0]).text = outcome.message
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def markdown(outcomes: Sequence[Outcome]) -> str:
    """A table with a row per model and a column per board, and the reasons of those refused."""
    boards = list(dict.fromkeys(o.board for o in outcomes))
    by_model: dict[str, dict[str, Outcome]] = {}
    for outcome in outcomes:
        by_model.setdefault(outcome.model, {})[outcome.board] = outcome
    lines = [f"| model | {' | '.join(boards)} | remark |", f"|---|{'---|' * len(boards)}---|"]
    for model, cells in by_model.items():
        states = " | ".join(cells[b].status if b in cells else "" for b in boards)
        lines.append(f"| {model} | {states} | {_remark(list(cells.values()))} |")
    return "\n".join(lines) + "\n"


def _remark(cells: Sequence[Outcome]) -> str:
    messages = list(dict.fromkeys(o.message for o in cells if o.message))
    if not messages:
        return "equal to the golden vectors" if all(o.golden for o in cells) else "equal to the reference"
    reasons = dict.fromkeys(_reason(line) for message in messages for line in message.splitlines() if line)
    shown = list(reasons)[:3]
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return "; ".join(shown).replace("|", "/") + more


def _reason(line: str) -> str:
    """A line of an error without the file and without what names and describes a single node."""
    match = re.search(r"(\S+(?: '[^']*')?) #\d+ '[^']*': (?:needed: )?([^;]*)", line)
    return f"{match[1]}: {match[2]}" if match else line.partition(": ")[2] or line
