"""`mcugen build` of several models: one project on disk, linked to know what it needs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from mcugen import bench, toolchain
from mcugen.boards import Board
from mcugen.build import Footprint, worst_stack
from mcugen.compile import Progress
from mcugen.emit.project import staged_folder, write_files
from mcugen.emit.several import Several, bare_main, several_files
from mcugen.errors import DoesNotFitError
from mcugen.firmware import compile_library
from mcugen.manifest import manifest_of


@dataclass(frozen=True)
class SeveralBuilt:
    """A project written to ``out``; footprint (stack: of the model that needs most) is None if not compiled."""

    several: Several
    out: Path
    footprint: Footprint | None

    @property
    def board(self) -> Board:
        return self.several.parts[0].compiled.board


def build_several(
    several: Several,
    kind: str,
    out: Path,
    progress: Progress,
    *,
    force: bool = False,
    compile_it: bool = True,
    cmsis_nn: str | None = None,
) -> SeveralBuilt:
    """Writes the project, and links the image of its example for the board as ``firmware/NAME.elf`` in it.

    Nothing is left behind when a step fails. Raises InputError, ToolError, DoesNotFitError.
    """
    _check_arena(several)
    files = several_files(several, kind)
    footprint = None
    with staged_folder(out, force=force) as folder:
        progress("writing the project")
        write_files(files, folder)
        if compile_it:
            progress("compiling all models")
            footprint = _link(several, kind, folder, cmsis_nn)
    return SeveralBuilt(several, out, footprint)


def _check_arena(several: Several) -> None:
    board = several.parts[0].compiled.board
    if several.arena_bytes <= board.arena_bytes:
        return
    needs = "".join(f"\n  {p.compiled.memory.arena_bytes:>9,} bytes  {p.name}" for p in several.parts)
    raise DoesNotFitError(
        f"the arena needs {several.arena_bytes:,} bytes, {board.title} has {board.arena_bytes:,} for it:{needs}",
        where=several.name,
        hint="leave out --concurrent, or choose a board with more RAM (mcugen boards)",
    )


def _link(several: Several, kind: str, project: Path, cmsis_nn: str | None) -> Footprint:
    board, elf = several.parts[0].compiled.board, project / "firmware" / f"{several.name}.elf"
    objects: list[Path] = []
    stack = 0
    for part in several.parts:
        folder, manifest = project / part.folder, manifest_of(part.compiled, kind)
        objects += compile_library(folder, manifest, board, cmsis_nn=cmsis_nn)
        stack = max(stack, worst_stack(folder, manifest, board, cmsis_nn))
    objects += _application(several, project)
    # CMSIS-NN is the same objects for every model that calls it.
    toolchain.link(board, list(dict.fromkeys(objects)), elf)
    sizes = toolchain.section_sizes(elf)
    code, weights = bench.flash_bytes(elf)
    elf.with_suffix(".map").unlink()  # names folders of this machine
    return Footprint(code, weights, stack, sizes.flash, sizes.ram)


def _application(several: Several, project: Path) -> list[Path]:
    """The objects of the program around the models, which is the example of projects for the bare board."""
    runtime = toolchain.runtime_sources()
    includes = [project / "include", *(project / part.folder / "include" for part in several.parts)]
    options = toolchain.CompileOptions((*includes, runtime[0].parent))
    with tempfile.TemporaryDirectory() as folder:
        main = Path(folder) / "main.c"
        main.write_text(bare_main(several), encoding="utf-8")
        return toolchain.compile_sources(several.parts[0].compiled.board, [main, *runtime], options)
