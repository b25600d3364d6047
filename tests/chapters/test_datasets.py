"""Chapter 2's module: windows, rows of documents, text from anywhere, token files, downloads."""

import contextlib
import hashlib
import http.server
import itertools
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.datasets import (
    Corpus,
    Split,
    TokenDataset,
    bits_per_byte,
    document_rows,
    encode_documents,
    hold_out,
    load_prepared,
    load_text,
    make_dataloader,
    pad_batch,
    prepare,
    python_manual,
    random_batches,
    row_starts,
    sample,
    token_stream,
)
from companion.runtime import downloads, files, fingerprints, prepared, texts
from companion.runtime.downloads import download
from companion.runtime.fingerprints import tokenizer_fingerprint, tokens_fingerprint
from companion.runtime.prepared import FILES, prepared_source
from companion.runtime.texts import read_documents, source_of
from companion.tokenization import END_OF_TEXT, BPETokenizer, CharTokenizer, Tokenizer, WordTokenizer

TEXT = "Ash and elm, elm and oak: the wind counts them, one by one. Übermut tut selten gut. 木が三本。\n"


@pytest.fixture(scope="module")
def bpe() -> BPETokenizer:
    return BPETokenizer.train(TEXT * 3, 290)


def visible(folder: Path) -> list[str]:
    """The names in a folder, hidden ones (locks) left out."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def one_line(error: pytest.ExceptionInfo, *words) -> None:
    """The error's message is one line with these words."""
    assert "\n" not in str(error.value)
    for word in words:
        assert str(word) in str(error.value)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- windows ----


@given(st.integers(2, 90), st.integers(1, 40), st.integers(1, 25))
@settings(deadline=None)
def test_windows_are_unfolds(n_tokens, context_length, stride):
    if n_tokens <= context_length:
        with pytest.raises(ValueError, match=f"context_length={context_length} is too long"):
            TokenDataset(range(n_tokens), context_length, stride)
        return
    tokens = torch.randint(7000, (n_tokens,), generator=seeded(n_tokens))
    windows = TokenDataset(tokens.numpy().astype(np.uint16), context_length, stride)
    expected = tokens.unfold(0, context_length + 1, stride)
    assert len(windows) == len(expected)
    for (x, y), row in zip(windows, expected, strict=True):
        assert x.dtype == y.dtype == torch.int64
        assert torch.equal(x, row[:-1]) and torch.equal(y, row[1:])
    assert torch.equal(windows[-1][1], expected[-1, 1:])


def test_windows_without_stride_ask_each_question_once():
    targets = torch.cat([y for _, y in TokenDataset(range(64), 9)])
    assert targets.tolist() == list(range(1, 64))
    with pytest.raises(IndexError):
        TokenDataset(range(64), 9)[7]


@pytest.mark.parametrize(
    ("context_length", "stride", "words"),
    [(0, None, "context_length=0"), (5, 0, "stride=0"), (5, -2, "stride=-2"), (64, 1, "65 tokens")],
)
def test_windows_that_cannot_be(context_length, stride, words):
    with pytest.raises(ValueError, match=words) as error:
        TokenDataset(range(64), context_length, stride)
    one_line(error)
    with pytest.raises(ValueError, match=words):
        make_dataloader(range(64), context_length, 4, stride)


@pytest.mark.parametrize(
    "tokens", ["the cat sat on the mat", [0.5] * 64, list("the cat sat on"), np.zeros((9, 9), int), 7]
)
def test_windows_are_of_one_row_of_whole_numbers(tokens):
    calls = [lambda: TokenDataset(tokens, 3), lambda: random_batches(tokens, 2, 3, seeded())]
    for call in [*calls, lambda: make_dataloader(tokens, 3, 2)]:
        with pytest.raises(TypeError, match="tokens must be one row of whole numbers") as error:
            call()
        one_line(error)


def test_sizes_are_whole_numbers():
    for context_length, stride, words in [(2.5, None, "context_length=2.5"), (3, "2", "stride='2'")]:
        with pytest.raises(TypeError, match=f"{words} must be a whole number"):
            TokenDataset(range(64), context_length, stride)
    assert len(TokenDataset(range(64), np.int64(7), np.uint8(7))) == 9
    with pytest.raises(ValueError, match="batch_size=0 must be at least 1"):
        make_dataloader(range(64), 3, 0)
    with pytest.raises(TypeError, match="batch_size=1.5 must be a whole number"):
        random_batches(range(64), 1.5, 3, seeded())


def test_loader_shuffles_each_window_once_and_repeats_by_seed():
    def rounds(seed):
        return [x[:, 0].tolist() for x, _ in make_dataloader(range(100), 7, 4, generator=seeded(seed))]

    assert [len(batch) for batch in rounds(0)] == [4, 4, 4]  # 14 windows: the last two are dropped
    starts = sum(rounds(0), [])
    assert len(set(starts)) == 12 and set(starts) <= set(range(0, 98, 7)) and starts != sorted(starts)
    assert rounds(3) == rounds(3) != rounds(4)


def test_loader_in_order_drops_nothing():
    batches = list(make_dataloader(range(100), 7, 4, stride=5, shuffle=False))
    assert torch.cat([x[:, 0] for x, _ in batches]).tolist() == list(range(0, 93, 5))
    for x, y in batches:
        assert torch.equal(x + 1, y) and x.shape[1] == 7
    assert len(batches[-1][0]) == 19 % 4


# -- documents as tokens ----


@pytest.mark.parametrize("kind", [BPETokenizer, CharTokenizer, WordTokenizer])
def test_documents_are_joined_by_the_end_of_text(kind):
    documents = [TEXT, "elm", "", "one by one " * 7]
    tokenizer = kind.train(documents, 300) if kind is BPETokenizer else kind.train(documents)
    split = encode_documents(documents, tokenizer)
    end = tokenizer.special_tokens[END_OF_TEXT]
    expected = [end] + sum([[*tokenizer.encode(text), end] for text in documents], [])
    assert split.tokens.tolist() == expected and split.tokens.dtype == np.uint16
    assert split.starts.tolist() == [i for i, token in enumerate(expected) if token == end]
    assert split.n_bytes == sum(len(text.encode()) for text in documents) + 4
    assert np.array_equal(np.concatenate(list(token_stream(documents, tokenizer))), split.tokens)


@pytest.mark.parametrize("kind", [BPETokenizer, CharTokenizer])
def test_a_typed_end_of_text_is_text(kind):
    documents = [f"elm {END_OF_TEXT} oak", END_OF_TEXT]
    tokenizer = kind.train([TEXT, *documents], 280) if kind is BPETokenizer else kind.train(documents)
    split = encode_documents(documents, tokenizer)
    assert (split.tokens == tokenizer.special_tokens[END_OF_TEXT]).sum() == 3 == len(split.starts)
    assert tokenizer.decode(split.tokens[1 : split.starts[1]].tolist()) == documents[0]


