"""Builds the runner around a generated project and runs it in the emulator."""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcugen import emulator, toolchain
from mcugen.boards import Board, load_board
from mcugen.cmsis_nn_source import find_cmsis_nn
from mcugen.errors import ToolError
from mcugen.inputs import load_test_data, to_user_layout
from mcugen.ir import Array
from mcugen.manifest import Manifest, TensorEntry, read_manifest
from mcugen.resources import resource_dir

# Seconds the emulator may take: a start, and so many per million MACs and case (a scalar core's worst seen is 60
# instructions per MAC; QEMU runs some 100 million a second, less on a busy machine).
_BASE_SECONDS, _SECONDS_PER_MILLION_MACS = 60.0, 10.0


@dataclass(frozen=True)
class RunResult:
    """What the runner reported.

    outputs: per case, arrays by output name. ticks: of the last case; layer_ticks: of its layers, with hooks.
    trace: per case and layer output, arrays by tensor name, when asked for. stack_bytes: deepest use by the model.
    """

    outputs: tuple[Mapping[str, Array], ...]
    trace: tuple[Mapping[str, Array], ...]
    instructions: int
    layer_instructions: tuple[int, ...]
    stack_bytes: int


def build_runner(
    project: Path,
    manifest: Manifest,
    board: Board,
    elf: Path,
    *,
    hooks: bool = False,
    cmsis_nn: str | None = None,
    copy_hook: bool = False,
) -> Path:
    """Compiles the model and the runner for the board and links them for its emulator.

    copy_hook: copies between memories are left to the runner, which does them as late as may be.
    cmsis_nn: the path given for CMSIS-NN, used when the model calls it.
    Raises ToolError when the compiler or CMSIS-NN is missing or fails, DoesNotFitError when a memory overflows.
    """
    objects = compile_library(project, manifest, board, hooks=hooks, cmsis_nn=cmsis_nn, copy_hook=copy_hook)
    objects += compile_runner(project, manifest, board, hooks=hooks, copy_hook=copy_hook)
    return toolchain.link(board, objects, elf, memory_map=board.twin())


def compile_runner(
    project: Path, manifest: Manifest, board: Board, *, hooks: bool = False, copy_hook: bool = False
) -> list[Path]:
    """The objects of the program around the model: mcugen's runner and the runtime."""
    macro, runtime = manifest.name.upper(), toolchain.runtime_sources()
    options = toolchain.CompileOptions(
        include_dirs=(*(project / d for d in manifest.include_dirs), runtime[0].parent),
        defines=(
            f"MODEL={manifest.name}",
            f'MODEL_HEADER="{manifest.name}.h"',
            _memory_define(manifest),
            f"MODEL_LAYER_COUNT={macro}_LAYER_COUNT",
            *((f"MODEL_EXTERNAL_IO_BYTES={macro}_EXTERNAL_IO_BYTES",) if manifest.external_io else ()),
            *_streaming(manifest),
            *((f"{macro}_HOOKS", "MODEL_HOOKS") if hooks else ()),
            *((f"{macro}_COPY_HOOK", "MODEL_COPY_HOOK") if copy_hook else ()),
        ),
    )
    objects = toolchain.compile_sources(board, [resource_dir("firmware") / "runner" / "runner.c"], options)
    return objects + toolchain.compile_sources(board, runtime, toolchain.CompileOptions((runtime[0].parent,)))


def _memory_define(manifest: Manifest) -> str:
    """The macro that tells the runner of the arena, or of several regions."""
    macro = manifest.name.upper()
    if not manifest.regions:
        return f"MODEL_ARENA_SIZE={macro}_ARENA_SIZE"
    entries = (f'X({r.name},{macro}_{r.name.upper()}_SIZE,"{r.section}")' for r in manifest.regions)
    return f"MODEL_REGIONS(X)={' '.join(entries)}"


def _streaming(manifest: Manifest) -> tuple[str, ...]:
    """What the runner needs to know of an input that it gives by rows."""
    names = [entry.name for entry in manifest.inputs]
    if manifest.streamed_input is None:
        return ()
    number = names.index(manifest.streamed_input)
    field = "input" if len(names) == 1 else f"input_{number}"
    macro = f"{manifest.name}_{field}".upper()
    return (
        f"MODEL_STREAMED_INPUT={number}u",
        f"MODEL_SET_ROWS={manifest.name}_set_{field}_rows",
        f"MODEL_ROWS={macro}_ROWS",
        f"MODEL_ROW_BYTES={macro}_ROW_BYTES",
    )


def compile_library(
    project: Path,
    manifest: Manifest,
    board: Board,
    *,
    hooks: bool = False,
    cmsis_nn: str | None = None,
    copy_hook: bool = False,
) -> list[Path]:
    """The objects of the model itself, and of CMSIS-NN when it calls that."""
    include_dirs = tuple(project / d for d in manifest.include_dirs)
    library: list[Path] = []
    if manifest.uses_cmsis_nn:
        source = find_cmsis_nn(cmsis_nn)
        include_dirs += tuple(source.include_dirs)
        library = toolchain.compile_sources(
            board, list(source.sources), toolchain.CompileOptions(include_dirs)
        )
    macro = manifest.name.upper()
    defines = ((f"{macro}_HOOKS",) if hooks else ()) + ((f"{macro}_COPY_HOOK",) if copy_hook else ())
    options = toolchain.CompileOptions(include_dirs, defines, manifest.compiler_flag)
    return toolchain.compile_sources(board, [project / s for s in manifest.sources], options) + library


def cmsis_nn_include_dirs(path: str | None) -> tuple[Path, ...]:
    """The include folders of the user's CMSIS-NN. Raises ToolError when there is none."""
    return tuple(find_cmsis_nn(path).include_dirs)


