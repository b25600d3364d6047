"""Texts of any size: the same bytes whoever makes them and however often he is killed."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from support.folders import visible

from companion.datasets import encode_documents, load_prepared, token_stream
from companion.runtime.data import large_texts
from companion.runtime.data.filters import deduplicated, digest, refused_by
from companion.runtime.data.large_texts import sample_of, write_large
from companion.runtime.data.prepared import BEGUN, FILES, begun_source
from companion.tokenization import BPETokenizer
from companion.village import load_split

STORIES = load_split("train")[:160]
PLANTED = ["Too short.", "cheap red shoes " * 40, STORIES[3].upper(), STORIES[9]]
DOCUMENTS = [*STORIES[:50], *PLANTED, *STORIES[50:], PLANTED[0], PLANTED[3]]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Batches of a few documents, written down every second time."""
    monkeypatch.setattr(large_texts, "BATCH_BYTES", 10_500)
    monkeypatch.setattr(large_texts, "SAVE_EVERY", 2)


@pytest.fixture(scope="module")
def bpe():
    return BPETokenizer.train(STORIES[:40], 300)


def write(folder, bpe, documents=DOCUMENTS, **options):
    options = {"source": "stories", "val_fraction": 0.1} | options
    return write_large(folder, documents, bpe, token_stream, **options)


def held(folder):
    return {name: hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest() for name in FILES}


@pytest.fixture
def undisturbed(bpe, tmp_path):
    """The files of an undisturbed run of one process."""
    write(tmp_path / "whole", bpe)
    return held(tmp_path / "whole")


def test_the_folder_holds_each_document_that_stays_once_and_in_order(bpe, tmp_path):
    kept = [document for document in deduplicated(DOCUMENTS) if refused_by(document) is None]
    meta = write(tmp_path, bpe)
    corpus = load_prepared(tmp_path)
    assert meta == corpus.meta and meta["source"] == "stories" and meta["n_read"] == 166
    assert meta["left_out"] == {"duplicate": 4, "too short": 1, "words repeated": 1}
    val = [document for document in kept if int.from_bytes(digest(document), "big") < 2**64 // 10]
    train = [document for document in kept if document not in val]
    for part, documents in (("train", train), ("val", val)):
        split, expected = getattr(corpus, part), encode_documents(documents, bpe)
        assert np.array_equal(split.tokens, expected.tokens) and np.array_equal(split.starts, expected.starts)
        assert split.n_bytes == expected.n_bytes and split.fingerprint == expected.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == sorted(FILES)


def test_two_processes_write_the_same_bytes(bpe, tmp_path, undisturbed):
    done = []
    write(tmp_path, bpe, processes=2, on_batch=done.append)
    assert held(tmp_path) == undisturbed and sum(done) == sum(
        len(text.encode()) for text in deduplicated(DOCUMENTS)
    )


@pytest.mark.parametrize("after", [1, 2, 5])
def test_a_run_that_was_stopped_goes_on(bpe, tmp_path, undisturbed, after):
    done = []

    def stop(n_bytes):
        done.append(n_bytes)
        if len(done) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "new", bpe, on_batch=stop)
    assert begun_source(tmp_path / "new") == ("stories" if after > 1 else None)
    with pytest.raises(ValueError, match="is not prepared to its end; run the same prepare to go on"):
        load_prepared(tmp_path / "new")
    again = []
    write(tmp_path / "new", bpe, on_batch=again.append)
    everything = []
    write(tmp_path / "other", bpe, on_batch=everything.append)
    assert held(tmp_path / "new") == undisturbed and not (tmp_path / "new" / BEGUN).exists()
    assert len(again) == len(everything) - after // 2 * 2


@pytest.mark.parametrize("change", ["text", "source", "val_fraction"])
def test_what_was_begun_of_another_text_is_not_taken(bpe, tmp_path, undisturbed, change):
    other = {"source": "more"} if change == "source" else {"val_fraction": 0.2} if change != "text" else {}
    documents = [*DOCUMENTS[1:], DOCUMENTS[0]] if change == "text" else DOCUMENTS
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "new", bpe, documents, on_batch=lambda n: n // (n < 10_500), **other)
    write(tmp_path / "new", bpe)
    assert held(tmp_path / "new") == undisturbed


@pytest.mark.parametrize("fraction", [1e-9, 0.5, 0.9999])
def test_few_documents_give_both_splits_one(bpe, tmp_path, fraction):
    meta = write(tmp_path, bpe, STORIES[:9], val_fraction=fraction)
    assert min(meta[part]["n_documents"] for part in ("train", "val")) >= 1
    assert meta["train"]["n_documents"] + meta["val"]["n_documents"] == 9


def test_too_few_documents_are_one_line_and_leave_nothing(bpe, tmp_path):
    with pytest.raises(ValueError, match=r"of 2 documents 1 are left \(1 too short\), which is too few"):
        write(tmp_path / "new", bpe, [STORIES[0], "Hm."])
    assert visible(tmp_path / "new") == []
    with pytest.raises(ValueError, match="of 1 documents none is left: 1 too short; take more text"):
        sample_of(["Hm."])


def test_a_sample_is_the_first_that_stay(monkeypatch):
    monkeypatch.setattr(large_texts, "SAMPLE_BYTES", sum(len(document.encode()) for document in STORIES[:5]))
    assert sample_of(PLANTED[:2] + STORIES) == STORIES[:5]
