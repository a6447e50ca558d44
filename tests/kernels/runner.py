"""Builds the driver around one kernel variant, for a board or for this computer, and runs cases on it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mcugen import emulator, toolchain
from mcugen.boards import Board, load_board
from mcugen.errors import ToolError
from mcugen.lowering.call import ParamValue
from mcugen.lowering.variant import Variant
from mcugen.resources import resource_dir
from tests.kernels.cases import Case
from tests.kernels.records import Record, make_record, pack_file

DRIVER = Path(__file__).resolve().parent / "driver"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
TIMEOUT = 300.0

_GUARD = {"below": "wrote below the buffer", "above": "wrote above the buffer"}


@dataclass(frozen=True)
class Failure:
    """A case that went wrong, and how."""

    case: Case
    message: str


@dataclass(frozen=True)
class Report:
    """What a run gave: failures (a few at most), and on boards mean instructions per case, and the most bytes of stack
    that a call took, its own frame included."""

    cases: int
    failures: tuple[Failure, ...]
    instructions: float | None = None
    stack_bytes: int = 0


@dataclass(frozen=True)
class Platform:
    """Where a variant runs: a board under the emulator, or this computer with a compiler (``host``)."""

    name: str
    board: Board | None = None
    host_compiler: str = ""

    def __str__(self) -> str:
        return self.name


def on_board(name: str) -> Platform:
    return Platform(name, board=load_board(name))


def on_host(compiler: str) -> Platform:
    return Platform(f"host-{compiler}", host_compiler=compiler)


# ---- building ------------------------------------------------------------------------------------------


def wrapper_source(variant: Variant, sample: Record) -> str:
    """C that calls the variant with parameters unknown at compile time."""
    body = f"    {variant.function}(params{_arguments(sample)});\n"
    return _wrapper(variant, sample, "", body)


def specialised_source(variant: Variant, samples: list[Record]) -> str:
    """C that calls the variant with literal parameters, one function per call, as generated code does."""
    functions, body = "", ""
    for i, (sample, call) in enumerate((s, call) for s in samples for call in s.calls):
        literals = ", ".join(_literal(value) for _, value in call.params)
        functions += (
            f"static const {call.struct} params_{i} = {{{literals}}};\n\n"
            f"__attribute__((noinline)) static void call_{i}(void *const *arguments)\n"
            f"{{\n    {call.function}(&params_{i}{_arguments(sample)});\n}}\n\n"
        )
        body += (
            f"    if (memcmp(params, &params_{i}, sizeof params_{i}) == 0) {{\n"
            f"        call_{i}(arguments);\n        return;\n    }}\n"
        )
    return _wrapper(variant, samples[0], "#include <string.h>\n\n" + functions, body)


def _wrapper(variant: Variant, sample: Record, functions: str, body: str) -> str:
    return (
        f'#include "{variant.header}"\n'
        '#include "driver.h"\n\n'
        f"{functions}"
        f"const uint32_t check_params_size = sizeof({sample.calls[0].struct});\n"
        f"const uint32_t check_argument_count = {len(sample.arguments[0])};\n\n"
        "__attribute__((noinline)) void check_call(const void *params, void *const *arguments)\n"
        f"{{\n{body}}}\n"
    )


def _arguments(sample: Record) -> str:
    return "".join(f", arguments[{i}]" for i in range(len(sample.arguments[0])))


def _literal(value: ParamValue) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(map(_literal, value)) + "}"
    if isinstance(value, float):
        return f"{value.hex()}F"
    return "INT32_MIN" if value == -(2**31) else str(value)


@dataclass(frozen=True)
class Harness:
    """The driver around one variant, built for a platform in ``folder``; `run` checks cases with it."""

    variant: Variant
    platform: Platform
    folder: Path
    program: Path

    @staticmethod
    def build(
        variant: Variant, platform: Platform, folder: Path, samples: list[Case], *, literals: bool = False
    ) -> Harness:
        """samples: cases that suit the variant; the first is enough, except with ``literals``, where the
        kernel is specialised for each of them and computes nothing else.

        Raises ToolError if a compiler refuses the kernel.
        """
        records = [make_record(case, variant) for case in (samples if literals else samples[:1])]
        source = specialised_source(variant, records) if literals else wrapper_source(variant, records[0])
        wrapper = folder / f"{variant.kernel}_{variant.name}.c"
        wrapper.write_text(source, encoding="utf-8")
        if platform.board is None:
            program = _build_host(wrapper, platform.host_compiler, folder)
        else:
            program = _build_board(wrapper, variant, platform.board, folder)
        return Harness(variant, platform, folder, program)

    def run(self, cases: list[Case]) -> Report:
        """Runs cases that suit the variant and compares every byte that the kernel may or may not write."""
        return self.run_records([make_record(case, self.variant) for case in cases])

    def run_records(self, records: list[Record]) -> Report:
        """As `run`, for cases that are made ready already."""
        output, complete = self._execute(records, announce=False)
        failures = [line.split()[1:] for line in output.splitlines() if line.startswith("FAIL ")]
        if not complete:
            found = tuple(_failure(records, f) for f in failures)
            return Report(len(records), found or (self._crash(records),))
        done = next(line for line in output.splitlines() if line.startswith("DONE ")).split()
        count, ticks = int(done[1]), int(done[2]) * 1000 + int(done[3])
        board = self.platform.board
        instructions = None
        if board is not None and board.emulator is not None:
            instructions = ticks * board.emulator.instructions_per_tick / max(1, count)
        return Report(count, tuple(_failure(records, f) for f in failures), instructions, int(done[4]))

    def _execute(self, records: list[Record], *, announce: bool) -> tuple[str, bool]:
        """(what the driver printed, whether it came to its end)."""
        (self.folder / "cases.bin").write_bytes(pack_file(records, announce=announce))
        if self.platform.board is not None:
            result = emulator.run(self.program, self.platform.board, self.folder, TIMEOUT, check=False)
            return result.stdout, result.exit_code == 0
        process = subprocess.run(
            [self.program], cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        return process.stdout + process.stderr, process.returncode == 0

    def _crash(self, records: list[Record]) -> Failure:
        """Runs once more, with the cases announced, to see which one ends the program."""
        try:
            output, _ = self._execute(records, announce=True)
        except ToolError as error:
            output = error.message
        before, _, rest = output.rpartition("CASE ")
        number, _, message = rest.partition("\n")
        if not number.isdigit():
            return Failure(records[0].case, f"stopped outside the cases:\n{before}{rest}")
        return Failure(records[int(number)].case, f"stopped: {message.strip()[:3000]}")


def _includes() -> tuple[Path, ...]:
    return (resource_dir("firmware") / "kernels", DRIVER)


def _build_host(wrapper: Path, compiler: str, folder: Path) -> Path:
    program = folder / "check"
    flags = ["-std=c11", "-O1", "-g", "-ffp-contract=off", *WARNINGS, *SANITIZERS]
    sources = [wrapper, _host_object(compiler, "driver.c"), _host_object(compiler, "port_host.c")]
    includes = [f"-I{path}" for path in _includes()]
    _run_tool([compiler, *flags, *includes, *map(str, sources), "-o", str(program)])
    return program


@functools.cache
def _host_object(compiler: str, name: str) -> Path:
    """A part of the driver, compiled once per process."""
    target = _scratch_folder() / f"{compiler}-{Path(name).stem}.o"
    flags = ["-std=c11", "-O1", *WARNINGS, *SANITIZERS]
    _run_tool([compiler, *flags, "-c", str(DRIVER / name), "-o", str(target)])
    return target


@functools.cache
def _scratch_folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="mcugen-kernels-")
    _KEPT.append(folder)  # removed when the process ends
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _run_tool(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ToolError(f"failed: {' '.join(command)}\n{result.stderr}")


def _build_board(wrapper: Path, variant: Variant, board: Board, folder: Path) -> Path:
    largest = max((m for m in board.memories if m.kind == "ram"), key=lambda m: m.size)
    library, includes = cmsis_nn_sources(variant)
    options = toolchain.CompileOptions(
        include_dirs=_includes(),
        defines=(f'DRIVER_POOL_SECTION=".mcugen.{largest.name}"',),
        extra=(*WARNINGS, *(f"-isystem{folder}" for folder in includes)),
    )
    sources = [wrapper, DRIVER / "driver.c", DRIVER / "port_target.c"]
    objects = toolchain.compile_sources(board, sources, _with_runtime(options), jobs=1)
    objects += _library_objects(board, library, includes)
    objects += _runtime_objects(board)
    return toolchain.link(board, objects, folder / "check.elf")


def _with_runtime(options: toolchain.CompileOptions) -> toolchain.CompileOptions:
    runtime = resource_dir("firmware") / "runtime"
    return toolchain.CompileOptions(
        (*options.include_dirs, runtime), options.defines, options.optimize, options.extra
    )


@functools.cache
def _runtime_objects(board: Board) -> list[Path]:
    options = _with_runtime(toolchain.CompileOptions())
    return toolchain.compile_sources(board, toolchain.runtime_sources(), options, jobs=1)


@functools.cache
def _library_objects(board: Board, sources: tuple[Path, ...], includes: tuple[Path, ...]) -> list[Path]:
    return toolchain.compile_sources(board, sources, toolchain.CompileOptions(includes), jobs=2)


def cmsis_nn_sources(variant: Variant) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """(sources, include folders) of the user's CMSIS-NN if the variant calls it, else nothing."""
    if not variant.header.startswith("cmsis_nn/"):
        return (), ()
    root = Path(os.environ["CMSIS_NN_ROOT"])
    sources = (path for path in (root / "Source").rglob("*.c") if not path.stem.endswith(("_f16", "_f32")))
    return tuple(sorted(sources)), (root / "Include",)


