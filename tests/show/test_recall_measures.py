"""What several chapters measure in a model."""

import math

import pytest
import torch

from companion import village
from companion.datasets import document_rows, encode_documents, row_starts
from companion.gpt import GPTConfig, gpt2
from companion.inside import hidden_states
from companion.show.measures import RecallMeasure, name_probability, residual_streams
from companion.show.strips import LETTERS, lines_of
from companion.tokenization import Tokenizer

TOKENIZER = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
TEXTS = village.load_split("val")[:30]


class Uniform(torch.nn.Module):
    """A model that finds all 1,024 tokens equally likely: each costs ten bits."""

    def forward(self, tokens):
        return torch.zeros(*tokens.shape, TOKENIZER.vocab_size)


@pytest.mark.parametrize("length", [256, 32])
def test_without_knowledge_every_token_costs_the_same_in_rows_of_any_length(length):
    val = encode_documents(TEXTS, TOKENIZER)
    measure = RecallMeasure(TEXTS, val, TOKENIZER)
    bits, per_word = measure(Uniform(), length)
    assert bits == pytest.approx(10 * (len(val.tokens) - 1) / val.n_bytes, rel=1e-5)
    assert per_word == pytest.approx(10 * measure.recalled.sum() / measure.n_recalled, rel=1e-5)


@pytest.mark.parametrize("length", [256, 32])
def test_a_model_reads_the_rows_of_chapter_2(length):
    seen = []

    class Reader(Uniform):
        def forward(self, tokens):
            seen.append(tokens)
            return super().forward(tokens)

    val = encode_documents(TEXTS, TOKENIZER)
    RecallMeasure(TEXTS, val, TOKENIZER)(Reader(), length)
    starts = row_starts(val.starts, length)
    expected, _ = document_rows(val.tokens, starts, range(25))
    assert torch.equal(seen[0], expected)
    assert sum(len(tokens) for tokens in seen) == len(starts) - 1


@pytest.mark.parametrize(("text", "name", "n_tokens"), [("Tom met", " Mara", 1), ('He said: "', "Mara", 2)])
def test_the_probabilities_of_a_names_tokens_are_multiplied(text, name, n_tokens):
    p = name_probability(Uniform(), TOKENIZER, text, name)
    assert math.log2(p) == pytest.approx(-10 * n_tokens)


def test_a_cache_is_handed_to_the_model():
    given = []

    class Caching(Uniform):
        def forward(self, tokens, cache):
            given.append(cache)
            return super().forward(tokens)

    name_probability(Caching(), TOKENIZER, "Tom met", " Mara", "a cache")
    assert given == ["a cache"]


def test_the_residual_streams_are_the_hidden_states_of_chapter_14():
    torch.manual_seed(0)
    model = gpt2(GPTConfig(vocab_size=31, context_length=16, n_layers=3, n_heads=2, d_model=8)).eval()
    tokens = torch.randint(31, (2, 9))
    torch.testing.assert_close(torch.stack(residual_streams(model, tokens)), hidden_states(model, tokens))


def test_words_are_broken_into_lines_that_fit_and_none_is_lost():
    words = ["Once", *[" word"] * 40, ".", " x" * 30]
    lines = lines_of(words)
    assert [i for line in lines for i, _ in line] == list(range(len(words)))
    assert all(column + len(words[i]) <= LETTERS for line in lines for i, column in line)
    assert all(line[0][1] == 0 for line in lines) and len(lines) > 2
