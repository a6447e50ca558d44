"""The command line as users meet it: outputs, exit codes, and one clear message per kind of wrong input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"
MODEL, CALIBRATION, TEST = DIGITS / "digits.onnx", DIGITS / "calibration.npz", DIGITS / "test.npz"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mcugen(tmp_path: Path) -> Run:
    """Runs the command line in an empty folder."""

    def run(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mcugen", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def fails(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The exit code, an error with these words, and no traceback."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ") or "Usage" in result.stderr, result.stderr
    for word in words:
        assert word in result.stderr, f"{word!r} not in: {result.stderr}"


def test_build_and_run(mcugen: Run, tmp_path: Path) -> None:
    built = mcugen("build", MODEL, "--calibration", CALIBRATION, "--json")
    assert built.returncode == 0, built.stderr
    report = json.loads(built.stdout)
    assert report["arena_bytes"] >= report["arena_lower_bound_bytes"] > 0
    assert 0 < report["code_bytes"] < 40_000 and report["weight_bytes"] > 0 and report["stack_bytes"] > 0

    test = np.load(TEST)
    np.savez(tmp_path / "cases.npz", image=test["image"][:20])
    ran = mcugen("run", "digits", "--input", "cases.npz", "--output", "scores.npz", "--json")
    assert ran.returncode == 0, ran.stderr
    scores = np.load(tmp_path / "scores.npz")["digit"].reshape(20, 10)
    assert np.mean(scores.argmax(axis=1) == test["label"][:20]) >= 0.95
    assert json.loads(ran.stdout)["instructions"] > 10_000


def test_several_regions(mcugen: Run) -> None:
    """Built for two memories, run in the emulator of another board, verified, measured."""
    regions = ("--calibration", CALIBRATION, "--board", "stm32f746g-disco", "--regions", "dtcm=2K,sram1=8K")
    built = mcugen("build", MODEL, *regions)
    assert built.returncode == 0, built.stderr
    assert "dtcm" in built.stdout and "access cost" in built.stdout and "copies" in built.stdout
    ran = mcugen("run", "digits", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["instructions"] > 10_000
    verified = mcugen("verify", MODEL, *regions, "--layers")
    assert verified.returncode == 0, verified.stderr
    fails(mcugen("build", MODEL, *regions, "--project", "mbed", "--out", "m"), 2, "single arena")


def test_quiet_prints_nothing(mcugen: Run) -> None:
    result = mcugen("build", MODEL, "--calibration", "random", "--no-compile", "-q")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_random_calibration_is_marked(mcugen: Run) -> None:
    result = mcugen("build", MODEL, "--calibration", "random", "--no-compile")
    assert result.returncode == 0 and "RANDOM NOISE" in result.stderr


def test_nothing_is_left_when_a_build_fails(mcugen: Run, tmp_path: Path) -> None:
    result = mcugen(
        "build", MODEL, "--calibration", CALIBRATION, env={"MCUGEN_TOOLCHAIN": "/nonexistent/arm-"}
    )
    fails(result, 6, "hint")
    assert list(tmp_path.iterdir()) == []


def test_missing_emulator(mcugen: Run) -> None:
    assert mcugen("build", MODEL, "--calibration", CALIBRATION, "--no-compile").returncode == 0
    fails(mcugen("run", "digits", env={"MCUGEN_QEMU": "/nonexistent/qemu"}), 6, "hint")


def test_existing_folder(mcugen: Run, tmp_path: Path) -> None:
    arguments = ("build", MODEL, "--calibration", CALIBRATION, "--no-compile")
    assert mcugen(*arguments).returncode == 0
    fails(mcugen(*arguments), 2, "digits", "--force")
    assert mcugen(*arguments, "--force").returncode == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    fails(mcugen(*arguments, "--out", "mine", "--force"), 2, "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_out_is_a_file(mcugen: Run, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("x")
    fails(mcugen("build", MODEL, "--calibration", CALIBRATION, "--out", "occupied"), 2, "not a folder")


def test_unwritable_folder(mcugen: Run) -> None:
    fails(
        mcugen("build", MODEL, "--calibration", CALIBRATION, "--out", "/proc/nowhere/project"),
        2,
        "cannot write",
    )


def test_unknown_board_offers_close_names(mcugen: Run) -> None:
    fails(mcugen("build", MODEL, "--board", "nrf5284"), 2, "nrf5284", "nrf52")


def test_unknown_project_and_kernels(mcugen: Run) -> None:
    fails(mcugen("build", MODEL, "--project", "arduino"), 2, "cmake, make, zephyr, mbed")
    fails(mcugen("build", MODEL, "--kernels", "fast"), 2, "native")


def test_missing_calibration(mcugen: Run) -> None:
    fails(mcugen("build", MODEL), 2, "--calibration")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (np.zeros((4, 1, 9, 9), np.float32), "9"),
        (np.zeros((0, 1, 8, 8), np.float32), "no samples"),
        (np.full((4, 1, 8, 8), np.nan, np.float32), "NaN"),
        (np.array(["a", "b"]), ""),
    ],
    ids=["shape", "empty", "nan", "text"],
)
def test_wrong_calibration(mcugen: Run, tmp_path: Path, data: np.ndarray, word: str) -> None:
    np.save(tmp_path / "data.npy", data)
    fails(mcugen("build", MODEL, "--calibration", "data.npy"), 2, "data.npy", word)


NOISE = np.random.default_rng(5).bytes(5000)


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"TFL3" * 50, NOISE], ids=["empty", "zeros", "id", "noise"]
)
@pytest.mark.parametrize("name", ["model.tflite", "model.onnx", "model.txt"])
def test_garbage(mcugen: Run, tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    fails(mcugen("build", name), 2, name)


def test_truncated_model(mcugen: Run, tmp_path: Path) -> None:
    (tmp_path / "half.onnx").write_bytes(MODEL.read_bytes()[:20_000])
    fails(mcugen("build", "half.onnx", "--calibration", CALIBRATION), 2, "half.onnx")


def test_missing_model(mcugen: Run) -> None:
    fails(mcugen("build", "nothing.tflite"), 2, "nothing.tflite")


def test_too_large_for_the_board(mcugen: Run, tmp_path: Path) -> None:
    board = (ROOT / "boards" / "microbit.toml").read_text()
    board = board.replace('name = "microbit"', 'name = "tiny"').replace('size = "16K"', 'size = "4K"')
    (tmp_path / "tiny.toml").write_text(board)
    result = mcugen("build", MODEL, "--board", "tiny.toml", "--calibration", CALIBRATION)
    fails(result, 4, "arena", "int8[")


def test_errors_as_json(mcugen: Run) -> None:
    result = mcugen("build", MODEL, "--board", "nrf5284", "--json")
    assert result.returncode == 2
    error = json.loads(result.stdout)["error"]
    assert error["kind"] == "BoardError" and error["exit_code"] == 2 and error["hint"]


def test_run_needs_a_project(mcugen: Run) -> None:
    fails(mcugen("run", "nowhere"), 2, "mcugen.json")


def test_run_with_wrong_inputs(mcugen: Run, tmp_path: Path) -> None:
    assert mcugen("build", MODEL, "--calibration", CALIBRATION, "--no-compile").returncode == 0
    np.save(tmp_path / "wrong.npy", np.zeros((3, 7), np.float32))
    fails(mcugen("run", "digits", "--input", "wrong.npy"), 2, "wrong.npy", "(3, 7)")


def test_verify_passes_and_writes_junit(mcugen: Run, tmp_path: Path) -> None:
    result = mcugen(
        "verify", MODEL, "-b", "mps2-m0", "-b", "nrf52", "--calibration", CALIBRATION, "--inputs", TEST, "--layers",
        "--junit", "report.xml",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout
    report = (tmp_path / "report.xml").read_text()
    assert 'tests="2"' in report and 'failures="0"' in report


def test_verify_finds_a_difference(mcugen: Run, tmp_path: Path) -> None:
    """Expected outputs that are not what the model gives."""
    image = np.load(TEST)["image"][:2]
    np.savez(tmp_path / "cases.npz", image=image, digit=np.full((2, 10), 5, np.int8))
    arguments = ("verify", MODEL, "-b", "nrf52", "--calibration", CALIBRATION)
    result = mcugen(*arguments, "--inputs", "cases.npz", "--junit", "r.xml")
    assert result.returncode == 5, result.stdout + result.stderr
    assert "digit" in result.stderr and "<failure" in (tmp_path / "r.xml").read_text()


def test_inspect(mcugen: Run) -> None:
    shown = mcugen("inspect", MODEL)
    assert shown.returncode == 0 and "Conv2D" in shown.stdout and "199,936" in shown.stdout
    report = json.loads(mcugen("inspect", MODEL, "--json").stdout)
    assert report["macs"] == 199_936 and report["operators"]


def test_boards(mcugen: Run) -> None:
    listed = mcugen("boards")
    assert listed.returncode == 0 and "nrf52" in listed.stdout and "mps3-an547" in listed.stdout
    assert json.loads(mcugen("boards", "nrf52", "--json").stdout)["core"] == "cortex-m4"
    fails(mcugen("boards", "nrf51x"), 2, "nrf51x")


def test_doctor(mcugen: Run) -> None:
    assert mcugen("doctor").returncode == 0
    missing = mcugen("doctor", env={"MCUGEN_TOOLCHAIN": "/nonexistent/arm-"})
    assert missing.returncode == 6 and "apt install" in missing.stdout


def test_bench_json_is_as_documented(mcugen: Run) -> None:
    result = mcugen("bench", MODEL, "-b", "mps2-an386", "--calibration", CALIBRATION, "--json")
    assert result.returncode == 0, result.stderr
    (entry,) = json.loads(result.stdout)["results"]
    assert list(entry) == [
        "model", "board", "core", "kernels", "optimize", "instructions", "arena_bytes", "scratch_bytes",
        "code_bytes", "weight_bytes", "stack_bytes", "macs", "layers",
    ]  # fmt: skip
    assert list(entry["layers"][0]) == ["name", "op", "kernel", "macs", "instructions"]
    assert sum(layer["instructions"] for layer in entry["layers"]) >= 0.9 * entry["instructions"]


def test_version_and_usage(mcugen: Run) -> None:
    assert mcugen("--version").stdout.startswith("mcugen 0.")
    assert mcugen("build").returncode == 2
    assert mcugen("frobnicate").returncode == 2
