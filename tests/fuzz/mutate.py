"""Damages model files in the ways that transfers, editors and attackers do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_INTERESTING = (0, 1, 2, 3, 4, 5, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)

Mutation = Callable[[np.random.Generator, bytes, Sequence[bytes]], bytes]


def mutated(seed: int, corpus: Sequence[bytes]) -> tuple[int, str, bytes]:
    """(index of the file, names of the mutations, the damaged bytes): the same for the same seed and corpus."""
    generator = np.random.default_rng(seed)
    index = int(generator.integers(len(corpus)))
    data, names = corpus[index], []
    for _ in range(int(generator.choice([1, 1, 1, 2, 4]))):
        mutation = MUTATIONS[int(generator.integers(len(MUTATIONS)))]
        names.append(mutation.__name__.strip("_"))
        data = mutation(generator, data, corpus)
    return index, "+".join(names), data


def _place(generator: np.random.Generator, size: int) -> int:
    """An offset; often near an end, because the middle of a model is weights."""
    if size < 1:
        return 0
    near = min(size, 3000)
    offsets = (generator.integers(size), generator.integers(near), size - 1 - generator.integers(near))
    return int(offsets[generator.integers(3)])


def _truncate(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    return data[: _place(generator, len(data))]


def _flip_bits(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    result = bytearray(data)
    for _ in range(int(generator.integers(1, 9)) if data else 0):
        result[_place(generator, len(data))] ^= 1 << int(generator.integers(8))
    return bytes(result)


def _set_bytes(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    result = bytearray(data)
    for _ in range(int(generator.integers(1, 17)) if data else 0):
        result[_place(generator, len(data))] = int(
            generator.choice([0, 1, 127, 128, 255, generator.integers(256)])
        )
    return bytes(result)


def _set_words(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    result = bytearray(data)
    for _ in range(int(generator.integers(1, 4)) if len(data) >= 4 else 0):
        at = _place(generator, len(data) - 3) & ~3
        value = _INTERESTING[int(generator.integers(len(_INTERESTING)))]
        result[at : at + 4] = value.to_bytes(4, "little")
    return bytes(result)


def _zero_range(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    at, size = _place(generator, len(data)), int(generator.integers(1, 200))
    return data[:at] + bytes(len(data[at : at + size])) + data[at + size :]


def _remove_range(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    at = _place(generator, len(data))
    return data[:at] + data[at + int(generator.integers(1, 40)) :]


def _repeat_range(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    at, size = _place(generator, len(data)), int(generator.integers(1, 400))
    return data[: at + size] + data[at:]


def _splice(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    other = corpus[int(generator.integers(len(corpus)))]
    return data[: _place(generator, len(data))] + other[_place(generator, len(other)) :]


def _copy_words(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    """Moves offsets and counts to where others belong."""
    result = bytearray(data)
    for _ in range(3 if len(data) >= 4 else 0):
        source, target = (_place(generator, len(data) - 3) & ~3 for _ in range(2))
        result[target : target + 4] = data[source : source + 4]
    return bytes(result)


def _random_bytes(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    return data[: int(generator.choice([0, 8, 64]))] + generator.bytes(int(generator.integers(0, 2000)))


def _empty(generator: np.random.Generator, data: bytes, corpus: Sequence[bytes]) -> bytes:
    return b""


MUTATIONS: tuple[Mutation, ...] = (
    *(_flip_bits, _set_bytes, _set_words, _copy_words) * 4,
    *(_truncate, _zero_range, _remove_range, _repeat_range, _splice) * 2,
    _random_bytes,
    _empty,
)