def has_tools(platform: Platform) -> bool:
    """Whether this computer can build for the platform and run there."""
    if platform.board is None:
        return shutil.which(platform.host_compiler) is not None
    try:
        toolchain.find_toolchain()
        emulator.find_qemu()
    except ToolError:
        return False
    return True


# ---- reports -------------------------------------------------------------------------------------------


def _failure(records: list[Record], fields: list[str]) -> Failure:
    """A driver's report "case buffer what offset expected got" in words."""
    case_index, buffer_index, offset, expected, got = (int(fields[i]) for i in (0, 1, 3, 4, 5))
    record, what = records[case_index], fields[2]
    if what in ("signature", "size"):
        return Failure(record.case, f"{what}: {expected} expected, the case has {got}")
    label = record.buffers[buffer_index].label
    problem = _GUARD.get(what, f"{what} differs")
    return Failure(record.case, f"'{label}' {problem}: byte {offset} is {got}, expected {expected}")


def describe(failure: Failure, variant: Variant, platform: Platform) -> str:
    """The failure with the case and the command that repeats it."""
    return (
        f"{variant.function} on {platform}: {failure.message}\n{failure.case}\n"
        f"repeat: python -m tests.kernels.check --kernel {variant.kernel} --variant {variant.name} "
        f"--on {platform} --case {failure.case.seed}"
    )
