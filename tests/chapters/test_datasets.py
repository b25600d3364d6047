"""Chapter 2's module: windows, rows of documents, text from anywhere, token files, downloads."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from support.folders import raises_one_line

from companion.datasets import (
    TokenDataset,
    bits_per_byte,
    document_rows,
    encode_documents,
    hold_out,
    load_text,
    pad_batch,
    prepare,
    python_manual,
    random_batches,
    row_starts,
    token_stream,
)
from companion.runtime.data.prepared import prepared_source
from companion.runtime.text import documents
from companion.runtime.text.documents import read_documents, source_of
from companion.tokenization import END_OF_TEXT, BPETokenizer, CharTokenizer, WordTokenizer

TEXT = "Ash and elm, elm and oak: the wind counts them, one by one. Übermut tut selten gut. 木が三本。\n"


@pytest.fixture(scope="module")
def bpe() -> BPETokenizer:
    return BPETokenizer.train(TEXT * 3, 290)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- windows ----


@given(st.integers(2, 90), st.integers(1, 40), st.integers(1, 25))
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


def test_a_tokenizer_without_end_of_text_encodes_and_prepares_nothing(tmp_path):
    tokenizer = BPETokenizer.train(TEXT, 270, special_tokens=("<pad>",))
    with pytest.raises(ValueError, match=re.escape(END_OF_TEXT)):
        encode_documents([TEXT], tokenizer)
    with pytest.raises(ValueError, match=re.escape(END_OF_TEXT)):
        prepare([TEXT] * 9, tokenizer, tmp_path / "data")
    assert not (tmp_path / "data").exists() and documents.END_OF_TEXT == END_OF_TEXT


# -- batches of unequal rows ----


@given(st.lists(st.lists(st.integers(0, 60_000), max_size=9), min_size=1, max_size=6), st.integers(1, 12))
def test_padding_and_truncating(rows, length):
    tokens, mask = pad_batch([np.array(row, np.uint16) for row in rows], pad_id=-100, length=length)
    assert tokens.shape == mask.shape == (len(rows), length) and mask.dtype == torch.bool
    for row, ids, real in zip(rows, tokens, mask, strict=True):
        assert ids[real].tolist() == row[:length]
        assert (ids[~real] == -100).all() and real.tolist() == sorted(real.tolist(), reverse=True)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 17))
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


def test_random_windows_are_cut_anywhere():
    batches = random_batches(np.arange(30, dtype=np.uint16), 5, 4, seeded())
    seen = set()
    for x, y in itertools.islice(batches, 200):
        assert x.shape == y.shape == (5, 4) and x.dtype == torch.int64
        assert torch.equal(x[:, :1] + torch.arange(4), x) and torch.equal(x + 1, y)
        seen.update(x[:, 0].tolist())
    assert seen == set(range(26))


def test_each_random_row_is_a_document_and_all_are_equally_likely(bpe):
    split = encode_documents([TEXT[9 * n : 10 * n + 19] for n in range(8)], bpe)
    cut = row_starts(split.starts, 15)
    assert len(cut) > len(split.starts)  # some documents are longer than the context
    counts = {tuple(split.tokens[a + 1 : b + 1].tolist()): 0 for a, b in itertools.pairwise(cut)}
    for x, y in itertools.islice(random_batches(split.tokens, 6, 15, seeded(), split.starts), 300):
        assert x.shape == y.shape and len(x) == 6 and x.shape[1] <= 15
        for row_x, row_y in zip(x, y, strict=True):
            real = row_y != -100
            counts[tuple(row_y[real].tolist())] += 1
            assert torch.equal(row_x[real][1:], row_y[real][:-1])
    expected = 1800 / len(counts)
    assert all(abs(count - expected) < 5 * math.sqrt(expected) for count in counts.values())


# -- surprise ----


def test_bits_of_uniform_bytes_are_eight():
    text = "木 and elm".encode()
    nats = F.cross_entropy(torch.zeros(len(text), 256), torch.tensor(list(text)), reduction="sum").item()
    assert bits_per_byte(nats, len(text)) == pytest.approx(8, abs=1e-6)
    assert bits_per_byte(math.log(2), 4) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="n_bytes=0"):
        bits_per_byte(1.0, 0)


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
        (b" \n\t\n", "empty"),
        ("Übermut".encode("latin-1"), r"UTF-8 text \(byte 0\)"),
        ("Elm and oak".encode("utf-16-le"), "zero bytes"),
    ],
)
def test_a_file_without_utf8_text_is_an_error(tmp_path, data, words):
    (tmp_path / "strange.dat").write_bytes(data)
    with raises_one_line(ValueError, f"strange.dat.*{words}"):
        load_text(tmp_path / "strange.dat")


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


def test_a_prepared_folder_remembers_where_its_text_came_from(tmp_path, monkeypatch, bpe):
    (tmp_path / "letters.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert source_of("letters.txt") == str((tmp_path / "letters.txt").resolve())
    assert source_of(["pydoc", "village"]) == "pydoc, village"
    assert prepared_source("data") is None
    prepare([TEXT], bpe, "data", 0.1, source="here")
    assert prepared_source("data") == "here"


def test_the_manual_repeats_no_paragraph():
    manual = load_text("pydoc")
    assert manual == python_manual() and len(manual) > 50 and sum(map(len, manual)) > 200_000
    paragraphs = [p for topic in manual for p in {p.strip() for p in topic.split("\n\n")} if p]
    assert len(paragraphs) == len(set(paragraphs))


# -- holding out ----


@given(st.integers(1, 70), st.integers(1, 70))
def test_the_last_documents_are_held_out(n_train, n_val):
    documents = [f"{i:03}" for i in range(n_train + n_val)]
    fraction = n_val / (n_train + n_val)
    train, val = hold_out(documents, fraction)
    assert (train, val) == (documents[:n_train], documents[n_train:])


@given(st.lists(st.integers(3, 5000), min_size=2, max_size=40), st.sampled_from([0.01, 0.1, 0.25, 0.4, 0.5]))
def test_what_is_held_out_has_about_its_share_by_size(sizes, fraction):
    assume(sum(sizes) * fraction > 100)
    documents = [f"{i:03}" + " word" * ((n - 3) // 5) + "w" * ((n - 3) % 5) for i, n in enumerate(sizes)]
    train, val = hold_out(documents, fraction)
    n_train, n_val = (sum(map(len, part)) for part in (train, val))
    assert n_train + n_val == sum(sizes) and n_val <= n_train + 100  # a cut is between words
    assert n_val / sum(sizes) <= 2 * fraction
    assert fraction == 0.5 or n_val / sum(sizes) >= 0.3 * fraction  # a half may have no room for a large one
    assert hold_out(documents, fraction) == (train, val)


def test_no_document_is_both_learned_and_held_out(tmp_path, bpe):
    documents = [f"Note {n % 10}: elm and oak" for n in range(30)]
    train, val = hold_out(documents, 0.2)
    assert train + val == documents[:10] and len(val) == 2
    meta = prepare(documents, bpe, tmp_path, 0.2)
    assert (meta["train"]["n_documents"], meta["val"]["n_documents"]) == (8, 2)


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
        (["elm", "oak"], 1, "val_fraction=1"),
        (["Hm."], 0.1, "too short a text to hold 0.1 of them out; give a longer one$"),
    ],
)
def test_a_share_or_a_text_that_leaves_nothing_is_an_error(documents, fraction, words):
    with pytest.raises(ValueError, match=words):
        hold_out(documents, fraction)
