"""The reader of GGUF files: headers that lie are one line, and a whole file is read."""

import struct

import pytest
import torch

from companion.models.gguf_reader import GGUFFile, is_gguf


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
    "keys without end": (file_of(n_keys=2**60), "is no whole GGUF file"),
    "a list without end": (file_of([key(b"k", 9, struct.pack("<I", 0) + HUGE)]), "is no whole GGUF file"),
    "texts without end": (file_of([key(b"k", 9, struct.pack("<I", 8) + HUGE)]), "is no whole GGUF file"),
    "sizes without end": (file_of(lines=(line(dims=(2**40, 2**40)),)), "is no whole GGUF file"),
    "more than the file": (file_of(lines=(line(dims=(32, 3)),)), "is no whole GGUF file"),
    "a part of several": (
        file_of([NAME, key(b"split.count", 2, struct.pack("<H", 3))], n_keys=2),
        "is one of 3 parts; join them",
    ),
    "a kind that is not read": (file_of(lines=(line(dims=(256, 1), kind=10),)), "is held in Q2_K; read"),
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
    complete = file_of([NAME, key(b"t", 9, struct.pack("<IQ", 8, 2) + text(b"a") + text(b"bc"))])
    for n in range(0, len(complete), 5):
        (tmp_path / "a.gguf").write_bytes(complete[:n])
        with pytest.raises(ValueError) as caught:
            GGUFFile(tmp_path / "a.gguf")
        assert "\n" not in str(caught.value)


def test_a_gguf_is_known_by_its_name(tmp_path):
    (tmp_path / "blob").write_bytes(file_of())
    (tmp_path / "folder.gguf").mkdir()
    assert is_gguf(tmp_path / "not_there.GGUF")
    assert not any(is_gguf(tmp_path / name) for name in ("blob", "folder.gguf", "not_there", "."))
    with pytest.raises(ValueError, match=r"not_there\.gguf is no whole GGUF file"):
        GGUFFile(tmp_path / "not_there.gguf")