@given(st.lists(st.text(max_size=40), max_size=5))
@settings(deadline=None, max_examples=50)
def test_every_document_comes_back(documents):
    tokenizer = BPETokenizer.train(TEXT * 3, 290)
    documents = [text.encode("utf-8", "replace").decode() for text in documents]
    split = encode_documents(documents, tokenizer)
    spans = itertools.pairwise(split.starts)
    assert [tokenizer.decode(split.tokens[a + 1 : b].tolist()) for a, b in spans] == documents
    assert split.n_bytes == sum(len(text.encode()) + 1 for text in documents)


def test_many_tokens_take_four_bytes_each():
    letters = [chr(0x10000 + i) for i in range(65_534)]
    assert (
        encode_documents(["".join(letters[:9])], CharTokenizer(letters)).tokens.dtype == np.uint16
    )  # 65,536
    split = encode_documents([letters[-1] + "\U0002fffe"], CharTokenizer([*letters, "\U0002fffe"]))
    assert split.tokens.dtype == np.uint32
    assert split.tokens.tolist() == [65_536, 65_533, 65_534, 65_536]


def test_a_tokenizer_needs_the_end_of_text():
    tokenizer = BPETokenizer.train(TEXT, 270, special_tokens=("<pad>",))
    with pytest.raises(ValueError, match=re.escape(END_OF_TEXT)):
        encode_documents([TEXT], tokenizer)


def test_a_tokenizer_without_end_of_text_prepares_nothing(tmp_path):
    tokenizer = BPETokenizer.train(TEXT, 270, special_tokens=("<pad>",))
    with pytest.raises(ValueError, match=re.escape(END_OF_TEXT)):
        prepare([TEXT] * 9, tokenizer, tmp_path / "data")
    assert not (tmp_path / "data").exists() and texts.END_OF_TEXT == END_OF_TEXT


# -- batches of unequal rows ----


def test_padding_is_torchs():
    rows = [[5, 6, 7, 8, 9], [5], [7, 8, 9]]
    tokens, mask = pad_batch(rows, pad_id=3)
    theirs = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, padding_value=3)
    assert torch.equal(tokens, theirs) and tokens.dtype == torch.int64
    assert mask.tolist() == [[True] * 5, [True] + [False] * 4, [True] * 3 + [False] * 2]


@given(st.lists(st.lists(st.integers(0, 60_000), max_size=9), min_size=1, max_size=6), st.integers(1, 12))
def test_padding_and_truncating(rows, length):
    arrays = [np.array(row, np.uint16) for row in rows]
    for array in arrays:
        array.flags.writeable = False
    tokens, mask = pad_batch(arrays, pad_id=-100, length=length)
    assert tokens.shape == mask.shape == (len(rows), length) and mask.dtype == torch.bool
    for row, ids, real in zip(rows, tokens, mask, strict=True):
        assert ids[real].tolist() == row[:length]
        assert (ids[~real] == -100).all() and real.tolist() == sorted(real.tolist(), reverse=True)


@pytest.mark.parametrize(
    ("rows", "length", "words"),
    [
        ([], None, "sequences=0"),
        ([], 3, "sequences=0"),
        ([[1]], 0, "length=0"),
        ([[1]], -1, "length=-1"),
        ([[], []], None, "length=0"),
    ],
)
def test_padding_needs_rows_and_room(rows, length, words):
    with pytest.raises(ValueError, match=f"{words} must be at least 1"):
        pad_batch(rows, 0, length)
    with pytest.raises(TypeError, match="length=2.5 must be a whole number"):
        pad_batch([[1]], 0, 2.5)


def test_an_empty_row_among_others_is_padding():
    tokens, mask = pad_batch([[], [5, 6]], 3)
    assert tokens.tolist() == [[3, 3], [5, 6]] and mask.tolist() == [[False] * 2, [True] * 2]
    assert pad_batch([[], []], 3, length=2)[0].tolist() == [[3, 3], [3, 3]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 17))
@settings(deadline=None)
def test_rows_ask_each_question_once(lengths, context_length):
    starts = np.cumsum([0, *lengths])
    tokens = np.arange(1000, 1001 + starts[-1])
    cut = row_starts(starts, context_length)
    assert np.diff(cut).max() <= context_length and set(starts) <= set(cut)
    x, y = document_rows(tokens, cut, range(len(cut) - 1))
    assert y[y != -100].tolist() == list(range(1001, 1001 + starts[-1]))
    assert torch.equal(x[y != -100] + 1, y[y != -100])
    assert (x[y == -100] == 1000).all()  # padding is <|endoftext|>
    assert x.shape == (len(cut) - 1, min(context_length, max(lengths)))


def test_rows_can_be_cut_short():
    x, y = document_rows(np.arange(50), np.array([0, 20, 23, 49]), [2, 0, 1], context_length=7)
    assert x[:, 0].tolist() == [23, 0, 20] and x.shape == (3, 7)
    assert y.tolist() == [list(range(24, 31)), list(range(1, 8)), [21, 22, 23] + [-100] * 4]
    with pytest.raises(ValueError, match="context_length=0"):
        row_starts(np.array([0, 4]), 0)


def test_padding_costs_nothing(bpe):
    documents = ["elm and oak", "one by one, the wind counts them", "Ash"]
    split = encode_documents(documents, bpe)
    scores = torch.randn(
        bpe.vocab_size, bpe.vocab_size, generator=seeded(), dtype=torch.float64
    )  # of y, after x

    def nats(rows):
        x, y = document_rows(split.tokens, split.starts, rows)
        return F.cross_entropy(scores[x].flatten(0, 1), y.flatten(), reduction="sum")

    torch.testing.assert_close(nats([2, 0, 1]), nats([0]) + nats([1]) + nats([2]))


def test_random_windows_are_cut_anywhere():
    batches = random_batches(np.arange(30, dtype=np.uint16), 5, 4, seeded())
    seen = set()
    for x, y in itertools.islice(batches, 200):
        assert x.shape == y.shape == (5, 4) and x.dtype == torch.int64
        assert torch.equal(x[:, :1] + torch.arange(4), x) and torch.equal(x + 1, y)
        seen.update(x[:, 0].tolist())
    assert seen == set(range(26))


