"""Measurement: instructions, memory and code size of models on boards, in the emulator."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mcugen import cycles, toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Progress, compile_for, load_quantized, silent
from mcugen.emit.project import library_files, write_files
from mcugen.firmware import build_runner, run_cases
from mcugen.inputs import generated_cases
from mcugen.manifest import Manifest, manifest_of

# Objects that are the test bench, not the model.
_BENCH_OBJECTS = ("mcugen_rt_", "runner.o")


@dataclass(frozen=True)
class LayerResult:
    """Instructions of one layer, hook included."""

    name: str
    op: str
    kernel: str
    macs: int
    instructions: int


@dataclass(frozen=True)
class BenchResult:
    """One model on one board. Instructions are of one inference; bytes as the linker placed them.

    code_bytes: everything in flash that the model brings but its constants; weight_bytes: its constants.
    stack_bytes: the deepest use measured. modelled_cycles: of a Cortex-M4, see `cycles.cortex_m4`;
    weighted_instructions: on cores with MVE, see `cycles.mve`; both only when asked for.
    """

    model: str
    board: str
    core: str
    kernels: str
    optimize: str
    instructions: int
    arena_bytes: int
    scratch_bytes: int
    code_bytes: int
    weight_bytes: int
    stack_bytes: int
    macs: int
    layers: tuple[LayerResult, ...]
    modelled_cycles: int | None = None
    weighted_instructions: int | None = None

    @property
    def choice(self) -> str:
        """Whose kernels, and the level of --optimize unless it is the usual one."""
        return self.kernels if self.optimize == "balanced" else f"{self.kernels}, {self.optimize}"


@dataclass(frozen=True)
class BenchJob:
    """cycles: whether to model cycles and weigh instructions, which takes another run."""

    model: Path
    board: str
    options: CompileOptions
    cmsis_nn: str | None = None
    cycles: bool = False


def bench_all(jobs: Sequence[BenchJob], workers: int, progress: Progress = silent) -> list[BenchResult]:
    """Results in the order of the jobs. Raises the first error of any job."""
    results = []
    with ProcessPoolExecutor(max(1, min(workers, len(jobs)))) as pool:
        for job, result in zip(jobs, pool.map(bench, jobs), strict=True):
            progress(f"{job.model.stem} on {job.board}: {result.instructions:,} instructions")
            results.append(result)
    return results


def bench(job: BenchJob) -> BenchResult:
    """Builds and runs one model on one board: once plain, once with the hooks that count per layer.

    The board's memory is not a limit here: the emulator's is.
    """
    board = load_board(job.board)
    quantized = load_quantized(job.model, job.options)
    compiled = compile_for(quantized, job.model.name, board, job.options)
    manifest = manifest_of(compiled, "library")
    case = generated_cases(manifest.inputs)[:1]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        write_files(library_files(compiled), project)
        elf = build_runner(project, manifest, board, project / "plain.elf", cmsis_nn=job.cmsis_nn)
        # The second of two equal cases is measured: what a first run warms up is not counted.
        plain = run_cases(elf, manifest, board, case * 2)
        hooked = build_runner(
            project, manifest, board, project / "hooks.elf", hooks=True, cmsis_nn=job.cmsis_nn
        )
        per_layer = run_cases(hooked, manifest, board, case * 2).layer_instructions
        modelled = cycles.measure(elf, manifest, board, case * 2) if job.cycles else None
        code, weights = flash_bytes(elf)
    return BenchResult(
        model=job.model.stem,
        board=board.name,
        core=board.core,
        kernels=job.options.kernels,
        optimize=compiled.program.optimize,
        instructions=plain.instructions,
        arena_bytes=compiled.memory.arena_bytes,
        scratch_bytes=compiled.memory.scratch_bytes,
        code_bytes=code,
        weight_bytes=weights,
        stack_bytes=plain.stack_bytes,
        macs=manifest.macs,
        layers=_layer_results(manifest, per_layer),
        modelled_cycles=modelled.total if modelled else None,
        weighted_instructions=modelled.weighted if modelled else None,
    )


def _layer_results(manifest: Manifest, instructions: Sequence[int]) -> tuple[LayerResult, ...]:
    return tuple(
        LayerResult(layer.name, layer.op, layer.kernel, layer.macs, count)
        for layer, count in zip(manifest.layers, instructions, strict=True)
    )


def flash_bytes(elf: Path) -> tuple[int, int]:
    """(code, constants) in flash that the model brings, the test bench left out."""
    code = weights = 0
    for section in toolchain.input_sections(elf):
        if section.file.startswith(_BENCH_OBJECTS):
            continue
        if section.name.startswith(".rodata.mcugen_weights"):
            weights += section.size
        elif section.name.startswith((".text", ".rodata", ".data")):
            code += section.size
    return code, weights


def as_json(results: Sequence[BenchResult]) -> dict[str, Any]:
    """The documented form, see docs/BENCH.md."""
    return {"results": [_entry(result) for result in results]}


def _entry(result: BenchResult) -> dict[str, Any]:
    """A result as JSON; figures that were not asked for, or do not exist on its core, are left out."""
    return {key: value for key, value in asdict(result).items() if value is not None}


def modelled_columns(results: Sequence[BenchResult]) -> list[tuple[str, list[str]]]:
    """Heading and cells, in the order of the results, of the modelled quantities that any result has."""
    columns = [
        ("modelled cycles", [r.modelled_cycles for r in results]),
        ("weighted instructions", [r.weighted_instructions for r in results]),
    ]
    cells = [(heading, ["" if f is None else f"{f:,}" for f in figures]) for heading, figures in columns]
    return [(heading, column) for heading, column in cells if any(column)]


def markdown(results: Sequence[BenchResult]) -> str:
    """A table of the results."""
    modelled = modelled_columns(results)
    lines = [
        "| model | board | core | kernels | instructions | per MAC | arena | scratch | code | weights | stack |"
        + "".join(f" {heading} |" for heading, _ in modelled),
        "|---|---|---|---|--:|--:|--:|--:|--:|--:|--:|" + "--:|" * len(modelled),
    ]
    for i, r in enumerate(results):
        per_mac = f"{r.instructions / r.macs:.2f}" if r.macs else ""
        figures = (r.arena_bytes, r.scratch_bytes, r.code_bytes, r.weight_bytes, r.stack_bytes)
        lines.append(
            f"| {r.model} | {r.board} | {r.core} | {r.choice} | {r.instructions:,} | {per_mac} | "
            + " | ".join(f"{figure:,}" for figure in figures)
            + " |"
            + "".join(f" {column[i]} |" for _, column in modelled)
        )
    return "\n".join(lines) + "\n"
