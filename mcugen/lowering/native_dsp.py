"""Native kernel variants for cores with the DSP instructions."""

from __future__ import annotations

from mcugen.lowering.variant import Variant

DSP_VARIANTS: tuple[Variant, ...] = ()
