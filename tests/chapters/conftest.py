"""Fixtures that the tests of training and of checkpoints share."""

import signal

import pytest
from support.runs import small_model, texts

from companion.datasets import Corpus, encode_documents
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint


@pytest.fixture(scope="module")
def data() -> Corpus:
    stories = texts(90, seed=1)
    tokenizer = BPETokenizer.train(stories, 280)
    return Corpus(
        encode_documents(stories, tokenizer),
        encode_documents(texts(11, 2), tokenizer),
        tokenizer,
        {"source": "toy"},
    )


@pytest.fixture
def interruptible():
    """Python's own answer to Ctrl-C, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def folder(data, tmp_path):
    save_checkpoint(tmp_path / "model", small_model(data), data.tokenizer, {"seed": 3, "note": "naïve ✓"})
    return tmp_path / "model"
