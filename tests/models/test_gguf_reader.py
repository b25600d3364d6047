"""The reader of GGUF files: blocks of every kind as written down by hand, and headers that lie."""

import random
import struct

import gguf
import numpy as np
import pytest
import torch

from companion.models.gguf_reader import READABLE, GGUFFile, is_gguf

# ---- blocks, decoded number by number as ggml's structs describe them -------------------


def half(data, at):
    return struct.unpack_from("<e", data, at)[0]


def f32(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def f16(data):
    return list(struct.unpack(f"<{len(data) // 2}e", data))


def bf16(data):
    return [struct.unpack("<f", b"\0\0" + data[i : i + 2])[0] for i in range(0, len(data), 2)]


def q8_0(data):
    return [half(data, 0) * q for q in struct.unpack_from("<32b", data, 2)]


def nibbles(data):
    return [q & 15 for q in data] + [q >> 4 for q in data]


def q4_0(data):
    return [half(data, 0) * (q - 8) for q in nibbles(data[2:])]


def q4_1(data):
    return [half(data, 0) * q + half(data, 2) for q in nibbles(data[4:])]


def five_bits(data, at):
    """32 numbers of 5 bits: the fifth bits first, in 4 bytes."""
    (fifth,) = struct.unpack_from("<I", data, at)
    return [q | (fifth >> i & 1) << 4 for i, q in enumerate(nibbles(data[at + 4 :]))]


def q5_0(data):
    return [half(data, 0) * (q - 16) for q in five_bits(data, 2)]


def q5_1(data):
    return [half(data, 0) * q + half(data, 2) for q in five_bits(data, 4)]


def scale_and_least(packed, j):
    """Of sub-block j its scale and what is subtracted, 6 bits each, from 12 bytes."""
    if j < 4:
        return packed[j] & 63, packed[j + 4] & 63
    return packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4


def of_sub_blocks(data, numbers):
    """256 numbers in 8 sub-blocks, from what they are in whole numbers."""
    d, least = half(data, 0), half(data, 2)
    pairs = [scale_and_least(data[4:16], j) for j in range(8)]
    return [d * pairs[i // 32][0] * q - least * pairs[i // 32][1] for i, q in enumerate(numbers)]


def q4_k(data):
    return of_sub_blocks(data, [q for i in range(16, 144, 32) for q in nibbles(data[i : i + 32])])


def q5_k(data):
    low = [q for i in range(48, 176, 32) for q in nibbles(data[i : i + 32])]
    fifth = data[16:48]
    return of_sub_blocks(data, [q | (fifth[i % 32] >> i // 32 & 1) << 4 for i, q in enumerate(low)])


def q6_k(data):
    low, high, scales, d = data[:128], data[128:192], struct.unpack("<16b", data[192:208]), half(data, 208)
    found = []
    for i in range(256):
        part, inside = divmod(i, 128)
        group, place = divmod(inside, 32)
        byte = low[64 * part + 32 * (group % 2) + place]
        four = byte >> 4 if group > 1 else byte & 15
        two = high[32 * part + place] >> 2 * group & 3
        found.append(d * scales[i // 16] * ((four | two << 4) - 32))
    return found


BY_HAND = {f.__name__.upper(): f for f in (f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k)}
HALVES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Where a block has numbers of 16 bits; elsewhere at its beginning."""


def block(kind, seed):
    """The bytes of a block, drawn at random, with scales that are no NaN."""
    n = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][1]
    data = bytearray(random.Random(f"{kind} {seed}").randbytes(n))
    if kind in ("F32", "F16", "BF16"):
        return {"F32": struct.pack("<f", seed / 3 - 5), "F16": struct.pack("<e", 7 / (seed + 1))}.get(
            kind, struct.pack("<f", seed * 1.1 - 9)[2:]
        )
    for at in HALVES.get(kind, (0,)):
        data[at : at + 2] = struct.pack("<e", random.Random(seed + at).uniform(-0.1, 0.1))
    return bytes(data)


@pytest.mark.parametrize("kind", READABLE)
def test_blocks_of_every_kind_are_the_numbers_that_their_bits_say(kind, tmp_path):
    rows, across = 18, 2  # the library goes through sixteen rows at once
    blocks = [[block(kind, across * r + c) for c in range(across)] for r in range(rows)]
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    data = np.frombuffer(b"".join(map(b"".join, blocks)), np.uint8).reshape(rows, -1)
    number = gguf.GGMLQuantizationType[kind]
    if kind in ("F32", "F16"):
        writer.add_tensor("x", data.view(np.float32 if kind == "F32" else np.float16))
    else:
        writer.add_tensor("x", data, raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    file = GGUFFile(tmp_path / "a.gguf")
    found = file.tensor("x")
    expected = torch.tensor([[x for one in row for x in BY_HAND[kind](one)] for row in blocks])
    assert file.tensors["x"].kind == kind and found.dtype == torch.float32
    assert found.shape == expected.shape == file.tensors["x"].shape
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert expected.std() > 0.01


# ---- headers that lie -------------------------------------------------------------------


def text(said):
    return struct.pack("<Q", len(said)) + said


def key(name, kind, value):
    return text(name) + struct.pack("<I", kind) + value


def line(name=b"x", dims=(32, 2), kind=0, offset=0):
    """A tensor's line in the table."""
    sizes = struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


NAME = key(b"general.architecture", 8, text(b"llama"))
HUGE = struct.pack("<Q", 2**60)


def file_of(keys=(NAME,), lines=(None,), magic=b"GGUF", version=3, n_keys=None, n_lines=None, room=256):
    """The bytes of a file with these keys and lines; room: bytes for the tensors."""
    lines = [line() if one is None else one for one in lines]
    counts = (len(lines) if n_lines is None else n_lines, len(keys) if n_keys is None else n_keys)
    head = magic + struct.pack("<IQQ", version, *counts) + b"".join(keys) + b"".join(lines)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + bytes(room)


LIES = {
    "no GGUF": (file_of(magic=b"PK\3\4"), "is no whole GGUF file"),
    "empty": (b"", "is no whole GGUF file"),
    "version 1": (file_of(version=1), "is no whole GGUF file"),
    "keys without end": (file_of(n_keys=2**60), "is no whole GGUF file"),
    "a text without end": (file_of([key(b"k", 8, HUGE)]), "is no whole GGUF file"),
    "a list without end": (file_of([key(b"k", 9, struct.pack("<I", 0) + HUGE)]), "is no whole GGUF file"),
    "texts without end": (file_of([key(b"k", 9, struct.pack("<I", 8) + HUGE)]), "is no whole GGUF file"),
    "a tensor twice": (file_of(lines=(None, None)), "is no whole GGUF file"),
    "sizes without end": (file_of(lines=(line(dims=(2**40, 2**40)),)), "is no whole GGUF file"),
    "more than the file": (file_of(lines=(line(dims=(32, 3)),)), "is no whole GGUF file"),
    "a kind that is not read": (
        file_of(lines=(line(dims=(256, 1), kind=10),)),
        "is held in Q2_K; read",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_one_line_before_any_work(name, tmp_path):
    data, words = LIES[name]
    (tmp_path / "a.gguf").write_bytes(data)
    with pytest.raises(ValueError, match=words) as caught:
        GGUFFile(tmp_path / "a.gguf")
    assert "\n" not in str(caught.value) and "a.gguf" in str(caught.value)


def test_what_the_lies_were_made_of_is_read(tmp_path):
    numbers = key(b"n", 9, struct.pack("<IQ3h", 3, 3, 1, -2, 3)) + key(b"yes", 7, b"\1")
    (tmp_path / "a.gguf").write_bytes(file_of([NAME, numbers], n_keys=3))
    file = GGUFFile(tmp_path / "a.gguf")
    assert file.header == {"general.architecture": "llama", "n": [1, -2, 3], "yes": True}
    assert torch.equal(file.tensor("x"), torch.zeros(2, 32))


def test_a_file_that_was_cut_off_anywhere_is_one_line(tmp_path):
    whole = file_of([NAME, key(b"t", 9, struct.pack("<IQ", 8, 2) + text(b"a") + text(b"bc"))])
    for n in range(len(whole)):
        (tmp_path / "a.gguf").write_bytes(whole[:n])
        with pytest.raises(ValueError) as caught:
            GGUFFile(tmp_path / "a.gguf")
        assert "\n" not in str(caught.value)


def test_a_gguf_is_known_by_its_name_or_by_its_first_bytes(tmp_path):
    (tmp_path / "blob").write_bytes(file_of())
    (tmp_path / "other").write_bytes(b"GGU")
    (tmp_path / "folder.gguf").mkdir()
    assert is_gguf(tmp_path / "blob") and is_gguf(tmp_path / "not_there.GGUF")
    assert not any(is_gguf(tmp_path / name) for name in ("other", "folder.gguf", "not_there", "."))
    with pytest.raises(ValueError, match=r"not_there\.gguf is no whole GGUF file"):
        GGUFFile(tmp_path / "not_there.gguf")
