"""Finding the user's CMSIS-NN."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from mcugen import cmsis_nn_source
from mcugen.cmsis_nn_source import CALLED, find_cmsis_nn
from mcugen.errors import ToolError

PDSC = '<package><name>CMSIS-NN</name><releases><release version="{}"/></releases></package>'


def files(
    version: str = "0.0.0", *, called: tuple[str, ...] = CALLED, corrected: bool = True
) -> dict[str, str]:
    """The files of something that looks like CMSIS-NN."""
    return {
        "ARM.CMSIS-NN.pdsc": PDSC.format(version),
        "Include/arm_nnfunctions.h": "".join(f"void {name}(void);\n" for name in called),
        "Include/arm_nnsupportfunctions.h": "bool arm_nn_is_convolve_1x1(void);\n" if corrected else "",
        "Source/PadFunctions/arm_pad_s8.c": "",
        "Source/PadFunctions/arm_pad_f16.c": "",
        "Source/NNSupportFunctions/arm_nntables_flt.c": "",
    }


def make(root: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No CMSIS-NN of the computer that runs the tests is in sight."""
    monkeypatch.delenv("CMSIS_NN_ROOT", raising=False)
    monkeypatch.setenv("CMSIS_PACK_ROOT", str(tmp_path / "packs"))
    monkeypatch.setenv("MCUGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("cmsis_pack_manager.user_data_dir", lambda name: str(tmp_path / name))


def test_absent() -> None:
    with pytest.raises(ToolError) as caught:
        find_cmsis_nn()
    for way in ("--cmsis-nn PATH", "CMSIS_NN_ROOT", "cpackget add ARM::CMSIS-NN", "cmsis-pack-manager"):
        assert way in caught.value.hint


def test_path_before_environment_before_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "packs/ARM/CMSIS-NN/7.0.0", files("7.0.0", corrected=False))
    newest = make(tmp_path / "packs/ARM/CMSIS-NN/10.1.0", files("10.1.0"))
    found = find_cmsis_nn()
    assert (found.root, found.version, found.origin) == (newest, "10.1.0", "pack cache")
    assert "not been tested" in found.warning
    monkeypatch.setenv("CMSIS_NN_ROOT", str(make(tmp_path / "env", files())))
    assert find_cmsis_nn().origin == "CMSIS_NN_ROOT"
    found = find_cmsis_nn(str(make(tmp_path / "given", files())))
    assert (found.root, found.version, found.origin) == (tmp_path / "given", "development", "--cmsis-nn")
    assert found.warning == ""


def test_sources_leave_out_float(tmp_path: Path) -> None:
    found = find_cmsis_nn(str(make(tmp_path / "nn", files())))
    assert found.sources == (found.root / "Source/PadFunctions/arm_pad_s8.c",)
    assert found.include_dirs == (found.root / "Include",)


def test_release_7_0_0_is_warned_about(tmp_path: Path) -> None:
    found = find_cmsis_nn(str(make(tmp_path / "nn", files("7.0.0", corrected=False))))
    assert "7.0.0" in found.warning
    assert cmsis_nn_source.TESTED in found.warning


def test_old_release_is_refused(tmp_path: Path) -> None:
    old = make(tmp_path / "nn", files("6.0.0", called=CALLED[:-1]))
    with pytest.raises(ToolError, match=r"6\.0\.0 lacks arm_transpose_s8"):
        find_cmsis_nn(str(old))


@pytest.mark.parametrize("missing", ["Include/arm_nnfunctions.h", "Include/arm_nnsupportfunctions.h"])
def test_other_folder_is_refused(tmp_path: Path, missing: str) -> None:
    contents = files()
    del contents[missing]
    with pytest.raises(ToolError, match=f"not a CMSIS-NN: {missing}"):
        find_cmsis_nn(str(make(tmp_path / "nn", contents)))


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no such folder"):
        find_cmsis_nn(str(tmp_path / "nowhere"))


def test_zipped_pack_is_unpacked_once(tmp_path: Path) -> None:
    pack = tmp_path / "cmsis-pack-manager/ARM/CMSIS-NN/8.0.0.pack"
    pack.parent.mkdir(parents=True)
    with zipfile.ZipFile(pack, "w") as archive:
        for name, text in {**files("8.0.0"), "Documentation/large.html": "x"}.items():
            archive.writestr(name, text)
    found = find_cmsis_nn()
    assert found.version == "8.0.0"
    assert found.root.is_relative_to(tmp_path / "cache")
    assert not (found.root / "Documentation").exists()
    pack.write_text("no longer needed")
    assert find_cmsis_nn() == found


def test_broken_pack(tmp_path: Path) -> None:
    pack = tmp_path / "cmsis-pack-manager/ARM/CMSIS-NN/8.0.0.pack"
    pack.parent.mkdir(parents=True)
    pack.write_text("not a zip file")
    with pytest.raises(ToolError, match="cannot be unpacked"):
        find_cmsis_nn()
