"""The options that several commands share, each declared once.

A new option of compilation is a field of `CompileFlags` and a line in its ``options``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from mcugen.compile import CompileOptions
from mcugen.errors import InputError
from mcugen.fit import OPTION
from mcugen.ir import Shape
from mcugen.lowering.variant import LEVELS
from mcugen.passes import rewrite_names
from mcugen.regions import SINGLE

ModelArg = Annotated[Path, typer.Argument(help="A .onnx or .tflite file.", show_default=False)]
ModelsArg = Annotated[list[Path], typer.Argument(help="Model files, or folders of them.", show_default=False)]
BoardOpt = Annotated[
    str, typer.Option("--board", "-b", help="A board's name (mcugen boards) or a board's .toml file.")
]
BoardsOpt = Annotated[Optional[list[str]], typer.Option("--board", "-b", help="A board; may be repeated.")]
CmsisOpt = Annotated[
    Optional[str],
    typer.Option("--cmsis-nn", metavar="PATH", help="Your CMSIS-NN; else CMSIS_NN_ROOT or the pack cache."),
]
ShapeOpt = Annotated[
    Optional[list[str]],
    typer.Option("--shape", metavar="INPUT=D,D,...", help="Fixes the shape of an ONNX input."),
]
JobsOpt = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes at the same time.")]
MarkdownOpt = Annotated[Optional[Path], typer.Option(help="Write the table as Markdown.")]

DEFAULT_BOARD = "nrf52"
DEFAULT_LEVEL = "balanced"
DEFAULT_JOBS = os.cpu_count() or 1


@dataclass(frozen=True)
class CompileFlags:
    """How to compile a model, as given on the command line. A group of options."""

    calibration: Annotated[
        Optional[str],
        typer.Option(
            help="Data to quantize a float model with: .npy, .npz, .csv, a folder of images, or 'random'."
        ),
    ] = None
    kernels: Annotated[str, typer.Option(help="native, cmsis-nn or auto.")] = "native"
    optimize: Annotated[
        Optional[str],
        typer.Option(
            "--optimize",
            help="ram, size, balanced (default) or speed: what to save or to spend.",
            show_default=False,
        ),
    ] = None
    max_ram: Annotated[
        Optional[str],
        typer.Option(
            metavar="BYTES",
            help="The fastest code whose arena (all RAM of the model but the stack) fits, e.g. 20000, 20K or 0x5000; "
            "with the kernels of --optimize if that is given.",
            show_default=False,
        ),
    ] = None
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Measure the kernels of every layer in the emulator and take the best."),
    ] = False
    cmsis_nn: CmsisOpt = None
    overlap: Annotated[
        bool,
        typer.Option("--overlap/--no-overlap", help="Outputs of layers may take the place of their inputs."),
    ] = True
    regions: Annotated[
        str,
        typer.Option(
            metavar="single|auto|NAME[=BYTES],...",
            help="Memories for activations: one arena, all that the board gives for it, or those named.",
        ),
    ] = SINGLE
    observer: Annotated[str, typer.Option(help="Range of activations: minmax or percentile.")] = "minmax"
    io: Annotated[
        str,
        typer.Option(
            "--io", help="Type of inputs and outputs: model (int8 for float models), int8 or float32."
        ),
    ] = "model"
    io_memory: Annotated[
        str, typer.Option(help="Memory of inputs and outputs: arena, or caller to bind your own.")
    ] = "arena"
    input_rows: Annotated[
        Optional[str],
        typer.Option(
            "--input", metavar="[NAME=]stream:rows",
            help="The input comes by rows, from a function of yours: only a few of them are in the arena at a time.",
        ),
    ] = None  # fmt: skip
    shape: ShapeOpt = None
    output: Annotated[
        str,
        typer.Option(
            "--output", help="all, or argmax: only the largest score matters, drop a final softmax."
        ),
    ] = "all"
    disable_pass: Annotated[
        Optional[list[str]],
        typer.Option("--disable-pass", metavar="NAME", help="Leave out a rewrite of the graph."),
    ] = None

    def options(self) -> CompileOptions:
        """The same in the compiler's terms. Raises InputError for a value that an option does not have."""
        return CompileOptions(
            kernels=choice("--kernels", self.kernels, ("native", "cmsis-nn", "auto")),
            optimize=choice("--optimize", self.optimize or DEFAULT_LEVEL, LEVELS),
            max_ram=None if self.max_ram is None else byte_count(OPTION, self.max_ram),
            any_level=self.optimize is None and self.max_ram is not None,
            tune=self.tune,
            cmsis_nn=self.cmsis_nn,
            disabled=frozenset(
                choice("--disable-pass", name, rewrite_names()) for name in self.disable_pass or ()
            ),
            argmax=choice("--output", self.output, ("all", "argmax")) == "argmax",
            calibration=self.calibration,
            observer=choice("--observer", self.observer, ("minmax", "percentile")),
            io=choice("--io", self.io, ("model", "int8", "float32")),
            io_in_arena=choice("--io-memory", self.io_memory, ("arena", "caller")) == "arena",
            overlap=self.overlap,
            regions=self.regions,
            input_rows=_input_rows(self.input_rows),
            shapes=shapes(self.shape),
        )


def choice(option: str, value: str, allowed: Sequence[str]) -> Any:
    """The value, if it is allowed. Raises InputError, where: the option."""
    if value not in allowed:
        raise InputError(f"'{value}' is not one of {', '.join(allowed)}", where=option)
    return value


def byte_count(option: str, value: str) -> int:
    """A number of bytes above 0: decimal, hexadecimal with 0x, K for 1024 or M for 1024 K. Raises InputError."""
    found = re.fullmatch(r"(0[xX][0-9a-fA-F]+|[0-9]+)([kKmM]?)", value.strip())
    count = int(found[1], 0 if found[1][:2] in ("0x", "0X") else 10) if found else 0
    if found is None or count == 0:
        raise InputError(
            f"'{value}' is not a number of bytes above 0", where=option, hint="for example 20000 or 20K"
        )
    return count * {"": 1, "k": 1 << 10, "m": 1 << 20}[found[2].lower()]


def _input_rows(value: str | None) -> str | None:
    """The input to stream, "" for the only one; None for none. Raises InputError."""
    if value is None:
        return None
    name, equals, kind = value.rpartition("=")
    if kind != "stream:rows" or bool(name) != bool(equals):
        raise InputError(
            f"'{value}' is not stream:rows or NAME=stream:rows", where="--input",
            hint="data for the inputs is given to mcugen run --input, and to mcugen verify --inputs",
        )  # fmt: skip
    return name


def shapes(values: Sequence[str] | None) -> dict[str, Shape]:
    """Shapes by name of input, from INPUT=D,D,... . Raises InputError."""
    return dict(_shape(value) for value in values or ())


def _shape(value: str) -> tuple[str, Shape]:
    name, _, dims = value.rpartition("=")
    numbers = dims.split(",")
    if not name or not all(n.strip().isdigit() and int(n) > 0 for n in numbers):
        raise InputError(
            f"'{value}' is not INPUT=D,D,...", where="--shape", hint="for example --shape input=1,3,96,96"
        )
    return name, tuple(int(n) for n in numbers)
