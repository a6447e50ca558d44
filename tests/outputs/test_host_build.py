"""Generated code on this computer: no warning from gcc and clang, no finding of the sanitizers, exact outputs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, compile_for, load_quantized
from mcugen.compiled import Compiled
from mcugen.emit.project import project_files, write_files
from mcugen.interp import Interpreter
from tests.outputs.tiny import random_input, tiny
from tests.support.zoo import Zoo

MAIN = Path(__file__).parent / "host_main.c"
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# The board without DSP instructions, whose code is for any processor.
PLAIN_BOARD = "mps2-an385"
CASES = 2

# Together they have every kernel that the supported models of the zoo use.
MODELS = (
    "hello_world_int8",
    "ad01_int8",
    "ad01_int8_float_io",
    "kws_ref_int8",
    "ic_resnet8_int8",
    "vww_96_int8",
    "sww_ref_int8",
    "micro_speech_int8",
    "keyword_scrambled_8bit",
    "coral_split_concat_uint8",
)

every_compiler = pytest.mark.parametrize("compiler", ["gcc", "clang"])


def build(compiled: Compiled, folder: Path, compiler: str, *defines: str) -> Path:
    """The program of host_main.c around a model."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    project = folder / "project"
    write_files(project_files(compiled, "cmake"), project)
    name = compiled.name
    program = folder / compiler
    command = [compiler, "-std=c11", "-O1", *STRICT, *SANITIZE, f"-I{project / 'include'}"]
    command += [f"-DMODEL={name}", f'-DMODEL_HEADER="{name}.h"', *(f"-D{define}" for define in defines)]
    command += [str(project / "src" / f"{name}.c"), str(project / "src" / f"{name}_weights.c"), str(MAIN)]
    result = subprocess.run([*command, "-o", str(program)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return program


def check_outputs(compiled: Compiled, program: Path) -> None:
    """Consecutive cases give what the reference gives, byte for byte."""
    cases = [random_input(compiled, seed) for seed in range(CASES)]
    stdin = b"".join(case[name].tobytes() for case in cases for name in compiled.graph.inputs)
    result = subprocess.run([str(program)], input=stdin, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    reference = Interpreter(compiled.graph)
    expected = []
    for case in cases:
        values = reference.run(case)
        expected += [np.ascontiguousarray(values[name]).tobytes() for name in compiled.graph.outputs]
    assert result.stdout == b"".join(expected)


@every_compiler
@pytest.mark.parametrize("padded", [False, True])
def test_tiny_network(compiler: str, padded: bool, tmp_path: Path) -> None:
    compiled = tiny(PLAIN_BOARD, padded=padded)
    check_outputs(compiled, build(compiled, tmp_path, compiler))


@every_compiler
@pytest.mark.parametrize("name", MODELS)
def test_zoo(compiler: str, name: str, zoo: Zoo, tmp_path: Path) -> None:
    path = zoo.entry(name).path
    options = CompileOptions()
    compiled = compile_for(load_quantized(path, options), path.name, load_board(PLAIN_BOARD), options)
    check_outputs(compiled, build(compiled, tmp_path, compiler))


@every_compiler
def test_macros_compile(compiler: str, tmp_path: Path) -> None:
    sections = (
        "TINY_NET_BUILTIN_ARENA",
        'TINY_NET_ARENA_SECTION=".fast"',
        'TINY_NET_WEIGHTS_SECTION=".rodata.far"',
    )
    compiled = tiny(PLAIN_BOARD)
    check_outputs(compiled, build(compiled, tmp_path, compiler, *sections))


def test_wrong_target_is_refused(tmp_path: Path) -> None:
    """Code for the DSP instructions says so when it is compiled for this computer."""
    with pytest.raises(AssertionError, match="needs the DSP instructions"):
        build(tiny("nrf52"), tmp_path, "gcc")