def test_random_rows_begin_with_documents(bpe):
    documents = [TEXT[9 * n : 10 * n + 19] for n in range(8)] * 2
    split = encode_documents(documents, bpe)
    rows = itertools.islice(random_batches(split.tokens, 6, 15, seeded(), split.starts), 300)
    cut = row_starts(split.starts, 15)
    counts = dict.fromkeys(
        [tuple(split.tokens[a + 1 : b + 1].tolist()) for a, b in itertools.pairwise(cut)], 0
    )
    for x, y in rows:
        assert x.shape == y.shape and len(x) == 6 and x.shape[1] <= 15
        for row_x, row_y in zip(x, y, strict=True):
            real = row_y != -100
            counts[tuple(row_y[real].tolist())] += 1
            assert torch.equal(row_x[real][1:], row_y[real][:-1])
    expected = 1800 / len(counts)  # each document stands there twice
    assert len(counts) == (len(cut) - 1) / 2 > len(documents) / 2
    for count in counts.values():
        assert abs(count - expected) < 5 * math.sqrt(expected)


def test_random_batches_repeat_by_seed(bpe):
    split = encode_documents([TEXT, "elm", "oak and ash"], bpe)
    for starts in (None, split.starts):

        def first(seed, starts=starts):
            return next(random_batches(split.tokens, 7, 9, seeded(seed), starts))

        assert all(torch.equal(a, b) for a, b in zip(first(1), first(1), strict=True))
        assert first(1)[0].shape != first(2)[0].shape or not torch.equal(first(1)[0], first(2)[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"context_length": 0}, "context_length=0"),
        ({"context_length": 40}, "context_length=40"),
        ({"starts": np.array([0, 9]), "context_length": 0}, "context_length=0"),
        ({"starts": np.array([0])}, "rows=0"),
    ],
)
def test_random_batches_say_at_once_what_is_wrong(options, words):
    arguments = {
        "tokens": np.arange(40),
        "batch_size": 3,
        "context_length": 8,
        "generator": seeded(),
    } | options
    with pytest.raises(ValueError, match=words):
        random_batches(**arguments)


# -- surprise ----


def test_bits_of_uniform_bytes_are_eight():
    text = "木 and elm".encode()
    nats = F.cross_entropy(torch.zeros(len(text), 256), torch.tensor(list(text)), reduction="sum").item()
    assert bits_per_byte(nats, len(text)) == pytest.approx(8, abs=1e-6)
    assert bits_per_byte(math.log(2), 4) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="n_bytes=0"):
        bits_per_byte(1.0, 0)


def test_sample_draws_what_is_probable():
    p = torch.tensor([0.0, 0.125, 0.5, 0.0, 0.375])
    drawn = sample(lambda tokens: p, [], 4000, None, seeded(5))
    for token, share in enumerate(p.tolist()):
        assert abs(drawn.count(token) - 4000 * share) <= 4 * math.sqrt(4000 * share * (1 - share))
    assert drawn == sample(lambda tokens: 7 * p, [], 4000, None, seeded(5))  # weights will do
    assert drawn != sample(lambda tokens: p, [], 4000, None, seeded(6))


def test_sample_sees_its_own_tokens_and_stops():
    prompt = [3, 1]
    after = torch.eye(5)[[1, 2, 3, 4, 0]]  # i -> i + 1
    assert sample(lambda tokens: after[tokens[-1]], prompt, 4, None, seeded()) == [3, 1, 2, 3, 4, 0]
    assert sample(lambda tokens: after[tokens[-1]], prompt, 4, 3, seeded()) == [3, 1, 2, 3]
    assert prompt == [3, 1]


@pytest.mark.parametrize(("place", "token"), [(0.0, 1), (0.25, 2), (0.5, 2), (1.0, 3)])
def test_a_dart_on_a_border_hits_what_has_a_width(monkeypatch, place, token):
    dart = torch.full((1,), place, dtype=torch.float64)  # 1.0 is what rounding may make of a dart
    monkeypatch.setattr(torch, "rand", lambda *shape, **options: dart)
    assert sample(lambda tokens: torch.tensor([0.0, 0.25, 0.5, 0.25]), [], 1) == [token]


# -- texts ----


def test_a_file_is_one_document(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffElm\r\n\r\nOak: 木\r\n".encode())
    assert load_text(tmp_path / "a.txt") == ["Elm\n\nOak: 木"]
    assert load_text(str(tmp_path / "a.txt")) == read_documents(tmp_path / "a.txt")


def test_end_of_text_parts_documents(tmp_path):
    (tmp_path / "a.txt").write_text(
        f"one\n{END_OF_TEXT}\ntwo\n\nstill two{END_OF_TEXT}\n\n{END_OF_TEXT}three\n"
    )
    assert load_text(tmp_path / "a.txt") == ["one", "two\n\nstill two", "three"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (END_OF_TEXT.encode(), "empty"),
        ("Übermut".encode("latin-1"), r"UTF-8 text \(byte 0\)"),
        ("Elm and oak".encode("utf-16"), "UTF-8"),
        ("Elm and oak".encode("utf-16-le"), "is UTF-16 text, must be UTF-8; .* save it with"),
        ("Elm and oak".encode("utf-32"), "is UTF-32 text"),
        (b"Elm and\0oak", "zero bytes"),
        (b"\x89PNG\r\n\x1a\n\0\0", "UTF-8"),
    ],
)
def test_a_file_that_is_no_text(tmp_path, data, words):
    (tmp_path / "strange.dat").write_bytes(data)
    with pytest.raises(ValueError, match=f"strange.dat.*{words}") as error:
        load_text(tmp_path / "strange.dat")
    assert "\n" not in str(error.value)


