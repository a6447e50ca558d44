"""Finds the user's CMSIS-NN, a checkout or a pack of the CMSIS-Pack tools. None comes with mcugen."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mcugen.errors import ToolError
from mcugen.toolchain import cache_dir

ENVIRONMENT = "CMSIS_NN_ROOT"
TESTED = "the main branch as of July 2026 (4ab83cc3 and 99f736a6)"
_VENDOR, _PACK = "ARM", "CMSIS-NN"
_DEVELOPMENT = "development"
# What the main branch and, in the repository, every tag calls itself in the pack description.
_NO_RELEASE = "0.0.0"
# The functions that firmware/kernels/cmsis_nn calls; releases before 7.0.0 lack some.
CALLED = (
    "arm_avgpool_s8",
    "arm_concatenation_s8_x",
    "arm_convolve_s8",
    "arm_convolve_wrapper_s8",
    "arm_depthwise_conv_s8",
    "arm_depthwise_conv_wrapper_s8",
    "arm_elementwise_add_s8",
    "arm_elementwise_mul_s8",
    "arm_fully_connected_wrapper_s8",
    "arm_max_pool_s8",
    "arm_pad_s8",
    "arm_softmax_s8",
    "arm_softmax_s8_s16",
    "arm_svdf_s8",
    "arm_svdf_state_s16_s8",
    "arm_transpose_s8",
)
# Came with the correction of the scratch sizes of convolutions, after 7.0.0.
_CORRECTED = "arm_nn_is_convolve_1x1"
_HINT = (
    "get it in one of three ways: clone https://github.com/ARM-software/CMSIS-NN and give the folder with "
    f"--cmsis-nn PATH; or set {ENVIRONMENT} to that folder; or install the pack, with "
    "`cpackget add ARM::CMSIS-NN` or with cmsis-pack-manager. Without it, use --kernels native"
)
# Integer kernels use none of the float extensions, which need headers of other libraries.
_FLOAT_SUFFIXES = ("_f16", "_f32", "_flt")


@dataclass(frozen=True)
class CmsisNn:
    """A CMSIS-NN on this computer.

    version:   "7.0.0" or so for a pack, what git says of a checkout, else "development".
    origin:    how it was found, e.g. "CMSIS_NN_ROOT".
    corrected: it has the corrections made after 7.0.0.
    """

    root: Path
    version: str
    origin: str
    corrected: bool

    @property
    def include_dirs(self) -> tuple[Path, ...]:
        """Folders for the compiler's include path."""
        return (self.root / "Include",)

    @property
    def sources(self) -> tuple[Path, ...]:
        """The C files of the integer functions, sorted: to be compiled as they are into a static library."""
        files = (self.root / "Source").rglob("*.c")
        return tuple(sorted(f for f in files if not f.stem.endswith(_FLOAT_SUFFIXES)))

    @property
    def warning(self) -> str:
        """What the user should know about the version, or "" if it is one that mcugen was tested with."""
        if not self.corrected:
            return (
                f"CMSIS-NN {self.version} has errors that its main branch has corrected since, among them "
                f"the scratch sizes it gives (mcugen computes its own); mcugen is tested with {TESTED}"
            )
        if re.fullmatch(r"[\d.]+", self.version):
            return f"CMSIS-NN {self.version} has not been tested with mcugen, {TESTED} has"
        return ""


def find_cmsis_nn(path: str | None = None) -> CmsisNn:
    """CMSIS-NN at ``path`` (--cmsis-nn), else at CMSIS_NN_ROOT, else the newest pack in the pack caches.

    A pack that is still zipped is unpacked into mcugen's cache. Raises ToolError if there is none, or if what
    was named is not a usable CMSIS-NN.
    """
    setting = os.environ.get(ENVIRONMENT, "")
    if path:
        return _checked(Path(path), "--cmsis-nn")
    if setting:
        return _checked(Path(setting), ENVIRONMENT)
    packs = sorted([*_unpacked_packs(), *_zipped_packs()], key=lambda pack: _numbers(pack.version))
    if not packs:
        raise ToolError("no CMSIS-NN found", hint=_HINT)
    newest = packs[-1]
    root = newest.path if newest.path.is_dir() else _unpacked(newest.path, newest.version)
    return _checked(root, "pack cache")


