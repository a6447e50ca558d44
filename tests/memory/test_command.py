"""``python -m mcugen.memory``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcugen.memory.__main__ import main

EXAMPLE = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n"


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    path = tmp_path / "instance.csv"
    path.write_text(EXAMPLE, encoding="utf-8")
    return path


def test_it_prints_peak_bound_gap_and_seconds(instance: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(instance)]) == 0
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert ["peak", "12", "bytes"] in lines
    assert ["lower", "bound", "12", "bytes"] in lines
    assert ["gap", "0", "bytes"] in lines
    assert any(line[0] == "seconds" for line in lines)


def test_json_has_the_same_and_the_offsets(instance: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(instance), "--json", "--seconds", "1", "--capacity", "12"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["peak"], document["lower_bound"], document["gap"]) == (12, 12, 0)
    assert set(document["offsets"]) == {"b1", "b2", "b3", "b4", "b5"}
    assert document["seconds"] >= 0


def test_above_the_capacity_it_exits_with_4(instance: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(instance), "--capacity", "11"]) == 4
    captured = capsys.readouterr()
    assert "12" in captured.out
    assert "above the capacity of 11" in captured.err


@pytest.mark.parametrize(
    ("header", "upper"),
    [("id,lower,upper,size", 3), ("id,begin,end,size", 2), ("buffer,start,upper,size", 3)],
)
def test_header_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, upper: int) -> None:
    """A column "end" names the last live step, "upper" the one after."""
    path = tmp_path / "variant.csv"
    path.write_text(f"{header}\na,0,{upper},5\nb,3,9,7\n", encoding="utf-8")
    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["peak"] == 7


def test_alignment_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "aligned.csv"
    path.write_text("id,lower,upper,size,alignment\na,0,2,5,8\nb,1,3,5,8\n", encoding="utf-8")
    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["peak"] == 16


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no column id, lower, size, upper"),
        (b"id,lower,size\n", "no column upper"),
        (b"id,lower,upper,size\n", "no buffers"),
        (b"id,lower,upper,size\na,0,1\n", ":2: 3 columns where 4"),
        (b"id,lower,upper,size\na,0,1,4\na,0,1,4\n", ":3: the id 'a' is given twice"),
        (b"id,lower,upper,size\na,0,x,4\n", ":2: upper is 'x'"),
        (b"id,lower,upper,size\na,0,1,-4\n", ":2: "),
        (b"id,lower,upper,size\na,3,3,4\n", ":2: "),
        (b"id,lower,upper,size,alignment\na,0,3,4,3\n", "power of two"),
        (b"\xff\xfe\x00\x01", "not a CSV file"),
        (b'id,lower,upper,size\n"a,0,1,4\n', "not a CSV file"),
    ],
)
def test_bad_files_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, says: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    assert main([str(path)]) == 2
    assert says in capsys.readouterr().err


def test_a_missing_file_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.csv")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--capacity", "0"], ["--capacity", "x"], ["--seconds", "-1"], ["--seconds", "nan"]]
)
def test_bad_options_exit_with_2(instance: Path, option: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([str(instance), *option])
    assert caught.value.code == 2
