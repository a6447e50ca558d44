"""The model zoo beside the repository: INDEX.json, model files and golden vectors."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcugen.ir import Array

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Entry:
    """A model of the zoo: INDEX.json's record and where its files are."""

    record: dict[str, Any]
    root: Path

    @property
    def path(self) -> Path:
        return self.root / str(self.record["file"])

    @property
    def stateful(self) -> bool:
        return bool(self.record.get("stateful"))

    def golden(self) -> dict[str, Array]:
        """The golden vectors: in0, out0, ..., op_crc32, op_output_tensor, ..."""
        with np.load(self.root / str(self.record["golden"])) as arrays:
            return {name: arrays[name] for name in arrays.files}


@dataclass(frozen=True)
class Zoo:
    """``root`` is the folder that holds models/ and vectors/."""

    root: Path

    @staticmethod
    def find() -> Zoo | None:
        models = Path(os.environ.get("MCUGEN_ZOO") or _ROOT.parent / "shared" / "models").resolve()
        return Zoo(models.parent) if (models / "INDEX.json").is_file() else None

    def entries(self, model_format: str = "tflite") -> tuple[Entry, ...]:
        """All models of a format except the single-operator ones of seanet."""
        records = json.loads((self.root / "models" / "INDEX.json").read_text(encoding="utf-8"))
        chosen = (r for r in records if r["format"] == model_format and "seanet" not in r["file"])
        return tuple(Entry(r, self.root) for r in chosen)

    def entry(self, name: str, model_format: str = "tflite") -> Entry:
        return next(e for e in self.entries(model_format) if e.record["name"] == name)
