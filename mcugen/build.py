"""`mcugen build`: a project on disk, compiled and linked to know what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mcugen import bench, stack, toolchain
from mcugen.boards import Board
from mcugen.compile import Progress
from mcugen.compiled import Compiled
from mcugen.emit.project import project_files, staged_folder, write_files
from mcugen.explain import Trade, trades
from mcugen.firmware import cmsis_nn_include_dirs, compile_library, compile_runner
from mcugen.manifest import Manifest, manifest_of


@dataclass(frozen=True)
class Footprint:
    """Bytes of the linked image. code: of the model, without runtime; stack: worst case of one inference, estimated.

    image_flash, image_ram: the whole example firmware on the board.
    """

    code: int
    weights: int
    stack: int
    image_flash: int
    image_ram: int


@dataclass(frozen=True)
class Built:
    """A project written to ``out``; footprint is None when it was not compiled. trades: levels of --optimize."""

    compiled: Compiled
    manifest: Manifest
    out: Path
    footprint: Footprint | None
    trades: tuple[Trade, ...] = ()


def build_project(
    compiled: Compiled,
    kind: str,
    out: Path,
    progress: Progress,
    *,
    force: bool = False,
    compile_it: bool = True,
    cmsis_nn: str | None = None,
) -> Built:
    """Writes the project, and links the image for the real board as ``firmware/NAME.elf`` in it.

    Nothing is left behind when a step fails. Raises InputError, ToolError, DoesNotFitError.
    """
    manifest = manifest_of(compiled, kind)
    footprint = None
    with staged_folder(out, force=force) as folder:
        progress("writing the project")
        write_files(project_files(compiled, kind), folder)
        if compile_it:
            progress(f"compiling for {compiled.board.core}")
            footprint = _link(compiled, manifest, folder, cmsis_nn)
    return Built(compiled, manifest, out, footprint, trades(compiled))


def _link(compiled: Compiled, manifest: Manifest, project: Path, cmsis_nn: str | None) -> Footprint:
    board, elf = compiled.board, project / "firmware" / f"{manifest.name}.elf"
    objects = compile_library(project, manifest, board, cmsis_nn=cmsis_nn)
    objects += _application(project, manifest, board)
    toolchain.link(board, objects, elf)
    sizes = toolchain.section_sizes(elf)
    code, weights = bench.flash_bytes(elf)
    elf.with_suffix(".map").unlink()  # names folders of this machine
    ram = sizes.ram + sum(n for name, n in sizes.regions.items() if board.memory(name).kind == "ram")
    return Footprint(code, weights, worst_stack(project, manifest, board, cmsis_nn), sizes.flash, ram)


def _application(project: Path, manifest: Manifest, board: Board) -> list[Path]:
    """The objects of the program around the model: the project's example, or mcugen's runner where it has none."""
    example = project / "example" / "main.c"
    if not example.is_file():
        return compile_runner(project, manifest, board)
    runtime = toolchain.runtime_sources()
    include_dirs = (*(project / d for d in manifest.include_dirs), runtime[0].parent)
    return toolchain.compile_sources(board, [example, *runtime], toolchain.CompileOptions(include_dirs))


def worst_stack(project: Path, manifest: Manifest, board: Board, cmsis_nn: str | None) -> int:
    """Bytes of stack that one inference needs at most, estimated."""
    include_dirs = tuple(project / d for d in manifest.include_dirs)
    sources = [project / manifest.sources[0]]
    if manifest.uses_cmsis_nn:
        include_dirs += cmsis_nn_include_dirs(cmsis_nn)
    options = toolchain.CompileOptions(include_dirs, optimize=manifest.compiler_flag)
    return stack.worst_stack(board, sources, options, f"{manifest.name}_run")
