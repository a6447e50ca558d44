"""The process in which damaged files are read, with a limit on memory."""

from __future__ import annotations

import resource
import tempfile
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, compile_for, load_quantized
from mcugen.emit.model import model_files
from mcugen.errors import McugenError

# Address space beyond what the libraries take at the start.
MEMORY_BYTES = 3 << 30


def serve(connection: Connection) -> None:
    """Answers each (file name, content, calibration or None) with a traceback, or "" when all is well."""
    _limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        while True:
            name, content, calibration = connection.recv()
            path = Path(folder) / name
            path.write_bytes(content)
            connection.send(_outcome(path, calibration))


def _limit_memory() -> None:
    import onnxruntime  # noqa: F401 - what it maps is not the model's doing

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _outcome(path: Path, calibration: str | None) -> str:
    """Reads, quantizes, lowers, plans and emits, as far as the file allows."""
    options = CompileOptions(calibration=calibration)
    try:
        quantized = load_quantized(path, options)
        model_files(compile_for(quantized, path.name, load_board("mps2-an386"), options))
    except McugenError as error:
        return "" if error.message else "an error without a message"
    except Exception:
        return traceback.format_exc()
    return ""