def run_cases(
    elf: Path,
    manifest: Manifest,
    board: Board,
    cases: Sequence[Mapping[str, Array]],
    *,
    fresh_state: bool = True,
    trace: bool = False,
    guard: int = 0,
) -> RunResult:
    """Runs inputs (arrays by name, stored layout and type) one after the other in the emulator.

    fresh_state: reset variables before each case. trace and guard need an ELF built with hooks. guard: a byte, not
    0, with which all of the arena is filled before each layer that holds nothing then by the plan; a layer that
    writes where the plan leaves the arena unused ends the program. Outputs that are the same for two such bytes
    show that nothing unused is read. Instructions then include that work.
    Raises ToolError when the program fails or gives less than it should.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_inputs(work / "runner_input.bin", manifest, cases, fresh_state, trace, guard)
        seconds = _BASE_SECONDS + len(cases) * math.ceil(manifest.macs / 1e6) * _SECONDS_PER_MILLION_MACS
        printed = emulator.run(elf, board, work, seconds).stdout
        outputs = _read_arrays(work / "runner_output.bin", manifest.outputs, len(cases))
        traced = tuple(t for layer in manifest.layers for t in layer.outputs)
        traces = _read_arrays(work / "runner_trace.bin", traced, len(cases)) if trace else ()
    return _result(printed, board, outputs, traces)


def write_inputs(
    path: Path,
    manifest: Manifest,
    cases: Sequence[Mapping[str, Array]],
    fresh_state: bool,
    trace: bool,
    guard: int = 0,
) -> None:
    """The file that the runner reads: its header, then the inputs of each case."""
    with path.open("wb") as stream:
        stream.write(struct.pack("<4I", len(cases), fresh_state, trace, guard))
        for case in cases:
            for entry in manifest.inputs:
                stream.write(np.ascontiguousarray(case[entry.name]).tobytes())


def _read_arrays(path: Path, entries: Sequence[TensorEntry], cases: int) -> tuple[Mapping[str, Array], ...]:
    data = path.read_bytes()
    sizes = [entry.tensor().bytes for entry in entries]
    if len(data) != cases * sum(sizes):
        raise ToolError(f"the runner wrote {len(data)} bytes to {path.name}, {cases * sum(sizes)} are needed")
    results: list[Mapping[str, Array]] = []
    position = 0
    for _ in range(cases):
        arrays = {}
        for entry, size in zip(entries, sizes, strict=True):
            raw = np.frombuffer(data, dtype=np.uint8, count=size, offset=position)
            arrays[entry.name] = raw.view(np.dtype(entry.dtype)).reshape(entry.shape)
            position += size
        results.append(arrays)
    return tuple(results)


def _result(
    printed: str,
    board: Board,
    outputs: tuple[Mapping[str, Array], ...],
    trace: tuple[Mapping[str, Array], ...],
) -> RunResult:
    machine = board.twin().emulator
    assert machine is not None
    per_tick = machine.instructions_per_tick
    lines = [line.split() for line in printed.splitlines()]
    figures = {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}
    layers = [int(words[2]) for words in lines if len(words) == 3 and words[0] == "layer"]
    if not {"ticks", "stack"} <= figures.keys():
        raise ToolError(f"the runner ended without its report:\n{printed[-500:]}")
    return RunResult(
        outputs,
        trace,
        round(figures["ticks"] * per_tick),
        tuple(round(t * per_tick) for t in layers),
        figures["stack"],
    )


@dataclass(frozen=True)
class ProjectRun:
    """The outputs of `mcugen run`: arrays in the model file's layout, [cases, *shape], by output name."""

    manifest: Manifest
    outputs: Mapping[str, Array]
    instructions: int
    stack_bytes: int

    def real_outputs(self) -> dict[str, Array]:
        """The real values of the outputs."""
        return {entry.name: _real(entry, self.outputs[entry.name]) for entry in self.manifest.outputs}

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "instructions": self.instructions,
            "stack_bytes": self.stack_bytes,
            "outputs": {name: values.tolist() for name, values in self.real_outputs().items()},
        }


def _real(entry: TensorEntry, values: Array) -> Array:
    if entry.scale is None:
        return values
    return (values.astype(np.float64) - (entry.zero_point or 0)) * entry.scale


def run_project(
    project: Path, inputs: Path | None, cmsis_nn: str | None, progress: Callable[[str], None]
) -> ProjectRun:
    """Builds the runner around a project for its board and runs the cases of a file, or one of zeros.

    Stateful models keep their state from case to case. Raises InputError, ToolError.
    """
    manifest = read_manifest(project)
    board = load_board(manifest.board)
    cases = _project_cases(manifest, inputs)
    with tempfile.TemporaryDirectory() as folder:
        progress("building the firmware")
        elf = build_runner(project, manifest, board, Path(folder) / "runner.elf", cmsis_nn=cmsis_nn)
        progress(f"running {len(cases)} cases on {board.twin().name}")
        result = run_cases(elf, manifest, board, cases, fresh_state=False)
    outputs = {
        entry.name: np.stack([to_user_layout(entry, case[entry.name]) for case in result.outputs])
        for entry in manifest.outputs
    }
    return ProjectRun(manifest, outputs, result.instructions, result.stack_bytes)


def _project_cases(manifest: Manifest, inputs: Path | None) -> tuple[Mapping[str, Array], ...]:
    if inputs is not None:
        return load_test_data(inputs, manifest.inputs).cases
    return ({e.name: np.full(e.shape, e.zero_point or 0, dtype=e.dtype) for e in manifest.inputs},)
