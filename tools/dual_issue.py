"""How well the code of models suits the dual issue of a Cortex-M7 (mcugen/cycles/cortex_m7.py), by function.

    python tools/dual_issue.py [--kernels native] [MODEL ...]

Each model is compiled for the Cortex-M7, and for comparison for the Cortex-M4 (GCC orders instructions for the core),
and runs on the emulated Cortex-M7, where executions are counted per instruction. Models are names of MLPerf Tiny's
in the folder MCUGEN_ZOO (default ../shared/models); all four unless told otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from mcugen.boards import Board, load_board
from mcugen.compile import CompileOptions, compile_for, load_quantized
from mcugen.cycles import cortex_m7
from mcugen.cycles.disassembly import Program, disassemble
from mcugen.cycles.profile import Profile, count_blocks, profile_of
from mcugen.emit.project import library_files, write_files
from mcugen.firmware import build_runner, write_inputs
from mcugen.inputs import generated_cases
from mcugen.manifest import manifest_of

ZOO = Path(os.environ.get("MCUGEN_ZOO") or Path(__file__).resolve().parents[2] / "shared" / "models")
MODELS = ("vww_96_int8", "ic_resnet8_int8", "kws_ref_int8", "ad01_int8")
BOARD = "mps2-an500"
SECONDS = 300.0
# Functions with a smaller part of all instructions are left out.
LEAST_SHARE = 0.03


def profile(model: Path, board: Board, options: CompileOptions) -> tuple[Program, Profile]:
    """The code of one inference, and how often each instruction ran."""
    compiled = compile_for(load_quantized(model, options), model.name, board, options)
    manifest = manifest_of(compiled, "library")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        write_files(library_files(compiled), project)
        elf = build_runner(project, manifest, board, project / "plain.elf")
        case = generated_cases(manifest.inputs)[:1]
        write_inputs(project / "runner_input.bin", manifest, case, fresh_state=True, trace=False)
        program = disassemble(elf)
        blocks = count_blocks(elf, board, project, program.address_of(f"{manifest.name}_run"), SECONDS)
    return program, profile_of(program, blocks)


def row(name: str, issue: cortex_m7.Issue) -> str:
    per_cycle = issue.instructions / max(1, issue.cycles)
    return (
        f"  {name[:52]:52s} {issue.instructions:11,} instructions, {issue.share:4.0%} in pairs, "
        f"{issue.cycles:11,} cycles, {per_cycle:.2f} a cycle"
    )


def report(title: str, program: Program, counted: Profile) -> None:
    executed: dict[str, int] = defaultdict(int)
    for instruction, executions in zip(program.instructions, counted.executions, strict=True):
        executed[instruction.function] += executions
    total = sum(executed.values())
    print(row(title, cortex_m7.issue(program, counted)))
    for name in sorted(executed, key=lambda name: -executed[name]):
        if executed[name] >= LEAST_SHARE * total:
            print(row(f"  {name}", cortex_m7.issue(program, counted, [name])))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--kernels", default="native")
    arguments = parser.parse_args()
    m7, m4 = load_board(BOARD), load_board("mps2-an386")
    boards = {"compiled for Cortex-M7": m7, "compiled for Cortex-M4": as_core(m7, m4)}
    for name in arguments.models:
        print(name)
        for title, board in boards.items():
            report(
                title,
                *profile(
                    ZOO / "mlperf_tiny" / f"{name}.tflite", board, CompileOptions(kernels=arguments.kernels)
                ),
            )
    return 0


def as_core(board: Board, other: Board) -> Board:
    """The board with the compiler told of another's core."""
    return dataclasses.replace(board, core=other.core, features=other.features)


if __name__ == "__main__":
    sys.exit(main())
