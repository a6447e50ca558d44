"""Native kernel variants for cores with the MVE instructions."""

from __future__ import annotations

from mcugen.lowering.variant import Variant

MVE_VARIANTS: tuple[Variant, ...] = ()