def _numbers(version: str) -> tuple[int, ...]:
    """A pack's version for comparisons; empty if the text is none."""
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


# ---- a folder ------------------------------------------------------------------------------------------


def _checked(root: Path, origin: str) -> CmsisNn:
    """The CMSIS-NN in a folder, or ToolError saying what is wrong with it."""
    if not root.is_dir():
        raise ToolError(f"there is no such folder ({origin})", where=str(root), hint=_HINT)
    api = _header(root, "Include/arm_nnfunctions.h", origin)
    internals = _header(root, "Include/arm_nnsupportfunctions.h", origin)
    if not (root / "Source").is_dir():
        raise ToolError(f"not a CMSIS-NN: it has no folder Source ({origin})", where=str(root), hint=_HINT)
    version = _version(root)
    missing = [name for name in CALLED if not re.search(rf"\b{name}\(", api)]
    if missing:
        message = (
            f"CMSIS-NN {version} lacks {', '.join(missing)}; 7.0.0 or the main branch is needed ({origin})"
        )
        raise ToolError(message, where=str(root), hint=_HINT)
    return CmsisNn(root.resolve(), version, origin, corrected=_CORRECTED in internals)


def _header(root: Path, name: str, origin: str) -> str:
    try:
        return (root / name).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        message = f"not a CMSIS-NN: {name} cannot be read, {error.strerror} ({origin})"
        raise ToolError(message, where=str(root), hint=_HINT) from error


def _version(root: Path) -> str:
    """What the pack description says, the folder's name as the pack tools choose it, or what git says."""
    described = [_described_version(file) for file in sorted(root.glob("*.pdsc"))]
    for version in (*described, root.name):
        if re.fullmatch(r"\d+\.\d+\.\d+", version) and version != _NO_RELEASE:
            return version
    return _git_version(root) if (root / ".git").exists() else _DEVELOPMENT


def _git_version(root: Path) -> str:
    """Like "v7.0.0-43-g99f736a6"; "development" without git."""
    command = ["git", "-C", str(root), "describe", "--tags", "--always"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return _DEVELOPMENT
    return result.stdout.strip() or _DEVELOPMENT


def _described_version(pdsc: Path) -> str:
    """The newest release that a pack description lists, or "" if it cannot be read."""
    try:
        text = pdsc.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    release = re.search(r"<release\b[^>]*\bversion=\"([\d.]+)", text)
    return release[1] if release else ""


# ---- packs ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pack:
    """A pack: an unpacked folder or a .pack file."""

    path: Path
    version: str


def _unpacked_packs() -> Iterator[_Pack]:
    """What cpackget and its kin installed: <root>/ARM/CMSIS-NN/<version>/."""
    setting = os.environ.get("CMSIS_PACK_ROOT")
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(setting) if setting else user_cache / "arm" / "packs"
    for folder in (root / _VENDOR / _PACK).glob("*"):
        if folder.is_dir() and _numbers(folder.name):
            yield _Pack(folder, folder.name)


def _zipped_packs() -> Iterator[_Pack]:
    """What cmsis-pack-manager downloaded: <data folder>/ARM/CMSIS-NN/<version>.pack."""
    try:
        from cmsis_pack_manager import Cache  # type: ignore[import-untyped]
    except ImportError:
        return
    for file in (Path(Cache(True, True).data_path) / _VENDOR / _PACK).glob("*.pack"):
        if _numbers(file.stem):
            yield _Pack(file, file.stem)


def _unpacked(pack: Path, version: str) -> Path:
    """The folder in mcugen's cache with the headers and sources of a zipped pack."""
    target = cache_dir() / "packs" / f"{_VENDOR}.{_PACK}.{version}"
    done = target / ".complete"
    if done.exists():
        return target
    try:
        with zipfile.ZipFile(pack) as archive:
            names = [name for name in archive.namelist() if _is_wanted(PurePosixPath(name))]
            archive.extractall(target, names)
        done.touch()
    except (OSError, zipfile.BadZipFile) as error:
        raise ToolError(f"cannot be unpacked: {error}", where=str(pack), hint=_HINT) from error
    return target


def _is_wanted(name: PurePosixPath) -> bool:
    return name.parts[0] in ("Include", "Source") or name.suffix == ".pdsc"
