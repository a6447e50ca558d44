"""Measures kernels one by one: many calls, each a layer of its own, in one firmware in the emulator."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mcugen.boards import Board
from mcugen.compiled import Compiled
from mcugen.emit.project import library_files, write_files
from mcugen.firmware import build_runner, run_cases
from mcugen.inputs import generated_cases
from mcugen.ir import Graph, Op, Tensor, Tensors
from mcugen.lowering import Optimize, Program, Step
from mcugen.lowering.call import KernelCall
from mcugen.lowering.variant import Variant
from mcugen.manifest import manifest_of
from mcugen.memory.liveness import plan_memory

# Layers in one firmware; its compiler is one process, so that several firmwares use several processors.
_BATCH = 24


@dataclass(frozen=True)
class Sample:
    """One kernel call to be measured: call number ``index`` of an operator, computed by a variant."""

    op: Op
    tensors: Tensors = field(repr=False)
    index: int
    variant: Variant

    @property
    def contract(self) -> KernelCall:
        return self.op.lower(self.tensors)[self.index]


def measure(
    samples: Sequence[Sample], board: Board, optimize: Optimize = "balanced", cmsis_nn: str | None = None
) -> list[int]:
    """Instructions of each sample, the hook around a layer included, on random inputs.

    Raises ToolError when compiler, emulator or CMSIS-NN are missing or fail.
    """
    batches = list(_batches(samples, board.twin().arena_bytes))
    with ThreadPoolExecutor(max(1, min(len(batches), os.cpu_count() or 1))) as pool:
        results = pool.map(lambda batch: _measure_batch(batch, board, optimize, cmsis_nn), batches)
        return [count for counts in results for count in counts]


def _batches(samples: Iterable[Sample], ram: int) -> Iterator[list[Sample]]:
    """Samples in order, cut where a firmware has enough layers or half of the memory."""
    batch: list[Sample] = []
    used = 0
    for sample in samples:
        need = sum(sample.tensors[n].bytes for n in (*sample.op.inputs, *sample.op.outputs) if n)
        if batch and (len(batch) == _BATCH or used + need > ram // 2):
            yield batch
            batch, used = [], 0
        batch.append(sample)
        used += need
    if batch:
        yield batch


def _measure_batch(
    samples: Sequence[Sample], board: Board, optimize: Optimize, cmsis_nn: str | None
) -> tuple[int, ...]:
    program = side_by_side(samples, board, optimize)
    compiled = Compiled("candidates", "candidates", b"", board, program, plan_memory(program))
    return run_layers(compiled, cmsis_nn)


def run_layers(compiled: Compiled, cmsis_nn: str | None) -> tuple[int, ...]:
    """Instructions of each layer of a compiled model, the hook around it included, on random inputs.

    Raises ToolError.
    """
    manifest, board = manifest_of(compiled, "library"), compiled.board
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        write_files(library_files(compiled), project)
        elf = build_runner(project, manifest, board, project / "runner.elf", hooks=True, cmsis_nn=cmsis_nn)
        # The second of two equal cases is measured, as in `bench`.
        case = generated_cases(manifest.inputs)[:1]
        return run_cases(elf, manifest, board, case * 2).layer_instructions


def side_by_side(samples: Sequence[Sample], board: Board, optimize: Optimize) -> Program:
    """A program with one step per sample; each operator has inputs of its own, which its samples share."""
    tensors: dict[str, Tensor] = {}
    steps: list[Step] = []
    numbers: dict[int, int] = {}
    for k, sample in enumerate(samples):
        number = numbers.setdefault(id(sample.op), len(numbers))
        names = {n: f"{n}/{number}" for n in sample.op.inputs if n}
        names |= {n: f"{n}/candidate {k}" for n in sample.op.outputs}
        op = sample.op.rewired(names)
        tensors |= {new: sample.tensors[old].replace(name=new) for old, new in names.items()}
        steps.append(Step((op,), (sample.variant.specialise(op.lower(tensors)[sample.index]),)))
    ops = tuple(op for step in steps for op in step.ops)
    read = dict.fromkeys(n for op in ops for n in op.inputs if n)
    inputs = tuple(n for n in read if not tensors[n].is_const and not tensors[n].variable)
    graph = Graph(tensors, ops, inputs, ops[-1].outputs, "candidates")
    return Program(graph, tuple(steps), board.instruction_class, "auto", optimize)
