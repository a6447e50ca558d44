"""Damaged model files end in an error of mcugen's: no traceback, no crash, no hang, no flood of memory.

MCUGEN_FUZZ_SECONDS sets how long it takes in all; MCUGEN_FUZZ_SEED where it starts.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import pytest
import tflite

from mcugen.frontends.tflite import converted_names
from tests.fuzz import corpus, worker
from tests.fuzz.mutate import mutated
from tests.support.zoo import Zoo

SECONDS = float(os.environ.get("MCUGEN_FUZZ_SECONDS", "20"))
FIRST_SEED = int(os.environ.get("MCUGEN_FUZZ_SEED", "0"))
_HANG_SECONDS = 10.0
_START_SECONDS = 120.0


@contextmanager
def _worker() -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=worker.serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def _outcome(
    connection: Connection, name: str, content: bytes, calibration: str | None, seconds: float
) -> str:
    """What is wrong with how a file was handled, or ""."""
    connection.send((name, content, calibration))
    if not connection.poll(seconds):
        return f"no answer within {seconds:.0f} s"
    try:
        return str(connection.recv())
    except EOFError:
        return "the process died"


def test_the_built_models_have_every_operator() -> None:
    found: set[str] = set()
    for content in corpus.built():
        model = tflite.Model.GetRootAs(content, 0)
        found |= {model.OperatorCodes(i).DeprecatedBuiltinCode() for i in range(model.OperatorCodesLength())}
    names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
    assert sorted(names[code] for code in found) == converted_names()


@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
def test_undamaged_files_are_read(model_format: str) -> None:
    """Otherwise the fuzzing would test nothing."""
    files = corpus.tflite_files(None) if model_format == "tflite" else corpus.onnx_files(None)
    if not files:
        pytest.skip("there is no example yet")
    with _worker() as connection:
        for i, content in enumerate(files):
            calibration = "random" if model_format == "onnx" else None
            outcome = _outcome(connection, f"model.{model_format}", content, calibration, _START_SECONDS)
            assert outcome == "", f"file {i}"


@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
def test_damaged_files(model_format: str) -> None:
    zoo = Zoo.find()
    files = corpus.tflite_files(zoo) if model_format == "tflite" else corpus.onnx_files(zoo)
    if not files:
        pytest.skip("no models to damage: set MCUGEN_ZOO")
    with _worker() as connection:
        _outcome(connection, "empty.tflite", b"", None, _START_SECONDS)  # so that the imports are done
        end, seed = time.monotonic() + SECONDS / 2, FIRST_SEED
        while time.monotonic() < end:
            index, mutations, content = mutated(seed, files)
            calibration = "random" if model_format == "onnx" and seed % 8 == 0 else None
            problem = _outcome(connection, f"model.{model_format}", content, calibration, _HANG_SECONDS)
            assert problem == "", (
                f"{problem}\nMCUGEN_FUZZ_SEED={seed}: file {index} of {len(files)}, {mutations}, {len(content)} bytes"
            )
            seed += 1
    print(f"{seed - FIRST_SEED} files")
