"""Prepared folders of tokens: whole, old or new, and named by what they hold."""

import hashlib
import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from support.folders import raises_one_line, visible

from companion.datasets import Corpus, encode_documents, load_prepared, prepare
from companion.runtime.data import prepared
from companion.runtime.data.prepared import FILES, tokens_fingerprint
from companion.runtime.files import atomic
from companion.runtime.text.tokenizer import tokenizer_fingerprint
from companion.tokenization import END_OF_TEXT, BPETokenizer, CharTokenizer, Tokenizer, WordTokenizer

TEXT = "Ash and elm, elm and oak: the wind counts them, one by one. Übermut tut selten gut. 木が三本。\n"


DOCUMENTS = [f"{n:02} {TEXT}" for n in range(20)]


@pytest.fixture(scope="module")
def bpe() -> BPETokenizer:
    return BPETokenizer.train(TEXT * 3, 290)


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


def test_many_tokens_are_prepared_as_four_bytes(tmp_path):
    letters = [chr(0x10000 + i) for i in range(66_000)]
    meta = prepare(["".join(letters)], CharTokenizer(letters), tmp_path, 0.1)
    assert meta["dtype"] == "uint32"
    corpus = load_prepared(tmp_path)
    assert corpus.val.tokens.max() > 65_536
    assert corpus.tokenizer.decode(corpus.val.tokens[1:-1].tolist()) == "".join(letters[-6600:])


def test_prepare_holds_one_document_at_a_time(tmp_path, bpe, monkeypatch):
    monkeypatch.setattr(prepared, "PIECE", 2**16)
    documents = [f"{n:02} " + "Ash and elm, elm and oak. " * 400 for n in range(100)]  # 1 MB, not counted
    tracemalloc.start()
    prepare(documents, bpe, tmp_path, 0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = (tmp_path / "train.bin").stat().st_size
    assert size > 800_000 and peak < size / 2


def test_an_error_on_the_way_leaves_the_old_data(tmp_path, bpe, monkeypatch):
    """That a kill does, too, is shown in test_atomic.py."""

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    before = prepare(DOCUMENTS, bpe, tmp_path, 0.1)
    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        prepare(DOCUMENTS[:9], BPETokenizer.train(TEXT, 270), tmp_path, 0.1)
    assert load_prepared(tmp_path).meta == before and not (tmp_path / atomic.PART).exists()


def meta_with(**changes):
    """A way to damage a folder: other entries in meta.json; None takes one out."""

    def damage(folder: Path):
        meta = json.loads((folder / "meta.json").read_text()) | changes
        kept = {name: value for name, value in meta.items() if value is not None}
        (folder / "meta.json").write_text(json.dumps(kept))

    return damage


DAMAGES = {
    "a file is missing": (lambda folder: (folder / "train.bin").unlink(), "train.bin"),
    "another dtype": (meta_with(dtype="uint32"), "data-type size"),
    "data of before the fingerprints": (meta_with(tokenizer=None), "'tokenizer'"),
    "tokens cut off": (
        lambda folder: os.truncate(folder / "train.bin", 600),
        "train.bin and train_starts.npy",
    ),
    "another tokenizer": (
        lambda folder: BPETokenizer.train(TEXT[::-1] * 3, 290).save(folder / "tokenizer.json"),
        "tokenizer.json is not the tokenizer",
    ),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_or_older_folder_is_refused_in_one_line(tmp_path, bpe, damage, words):
    prepare(DOCUMENTS, bpe, tmp_path, 0.1)
    damage(tmp_path)
    with raises_one_line(
        ValueError, f"^folder='.*' is damaged, or of an older .*({words}).*; prepare it again"
    ):
        load_prepared(tmp_path)
    prepare(DOCUMENTS, bpe, tmp_path, 0.1)  # and what the line advises mends it
    load_prepared(tmp_path)


def test_other_text_with_the_same_counts_has_another_fingerprint(tmp_path, bpe):
    first = prepare([f"elm and oak {n:02}" for n in range(20)], bpe, tmp_path / "a", 0.1)
    second = prepare([f"oak and elm {n:02}" for n in range(20)], bpe, tmp_path / "b", 0.1)
    for name in ("train", "val"):
        prints = [meta[name].pop("sha256") for meta in (first, second)]
        assert prints[0] != prints[1] and first[name]["n_documents"] == second[name]["n_documents"]
    assert first["tokenizer"] == second["tokenizer"]


def test_a_fingerprint_is_that_of_the_bytes_whatever_holds_them(monkeypatch):
    tokens = np.arange(2000, dtype=np.uint16)
    expected = hashlib.sha256(tokens.tobytes()).hexdigest()
    assert tokens_fingerprint(tokens) == tokens_fingerprint(torch.from_numpy(tokens.copy())) == expected
    monkeypatch.setattr(prepared, "PIECE", 77)
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
