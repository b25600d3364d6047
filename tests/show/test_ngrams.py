"""The n-gram model for a whole text at once agrees with the recursion of chapter 2."""

import numpy as np
import pytest

from companion.show.measures import ngram_probabilities


def probability(tokens: list, context: list, token: int, vocab_size: int) -> float:
    """Witten-Bell smoothing as chapter 2 writes it, one question at a time."""
    k = len(context)
    followers = [tokens[i + k] for i in range(len(tokens) - k) if tokens[i : i + k] == context]
    shorter = probability(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    if not followers:
        return shorter
    n, d = len(followers), len(set(followers))
    return (followers.count(token) + d * shorter) / (n + d)


@pytest.mark.parametrize(("vocab_size", "longest"), [(3, 1), (3, 2), (4, 3), (7, 5)])
def test_each_token_has_the_probability_of_chapter_2(vocab_size, longest):
    generator = np.random.default_rng(vocab_size)
    train = generator.integers(vocab_size, size=60)
    tokens = generator.integers(vocab_size, size=25)
    train[train == 1] = 0  # token 1 never occurs in training
    found, seen = ngram_probabilities(train, tokens, vocab_size, longest)
    train, tokens = train.tolist(), tokens.tolist()
    assert found.shape == seen.shape == (25 - longest + 1,)
    for i, (p, known) in enumerate(zip(found, seen, strict=True)):
        context, token = tokens[i : i + longest - 1], tokens[i + longest - 1]
        assert p == pytest.approx(probability(train, context, token, vocab_size), rel=1e-12)
        k = len(context)
        assert known == any(train[j : j + k] == context for j in range(len(train) - k))