def test_a_folder_is_its_text_files(tmp_path):
    for name, data in {
        "b.txt": b"bee",
        "a/z.md": b"zed",
        "a/0": b"nought",
        "empty.txt": b"",
        ".hidden": b"secret",
        ".git/config": b"secret",
        "c.txt": f"sea{END_OF_TEXT}see".encode(),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert load_text(tmp_path) == ["nought", "zed", "bee", "sea", "see"]


def test_a_folder_without_text(tmp_path):
    (tmp_path / "hollow").mkdir()
    (tmp_path / "hollow" / "empty.txt").write_bytes(b" \n")
    with pytest.raises(ValueError, match="hollow.*no text"):
        load_text(tmp_path / "hollow")
    (tmp_path / "hollow" / "picture.png").write_bytes(b"\x89PNG\0")
    with pytest.raises(ValueError, match="hollow.*no text"):
        load_text(tmp_path / "hollow", skip=lambda line: None)


def test_a_file_that_is_no_text_stops_a_folder_and_is_named(tmp_path):
    for n in range(7):
        (tmp_path / f"{n}.txt").write_bytes("Übermut".encode("latin-1") if n != 3 else b"elm")
    with pytest.raises(ValueError) as error:
        load_text(tmp_path)
    one_line(error, tmp_path, "no UTF-8", "0.txt, 1.txt, 2.txt, 4.txt, 5.txt and 1 more", "skip")
    (tmp_path / "6.txt").unlink()
    with pytest.raises(ValueError, match="4.txt, 5.txt;"):
        load_text(tmp_path)


def test_a_file_that_is_no_text_is_left_out_where_the_caller_says_so(tmp_path):
    (tmp_path / "a.txt").write_bytes("Übermut".encode("latin-1"))
    (tmp_path / "b.txt").write_bytes(b"elm")
    (tmp_path / "c.txt").write_bytes("elm".encode("utf-16-le"))
    (tmp_path / "empty.txt").write_bytes(b"")
    said = []
    assert load_text(tmp_path, skip=said.append) == ["elm"]
    assert len(said) == 2 and "a.txt is no UTF-8" in said[0] and "c.txt is UTF-16 text" in said[1]
    assert load_text(tmp_path / "a.txt", skip=said.append) == [] and said[2] == said[0]
    assert load_text(tmp_path / "b.txt", skip=said.append) == ["elm"] and len(said) == 3


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_an_empty_name_is_not_the_working_directory(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "diary.txt").write_text("Rain.")
    with pytest.raises(ValueError, match="is empty; for the working directory"):
        load_text(name)
    assert load_text(".") == ["Rain."]


@pytest.mark.parametrize("name", [None, 7, ["a.txt"]])
def test_a_name_is_a_str_or_a_path(name):
    with pytest.raises(TypeError, match="must be a name or a path"):
        load_text(name)


def test_a_text_in_the_place_of_its_name_is_no_file():
    with pytest.raises(ValueError, match="is no file") as error:
        load_text("Once upon a time\n" * 400)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_sources_tell_one_letters_from_the_other(tmp_path, monkeypatch, bpe):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "letters.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    one, two = source_of(["one/letters.txt"]), source_of("two/letters.txt")
    assert one == str((tmp_path / "one/letters.txt").resolve()) != two
    assert source_of(["village"]) == source_of("village") == "village"
    assert source_of(["pydoc", Path("one")]) == f"pydoc, {(tmp_path / 'one').resolve()}"
    assert prepared_source("data") is None
    prepare([TEXT] * 20, bpe, "data", 0.1, source=one)
    assert prepared_source("data") == one
    (tmp_path / "data" / "meta.json").write_text("{}")
    assert prepared_source("data") is None
    assert prepared_source(tmp_path / "one") is None and visible(tmp_path / "one") == ["letters.txt"]
    assert os.listdir(tmp_path / "one") == ["letters.txt"]  # a folder of somebody else's gets no lock


@pytest.mark.parametrize("documents", ["the cat sat on the mat", b"the cat", [b"cat"], ["elm", 7], [["elm"]]])
def test_documents_are_a_list_of_texts(tmp_path, bpe, documents):
    calls = [
        lambda: prepare(documents, bpe, tmp_path / "data", 0.1),
        lambda: encode_documents(documents, bpe),
        lambda: list(token_stream(documents, bpe)),
        lambda: hold_out(documents, 0.1),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="documents.* must be a") as error:
            call()
        one_line(error)
    assert not (tmp_path / "data").exists()


def test_documents_may_come_from_a_generator(bpe):
    split = encode_documents((text for text in ["elm", "oak"]), bpe)
    assert split.n_bytes == 8 and len(split.starts) == 3


def test_a_split_is_of_tokens():
    with pytest.raises(TypeError, match="encode_documents") as error:
        Split("the cat sat", np.array([0, 3]), 4)
    one_line(error)


def test_an_unknown_name_lists_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError) as error:
        load_text("vilage")
    assert all(
        f" {name}" in str(error.value) for name in ("lamplighter", "pydoc", "shakespeare", "tinystories")
    )
    assert "'vilage'" in str(error.value) and "village," in str(error.value)


def test_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "diary.txt").write_text("Rain.")
    assert load_text("~/diary.txt") == ["Rain."]


def test_the_village_comes_in_splits(monkeypatch):
    monkeypatch.setattr(texts, "load_split", lambda name: [f"{name} 1", f"{name} 2"])
    assert load_text("village", "test") == ["test 1", "test 2"]
    assert load_text("village") == ["train 1", "train 2", "val 1", "val 2"]


def test_splits_are_the_villages():
    assert load_text("village", "val")[0].split() and len(load_text("village")) > len(
        load_text("village", "val")
    )
    with pytest.raises(ValueError, match="split='dev'"):
        load_text("village", "dev")
    with pytest.raises(ValueError, match="split='val'.*pydoc"):
        load_text("pydoc", "val")


def test_lamplighter_is_one_story():
    (story,) = load_text("lamplighter")
    assert 15_000 < len(story.encode()) < 20_500 and END_OF_TEXT not in story


def test_the_manual_repeats_no_paragraph():
    manual = load_text("pydoc")
    assert manual == python_manual() and len(manual) > 50 and sum(map(len, manual)) > 200_000
    paragraphs = [p for topic in manual for p in {p.strip() for p in topic.split("\n\n")} if p]
    assert len(paragraphs) == len(set(paragraphs))


# -- holding out ----


@given(st.integers(1, 7000), st.integers(1, 700))
def test_the_last_documents_are_held_out(n_train, n_val):
    documents = [str(i) for i in range(n_train + n_val)]
    fraction = n_val / (n_train + n_val)
    train, val = hold_out(documents, fraction)
    assert (train, val) == (documents[:n_train], documents[n_train:])


@given(st.text("ab \n", min_size=40, max_size=300), st.integers(1, 4), st.sampled_from([0.05, 0.1]))
def test_one_long_document_is_cut(text, others, fraction):
    documents = ["short"] * (others - 1) + [text + "the end of it"]
    try:
        train, val = hold_out(documents, fraction)
    except ValueError as error:
        assert "too short" in str(error)
        return
    assert train[:-1] == documents[:-1] and train[-1] + val[0] == documents[-1] and len(val) == 1
    total = sum(map(len, documents))
    assert round(fraction * total) <= len(val[0]) <= round(fraction * total) + len(documents[-1]) / 10 + 1


def test_a_document_is_cut_between_lines_or_words():
    lines = "".join(f"{n:04} and nine more letters\n" for n in range(100))
    train, val = hold_out([lines], 0.1)
    assert train[0].endswith("\n") and val[0].startswith("0090 ")
    _, val = hold_out([lines.replace("\n", " ")], 0.1)
    assert val[0].split()[0] in "0090 and nine more letters".split()
    train, val = hold_out(["x" * 100], 0.1)
    assert (len(train[0]), len(val[0])) == (90, 10)
    train, val = hold_out(["elm " * 9, "oak " * 9], 0.9)  # never all of it
    assert (len(train), len(val)) == (1, 1)


