"""Requantization tables and lanes of the kernels without long multiplication, against big integers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mcugen import fixedpoint as fx
from mcugen.lowering import native_v6m as v6m
from mcugen.lowering import native_v7m as v7m


def channels(
    bias: int, multiplier: int, shift: int, reach: int, out_offset: int, act_min: int
) -> v6m.Channels:
    def one(value: int) -> v6m.IntArray:
        return np.array([value], dtype=np.int64)

    bounds = one(bias - reach), one(bias + reach)
    return v6m.Channels(one(bias), one(multiplier), one(shift), *bounds, out_offset, act_min, 127)


any_channels = st.builds(
    channels,
    bias=st.one_of(st.integers(-(2**15), 2**15), st.integers(-(2**29), 2**29)),
    multiplier=st.one_of(st.integers(2**30, 2**31 - 1), st.sampled_from((0, 2**30, 2**31 - 1))),
    shift=st.integers(-31, 2),
    reach=st.sampled_from((0, 1, 1000, 2**15, 2**16 - 3, 2**20, 2**21, 2**26)),
    out_offset=st.integers(-128, 127),
    act_min=st.integers(-128, 127),
)


def v6m_outputs(c: v6m.Channels, sums: v6m.IntArray) -> v6m.IntArray:
    """What requantize.h of v6m computes; every intermediate result is checked to fit 32 bits."""
    requant = v6m.requant_table(c)
    bias, right, added, *pieces = (int(word) for word in requant.table)
    if c.constant_outputs()[0][0]:
        sums = np.zeros_like(sums)  # of weights that are zeros
    product = np.zeros_like(sums)
    for piece, bits in zip(reversed(pieces), (*reversed(v6m._PIECE_BITS[requant.scaling]), 0), strict=True):
        product = product + (sums + bias) * piece
        assert np.abs(product).max() < 2**31
        product = product >> bits
    if requant.rounding == v6m.UP:
        return np.clip((product + added) >> right, c.act_min, c.act_max)
    shift = v6m._PRODUCT_SHIFTS[requant.scaling]
    scaled = (product + (1 << (shift - 1))) >> shift
    return np.clip((scaled + (scaled >> 31) + added) >> right, c.act_min, c.act_max)


def v7m_outputs(c: v6m.Channels, sums: v6m.IntArray) -> v6m.IntArray:
    """What requantize.h of v7m computes."""
    requant = v7m.requant_table(c)
    bias, multiplier, rounding, right = (int(word) for word in requant.table)
    doubled = bias + 2 * sums
    assert np.abs(doubled).max() < 2**31
    scaled = (doubled * multiplier + 2**31) >> 32
    scaled = scaled + (scaled >> 31 if requant.rounding == v6m.AWAY else 0)
    return np.clip((scaled + rounding) >> right, c.act_min, c.act_max)


def some_sums(c: v6m.Channels) -> v6m.IntArray:
    reach = int(c.high[0] - c.bias[0])
    return np.unique(np.linspace(-reach, reach, 4001).astype(np.int64))


@given(c=any_channels)
def test_pieces_give_the_reference(c: v6m.Channels) -> None:
    sums = some_sums(c)
    if v6m.requant_table(c).rounding != v6m.EXACT:
        assert np.array_equal(v6m_outputs(c, sums), c.output(c.bias + sums))


@given(c=any_channels)
def test_long_multiplication_gives_the_reference(c: v6m.Channels) -> None:
    sums = some_sums(c)
    if v7m.requant_table(c).rounding != v6m.EXACT:
        assert np.array_equal(v7m_outputs(c, sums), c.output(c.bias + sums))


@given(st.tuples(*(st.integers(-(2**20), 2**20 - 1) for _ in range(3))))
def test_lanes_hold_three_sums(sums: tuple[int, int, int]) -> None:
    a, b, c = sums
    first, second = fx.wrap_int32(np.array([a + (c << 21), b + (c << 10)], dtype=np.int64))
    low_a = ((int(first) + 2**20) & (2**21 - 1)) - 2**20
    low_c = (int(first) - low_a) % 2**32
    rest = (int(second) - (low_c >> 11)) % 2**32
    low_b = ((rest + 2**20) & (2**21 - 1)) - 2**20
    high_c = int(fx.wrap_int32(np.array([rest - low_b], dtype=np.int64))[0]) >> 10
    assert (low_a, low_b, high_c + (low_c >> 21)) == sums


def test_long_columns_are_cut_into_chunks_that_lanes_hold() -> None:
    weights = np.full((2, 576), -128, dtype=np.int64)
    chunk = v6m.chunk_taps(weights)
    assert chunk % 4 == 0
    assert 128 * 128 * chunk < 2**20
    assert v6m.chunk_taps(weights // 128) == 576
