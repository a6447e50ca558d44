"""No operator of the TFLite front-end goes without a comparison with TFLM."""

from __future__ import annotations

from pathlib import Path

from mcugen.frontends.tflite import converted_names


def test_every_operator_is_compared() -> None:
    sources = sorted(Path(__file__).parent.glob("test_tflm_*.py"))
    text = "\n".join(p.read_text(encoding="utf-8") for p in sources if p != Path(__file__))
    assert [name for name in converted_names() if f'"{name}"' not in text] == []