@pytest.mark.parametrize(
    ("documents", "fraction", "words"),
    [
        (["elm", "oak"], 0, "val_fraction=0"),
        (["elm", "oak"], 1, "val_fraction=1"),
        (["elm", "oak"], 1.5, "val_fraction=1.5"),
        ([], 0.1, "at least one document"),
        (["Hm."], 0.1, "too short"),
        (["H"], 0.5, "too short"),
    ],
)
def test_nothing_to_hold_out(documents, fraction, words):
    with pytest.raises(ValueError, match=words):
        hold_out(documents, fraction)


# -- token files ----


def test_prepared_text_is_the_text(tmp_path, bpe):
    documents = [TEXT * n for n in range(1, 21)]
    meta = prepare(documents, bpe, tmp_path / "new" / "data", 0.15, source="trees")
    corpus = load_prepared(tmp_path / "new" / "data")
    for split, part in [("train", documents[:17]), ("val", documents[17:])]:
        found, expected = getattr(corpus, split), encode_documents(part, bpe)
        assert isinstance(found.tokens, np.memmap) and found.tokens.dtype == expected.tokens.dtype
        assert np.array_equal(found.tokens, expected.tokens) and np.array_equal(found.starts, expected.starts)
        assert found.n_bytes == expected.n_bytes
        assert meta[split] == {
            "n_tokens": len(expected.tokens),
            "n_documents": len(part),
            "n_bytes": expected.n_bytes,
            "sha256": hashlib.sha256((tmp_path / f"new/data/{split}.bin").read_bytes()).hexdigest(),
        }
        assert found.fingerprint == expected.fingerprint == meta[split]["sha256"]
    assert meta == corpus.meta == json.loads((tmp_path / "new/data/meta.json").read_text())
    assert (meta["source"], meta["vocab_size"], meta["dtype"]) == ("trees", bpe.vocab_size, "uint16")
    assert corpus.tokenizer.encode(TEXT) == bpe.encode(TEXT) and isinstance(corpus, Corpus)
    assert meta["tokenizer"] == tokenizer_fingerprint(bpe) == tokenizer_fingerprint(corpus.tokenizer)
    assert visible(tmp_path / "new" / "data") == sorted(FILES)


def test_the_villages_val_is_the_shipped_one(tmp_path, bpe):
    train, val = ["elm and oak"] * 5500, ["ash"] * 500
    meta = prepare(train + val, bpe, tmp_path, len(val) / len(train + val))
    assert (meta["train"]["n_documents"], meta["val"]["n_documents"]) == (5500, 500)
    assert meta["val"]["n_bytes"] == 500 * 4


def test_many_tokens_are_prepared_as_four_bytes(tmp_path):
    letters = [chr(0x10000 + i) for i in range(66_000)]
    meta = prepare(["".join(letters)], CharTokenizer(letters), tmp_path, 0.1)
    assert meta["dtype"] == "uint32"
    corpus = load_prepared(tmp_path)
    assert corpus.val.tokens.max() > 65_536
    assert corpus.tokenizer.decode(corpus.val.tokens[1:-1].tolist()) == "".join(letters[-6600:])


def test_a_torn_character_is_the_same_sign_everywhere(tmp_path, bpe):
    torn, mended = "An elm \ud800 and an oak.", "An elm \ufffd and an oak."
    assert bpe.encode(torn) == bpe.encode(mended)
    assert CharTokenizer.train([torn]).characters == CharTokenizer.train([mended]).characters
    found, expected = (encode_documents([text] * 3, bpe) for text in (torn, mended))
    assert found.tokens.tolist() == expected.tokens.tolist() and found.n_bytes == expected.n_bytes
    prepare([torn] * 3, bpe, tmp_path / "torn", 0.4)
    prepare([mended] * 3, bpe, tmp_path / "mended", 0.4)
    assert (tmp_path / "torn/train.bin").read_bytes() == (tmp_path / "mended/train.bin").read_bytes()


def test_prepare_holds_one_document_at_a_time(tmp_path, bpe):
    documents = [TEXT * 100] * 100  # 1.1 MB; the same object, so that the texts themselves take nothing
    tracemalloc.start()
    prepare(documents, bpe, tmp_path, 0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = (tmp_path / "train.bin").stat().st_size
    assert size > 800_000 and peak < size / 2


def old_or_new(folder: Path, versions: dict[str, int]) -> str:
    """Which version lies in the folder, having checked that all of it is of that version."""
    corpus = load_prepared(folder)
    source = corpus.meta["source"]
    end = corpus.tokenizer.special_tokens[END_OF_TEXT]
    for split in (corpus.train, corpus.val):
        assert np.array_equal(np.flatnonzero(split.tokens == end), split.starts)
    assert end == versions[source] - 1 == corpus.meta["vocab_size"] - 1
    assert corpus.tokenizer.decode(corpus.train.tokens[1 : corpus.train.starts[1]].tolist()) == source * 9
    assert len(corpus.train.starts) - 1 == corpus.meta["train"]["n_documents"]
    return source


def two_versions(bpe) -> dict[str, tuple]:
    small = BPETokenizer.train(TEXT, 260)
    return {"elm ": (["elm " * 9] * 40, bpe), "oak ": (["oak " * 9] * 70, small)}


def test_a_failure_at_any_step_leaves_old_or_new(tmp_path, bpe, monkeypatch):
    """Every write and every renaming fails once; a full disk looks like this, and so does a kill."""
    versions = two_versions(bpe)
    sizes = {source: tokenizer.vocab_size for source, (_, tokenizer) in versions.items()}
    found = []
    for step in range(40):
        folder = tmp_path / str(step)
        for source in ("elm ", "oak "):
            documents, tokenizer = versions[source]
            with monkeypatch.context() as patch:
                if source == "oak ":
                    countdown = itertools.count(step, -1)

                    def failing(real, countdown=countdown):
                        def call(*args, **kwargs):
                            if next(countdown) == 0:
                                raise OSError(28, "No space left on device")
                            return real(*args, **kwargs)

                        return call

                    patch.setattr(os, "replace", failing(os.replace))
                    patch.setattr(os, "rename", failing(os.rename))
                    patch.setattr(os, "fsync", failing(os.fsync))
                    patch.setattr(prepared, "open", failing(open), raising=False)
                    patch.setattr(np, "save", failing(np.save))
                try:
                    prepare(documents, tokenizer, folder, 0.1, source=source)
                    whole = True
                except OSError:
                    whole = False
        found.append(old_or_new(folder, sizes))
        assert found[-1] == "oak " or not whole
        prepare(*versions["elm "], folder, 0.1, source="elm ")  # and it can be written again
        assert old_or_new(folder, sizes) == "elm "
        if whole:
            break
    assert whole and found.count("elm ") >= 5 and found.count("oak ") >= 5
    assert found == sorted(found)  # old up to one step, new from there on


def test_a_set_that_was_committed_before_a_kill_is_opened_and_not_lost(tmp_path, bpe, monkeypatch):
    versions = two_versions(bpe)
    sizes = {source: tokenizer.vocab_size for source, (_, tokenizer) in versions.items()}
    prepare(*versions["elm "], tmp_path, 0.1, source="elm ")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        real, calls = os.replace, []

        def killed(*args):
            calls.append(args)
            if len(calls) > 3:  # the tokenizer's own renaming, and two files of six
                raise KeyboardInterrupt
            real(*args)

        patch.setattr(os, "replace", killed)
        prepare(*versions["oak "], tmp_path, 0.1, source="oak ")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        prepare(*versions["elm "], tmp_path, 0.1, source="elm ")
    assert old_or_new(tmp_path, sizes) == "oak "


@pytest.mark.gate
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked child")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # from Python 3.12 on
def test_a_kill_at_any_moment_leaves_old_or_new(tmp_path, bpe):
    versions = two_versions(bpe)
    sizes = {source: tokenizer.vocab_size for source, (_, tokenizer) in versions.items()}
    prepare(*versions["elm "], tmp_path, 0.1, source="elm ")
    begin = time.perf_counter()
    prepare(*versions["oak "], tmp_path, 0.1, source="oak ")
    seconds, rng, found = time.perf_counter() - begin, random.Random(0), set()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            while True:
                for source, (documents, tokenizer) in versions.items():
                    prepare(documents, tokenizer, tmp_path, 0.1, source=source)
        time.sleep(rng.uniform(0.5, 12) * seconds)
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        found.add(old_or_new(tmp_path, sizes))
    assert found == {"elm ", "oak "}


def test_other_files_in_the_folder_stay(tmp_path, bpe):
    (tmp_path / "notes.txt").write_text("mine")
    prepare([TEXT] * 20, bpe, tmp_path, 0.1)
    prepare([TEXT] * 30, bpe, tmp_path, 0.1)
    assert visible(tmp_path) == sorted([*FILES, "notes.txt"])
    assert not list(tmp_path.glob(f"{files.STAGED}*"))


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path, bpe, name):
    prepare([TEXT] * 20, bpe, tmp_path, 0.1)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"lacks {name}; run prepare"):
        load_prepared(tmp_path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_a_file_that_was_cut_off(tmp_path, bpe, name, keep):
    prepare([TEXT] * 20, bpe, tmp_path, 0.1)
    os.truncate(tmp_path / name, int((tmp_path / name).stat().st_size * keep) // 4 * 4)
    with pytest.raises(ValueError) as error:
        load_prepared(tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_a_folder_that_was_never_prepared(tmp_path):
    with pytest.raises(ValueError, match="nowhere.*run prepare"):
        load_prepared(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="lacks meta.json; run prepare"):
        load_prepared(tmp_path)
    assert os.listdir(tmp_path) == []


def meta_with(**changes):
    """A way to damage a folder: other entries in meta.json; None takes one out."""

    def damage(folder: Path):
        meta = json.loads((folder / "meta.json").read_text()) | changes
        kept = {name: value for name, value in meta.items() if value is not None}
        (folder / "meta.json").write_text(json.dumps(kept))

    return damage


def text_in(name: str, text: str):
    return lambda folder: (folder / name).write_text(text)


def starts_as(change):
    def damage(folder: Path):
        starts = np.load(folder / "val_starts.npy")
        with open(folder / "val_starts.npy", "wb") as file:
            np.save(file, change(starts))

    return damage


def other_tokenizer(**options):
    def damage(folder: Path):
        BPETokenizer.train(TEXT[::-1] * 3, 290, **options).save(folder / "tokenizer.json")

    return damage


DAMAGES = {
    "no JSON": (text_in("meta.json", "{"), "meta.json"),
    "empty JSON": (text_in("meta.json", "{}"), "meta.json", "dtype"),
    "a list": (text_in("meta.json", "[]"), "meta.json", "object"),
    "deep": (text_in("meta.json", "[" * 200_000), "meta.json"),
    "no UTF-8": (lambda folder: (folder / "meta.json").write_bytes(b'{"source": "\xff"}'), "meta.json"),
    "no vocab_size": (meta_with(vocab_size=None), "meta.json", "vocab_size"),
    "a vocab_size of text": (meta_with(vocab_size="290"), "meta.json", "vocab_size"),
    "another vocab_size": (meta_with(vocab_size=291), "tokenizer.json", "291"),
    "no dtype": (meta_with(dtype=None), "meta.json", "dtype"),
    "dtype float64": (meta_with(dtype="float64"), "meta.json", "float64"),
    "dtype uint32": (meta_with(dtype="uint32"), "train.bin"),
    "no train": (meta_with(train=None), "meta.json", "train.n_tokens"),
    "train a number": (meta_with(train=7), "meta.json", "train.n_tokens"),
    "no tokens": (
        meta_with(val={"n_tokens": 0, "n_documents": 1, "n_bytes": 1}),
        "meta.json",
        "val.n_tokens",
    ),
    "a source of numbers": (meta_with(source=[1]), "meta.json", "source"),
    "another fingerprint": (meta_with(tokenizer="0" * 64), "tokenizer.json", "meta.json"),
    "starts reversed": (starts_as(lambda s: s[::-1]), "val_starts.npy", "rise"),
    "starts that stand still": (starts_as(lambda s: np.array([s[0], s[0], s[-1]])), "val_starts.npy"),
    "starts out of range": (starts_as(lambda s: np.array([*s[:-1], 10**9])), "val_starts.npy", "last"),
    "starts below 0": (starts_as(lambda s: s - 1), "val_starts.npy"),
    "starts moved": (starts_as(lambda s: np.array([s[0], s[1] + 1, s[2]])), "val.bin", "val_starts.npy"),
    "unsigned starts reversed": (starts_as(lambda s: s[::-1].astype(np.uint64)), "val_starts.npy"),
    "starts of fractions": (starts_as(lambda s: s.astype(float)), "val_starts.npy", "float64"),
    "a start too few": (starts_as(lambda s: s[1:]), "val_starts.npy"),
    "a table of starts": (starts_as(lambda s: s[None]), "val_starts.npy", "shape"),
    "one number": (starts_as(lambda s: s[0]), "val_starts.npy", "shape"),
    "starts of objects": (starts_as(lambda s: s.astype(object)), "val_starts.npy", "no array"),
    "starts that are text": (text_in("val_starts.npy", "0 1 2"), "val_starts.npy", "no array"),
    "an archive": (lambda f: np.savez(open(f / "val_starts.npy", "wb"), s=np.arange(3)), "val_starts.npy"),
    "tokens cut off": (lambda folder: os.truncate(folder / "train.bin", 601), "train.bin", "601 bytes"),
    "tokens too many": (lambda folder: os.truncate(folder / "train.bin", 10**6), "train.bin"),
    "tokenizer no JSON": (text_in("tokenizer.json", "{"), "tokenizer.json"),
    "tokenizer empty": (text_in("tokenizer.json", "{}"), "tokenizer.json"),
    "another tokenizer": (other_tokenizer(), "tokenizer.json", "meta.json"),
    "no end of text": (other_tokenizer(special_tokens=("<pad>",)), "tokenizer.json", END_OF_TEXT),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_one_line_that_names_the_file(tmp_path, bpe, name):
    damage, *words = DAMAGES[name]
    prepare([TEXT] * 20, bpe, tmp_path, 0.1)
    damage(tmp_path)
    with pytest.raises(ValueError) as error:
        load_prepared(tmp_path)
    one_line(error, tmp_path, *words)
    prepare([TEXT] * 20, bpe, tmp_path, 0.1)  # and what the line advises mends it
    load_prepared(tmp_path)


def test_data_from_before_the_fingerprints_still_load(tmp_path, bpe):
    documents = [TEXT * n for n in range(1, 21)]
    meta = prepare(documents, bpe, tmp_path, 0.15)
    old = {name: value for name, value in meta.items() if name != "tokenizer"}
    old |= {name: {k: v for k, v in meta[name].items() if k != "sha256"} for name in ("train", "val")}
    (tmp_path / "meta.json").write_text(json.dumps(old))
    corpus = load_prepared(tmp_path)
    assert corpus.meta == old and corpus.train.fingerprint == meta["train"]["sha256"]
    for hidden in (".claim", ".lock"):
        (tmp_path / hidden).unlink(missing_ok=True)
    assert load_prepared(tmp_path).val.fingerprint == meta["val"]["sha256"]


def test_other_text_with_the_same_counts_has_another_fingerprint(tmp_path, bpe):
    first = prepare(["elm and oak"] * 20, bpe, tmp_path / "a", 0.1)
    second = prepare(["oak and elm"] * 20, bpe, tmp_path / "b", 0.1)
    for name in ("train", "val"):
        prints = [meta[name].pop("sha256") for meta in (first, second)]
        assert prints[0] != prints[1] and first[name]["n_documents"] == second[name]["n_documents"]
    assert first["tokenizer"] == second["tokenizer"]


def test_a_fingerprint_is_that_of_the_bytes_whatever_holds_them(monkeypatch):
    tokens = np.arange(2000, dtype=np.uint16)
    expected = hashlib.sha256(tokens.tobytes()).hexdigest()
    assert tokens_fingerprint(tokens) == tokens_fingerprint(torch.from_numpy(tokens.copy())) == expected
    monkeypatch.setattr(fingerprints, "PIECE", 77)
    assert tokens_fingerprint(np.repeat(tokens, 3)[::3]) == expected
    assert tokens_fingerprint(tokens[:-1]) != expected


def test_tokenizers_that_cut_alike_have_one_fingerprint(tmp_path, bpe):
    bpe.save(tmp_path / "tokenizer.json")
    assert tokenizer_fingerprint(bpe) == tokenizer_fingerprint(Tokenizer.load(tmp_path / "tokenizer.json"))
    others = [
        bpe,
        BPETokenizer.train(TEXT * 3, 289),
        BPETokenizer.train(TEXT[::-1] * 3, 290),
        BPETokenizer(bpe.merges, pattern=r"\s+|\S+"),
        BPETokenizer(bpe.merges, special_tokens=("<|end|>",)),
        BPETokenizer(bpe.merges, byte_order=bytes(reversed(range(256)))),
        CharTokenizer("abc"),
        CharTokenizer("acb"),
        CharTokenizer("abc", special_tokens=(END_OF_TEXT,)),
        WordTokenizer(["a", "b", "c"]),
        WordTokenizer(["a", "b", "c"], pattern=r"\S+|\s+"),
        WordTokenizer(["ab", "c"]),
    ]
    assert len({tokenizer_fingerprint(tokenizer) for tokenizer in others}) == len(others)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks children, which need not import torch again")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # from Python 3.12 on
def test_several_prepares_at_once_end_with_one_whole_set_and_none_fails(tmp_path, bpe):
    versions = two_versions(bpe)
    sizes = {source: tokenizer.vocab_size for source, (_, tokenizer) in versions.items()}
    prepare(*versions["elm "], tmp_path, 0.1, source="elm ")
    children = []
    for source in ("elm ", "oak ", "elm ", "oak "):
        children.append(os.fork())
        if children[-1] == 0:
            try:
                for _ in range(12):
                    prepare(*versions[source], tmp_path, 0.1, source=source)
                os._exit(0)
            finally:
                os._exit(1)
    seen, codes = set(), {}
    while len(codes) < len(children):
        seen.add(old_or_new(tmp_path, sizes))
        ended = [os.waitpid(child, os.WNOHANG) for child in children if child not in codes]
        codes |= {child: os.waitstatus_to_exitcode(status) for child, status in ended if child}
    assert set(codes.values()) == {0} and seen == {"elm ", "oak "}
    old_or_new(tmp_path, sizes)
    assert visible(tmp_path) == sorted(FILES) and not list(tmp_path.glob(f"{files.STAGED}*"))


def test_prepare_waits_for_another_and_then_says_so(tmp_path, bpe, monkeypatch):
    monkeypatch.setattr(prepared, "WAIT", 0.2)
    with FileLock(tmp_path / files.CLAIM), pytest.raises(ValueError, match="another run; wait") as error:
        prepare([TEXT] * 20, bpe, tmp_path, 0.1)
    one_line(error, tmp_path)
    monkeypatch.setattr(prepared, "WAIT", 60)
    lock = FileLock(tmp_path / files.CLAIM, thread_local=False)
    lock.acquire()
    threading.Timer(0.3, lock.release).start()
    prepare([TEXT] * 20, bpe, tmp_path, 0.1)
    assert len(load_prepared(tmp_path).train.starts) == 19


@pytest.mark.gate
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_on_a_large_file():
    script = Path(__file__).parents[1] / "benchmarks" / "memmap.py"
    command = [sys.executable, script, "--gigabytes", "1", "--batches", "50"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    growth = {
        name: float(value) for name, value in re.findall(r"^(own|mapped|peak) +\+?(-?[\d.]+) MB", out, re.M)
    }
    assert growth["own"] < 5 and growth["peak"] < 150, out  # megabytes, of a file of 1,000
    assert "500,000,000 tokens" in out


# -- downloads ----

BYTES = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(BYTES).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves BYTES from 127.0.0.1, in the way that `mode` names, and keeps each request's Range header."""

    def handle_error(self, request, client_address):
        pass  # a client that hung up; said aloud, it would stand in another test's output

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode, self.ranges = "well", []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/text"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        mode, wanted = self.server.mode, self.headers["Range"]
        self.server.ranges.append(wanted)
        if mode == "nothing":
            return self.connection.close()
        if mode == "missing":
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and mode != "no ranges" else 0
        body = BYTES[::-1] if mode == "wrong" else b"<html>Log in</html>" if mode == "portal" else BYTES
        self.send_response(206 if start else 200)
        if mode != "endless":
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if mode == "slow":
            time.sleep(0.3)
        if mode == "endless":
            with contextlib.suppress(OSError):  # until the other side has enough
                while True:
                    self.wfile.write(bytes(60_000))
        self.wfile.write(body[start : start + 100_000] if mode == "cut" else body[start:])
        self.close_connection = True


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def fails(server, path, *words):
    """One line that holds the words, and nothing at path."""
    with pytest.raises(ConnectionError) as error:
        download(server.url, len(BYTES), DIGEST, path)
    assert "\n" not in str(error.value) and not path.exists()
    for word in (server.url, *words):
        assert word in str(error.value)


def test_a_download_is_kept(server, tmp_path):
    path = tmp_path / "new" / "text"
    assert download(server.url, len(BYTES), DIGEST, path) == path and path.read_bytes() == BYTES
    assert download(server.url, len(BYTES), DIGEST, path) == path
    assert server.ranges == [None] and visible(path.parent) == ["text"]


def test_a_cut_connection_is_resumed(server, tmp_path):
    server.mode = "cut"
    fails(server, tmp_path / "text", "100,000 of 300,000", "try again")
    fails(server, tmp_path / "text", "200,000 of 300,000")
    server.mode = "well"
    assert download(server.url, len(BYTES), DIGEST, tmp_path / "text").read_bytes() == BYTES
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.mode = "cut"
    fails(server, tmp_path / "text", "100,000 of 300,000")
    server.mode = "no ranges"
    assert download(server.url, len(BYTES), DIGEST, tmp_path / "text").read_bytes() == BYTES
    assert server.ranges == [None, "bytes=100000-"]


def test_wrong_bytes_are_removed(server, tmp_path):
    server.mode = "wrong"
    fails(server, tmp_path / "text", "another file", "SHA-256", "removed")
    assert visible(tmp_path) == []
    server.mode = "well"
    assert download(server.url, len(BYTES), DIGEST, tmp_path / "text").read_bytes() == BYTES


def test_a_log_in_page_does_no_lasting_harm(server, tmp_path):
    server.mode = "cut"
    fails(server, tmp_path / "text", "100,000 of 300,000")
    server.mode = "portal"
    fails(server, tmp_path / "text", "19 bytes, not 300,000")
    server.mode = "well"
    assert download(server.url, len(BYTES), DIGEST, tmp_path / "text").read_bytes() == BYTES
    assert server.ranges[-1] == "bytes=100000-"  # what had come is still there


@pytest.mark.parametrize(("wrong", "words"), [(-1, "300,000 bytes, not 299,999"), (1, "not 300,001")])
def test_a_download_of_another_size_is_refused(server, tmp_path, wrong, words):
    """Though its SHA-256 is right: a table with a wrong size must not stay unnoticed."""
    for _ in range(2):
        with pytest.raises(ConnectionError, match=words) as error:
            download(server.url, len(BYTES) + wrong, DIGEST, tmp_path / "text")
        one_line(error, server.url)
        assert visible(tmp_path) == []


def test_a_part_of_another_size_is_refused(server, tmp_path):
    (tmp_path / "text.part").write_bytes(BYTES)
    with pytest.raises(ConnectionError, match="300,000 bytes with .* not 299,999") as error:
        download(server.url, len(BYTES) - 1, DIGEST, tmp_path / "text")
    one_line(error, "removed, try again")
    assert visible(tmp_path) == [] and server.ranges == []


def test_a_server_that_sends_without_end_is_cut_off(server, tmp_path):
    server.mode = "endless"
    fails(server, tmp_path / "text", "300,001 bytes", "removed")
    assert visible(tmp_path) == []


def test_two_downloads_at_once_fetch_the_file_once(server, tmp_path):
    server.mode = "slow"
    found, path = [], tmp_path / "text"
    threads = [
        threading.Thread(target=lambda: found.append(download(server.url, len(BYTES), DIGEST, path)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [path] * 3 and path.read_bytes() == BYTES
    assert server.ranges == [None] and visible(tmp_path) == ["text"]


def test_waiting_for_another_download_has_an_end(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "WAIT", 0.2)
    with FileLock(tmp_path / ".text.lock"), pytest.raises(ConnectionError, match="another process") as error:
        download(server.url, len(BYTES), DIGEST, tmp_path / "text")
    one_line(error, tmp_path / "text")


@pytest.mark.parametrize(("mode", "words"), [("nothing", "network"), ("missing", "404")])
def test_a_server_with_nothing_to_give(server, tmp_path, mode, words):
    server.mode = mode
    fails(server, tmp_path / "text", words)


def test_no_network(server, tmp_path):
    server.shutdown()
    server.server_close()
    fails(server, tmp_path / "text", "check the network")


def test_a_whole_part_needs_no_network(server, tmp_path):
    (tmp_path / "text.part").write_bytes(BYTES)
    assert download(server.url, len(BYTES), DIGEST, tmp_path / "text").read_bytes() == BYTES
    assert server.ranges == []


def test_corpora_are_downloaded_into_the_cache(server, tmp_path, monkeypatch):
    text = f"Enter a ghost.\n{END_OF_TEXT}\nExit ghost."
    monkeypatch.setitem(globals(), "BYTES", text.encode())
    entry = (server.url, len(text), hashlib.sha256(text.encode()).hexdigest())
    monkeypatch.setitem(downloads.DOWNLOADS, "shakespeare", entry)
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path / "cache"))
    assert load_text("shakespeare") == load_text("shakespeare") == ["Enter a ghost.", "Exit ghost."]
    assert len(server.ranges) == 1 and visible(tmp_path / "cache") == ["shakespeare.txt"]


def test_addresses_are_pinned():
    for url, n_bytes, sha256 in downloads.DOWNLOADS.values():
        assert re.match(r"https://[^/]+/.*/[0-9a-f]{40}/", url)
        assert n_bytes > 1_000_000 and re.fullmatch("[0-9a-f]{64}", sha256)
    found = {name: (n_bytes, sha256[:8]) for name, (_, n_bytes, sha256) in downloads.DOWNLOADS.items()}
    assert found == {"shakespeare": (1_115_394, "86c4e6aa"), "tinystories": (19_447_282, "94e43181")}
