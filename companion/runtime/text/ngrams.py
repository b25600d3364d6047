"""The n-gram model of chapter 2 for a whole text at once: the same smoothed counts, computed with NumPy."""

import numpy as np


def ngram_probabilities(train_tokens, tokens, vocab_size: int, longest: int = 5):
    """Compute the probability of each token of a text after the tokens before it, by smoothed counts.

    Contexts of 0, 1, ..., longest - 1 tokens are counted in the training text and mixed by Witten-Bell
    smoothing, from the shortest to the longest. Contexts run across the ends of documents.

    Args:
        train_tokens: Token ids of the training text, one-dimensional.
        tokens: Token ids of the text to predict, one-dimensional.
        vocab_size: Number of different tokens, V. V ** longest must be below 2 ** 63.
        longest: Tokens in the longest n-gram, counting the one that is predicted.

    Returns:
        Two arrays of shape (len(tokens) - longest + 1,). They have the probability of each token from index
        longest - 1 on, and whether the longest - 1 tokens before it occur in the training text.

    Reference:
        Witten and Bell, 1991, The zero-frequency problem, method C.
    """
    train_tokens = np.asarray(train_tokens, dtype=np.int64)
    tokens = np.asarray(tokens, dtype=np.int64)
    n_predicted = len(tokens) - longest + 1
    probabilities = np.full(n_predicted, 1 / vocab_size)
    for n in range(1, longest + 1):
        ngrams, counts = np.unique(ngram_numbers(train_tokens, n, vocab_size), return_counts=True)
        # sorted n-grams with the same context are neighbors: `first` is where each context begins
        contexts, first, n_followers = np.unique(ngrams // vocab_size, return_index=True, return_counts=True)
        context_counts = np.add.reduceat(counts, first)

        predicted = ngram_numbers(tokens, n, vocab_size)[-n_predicted:]
        count = look_up(ngrams, counts, predicted)
        context_count = look_up(contexts, context_counts, predicted // vocab_size)
        followers = look_up(contexts, n_followers, predicted // vocab_size)

        seen = context_count > 0
        mixed = (count + followers * probabilities) / np.maximum(context_count + followers, 1)
        probabilities = np.where(seen, mixed, probabilities)
    return probabilities, seen


def ngram_numbers(tokens: np.ndarray, n: int, vocab_size: int) -> np.ndarray:
    """Return each run of n tokens as one number whose digits in base vocab_size are the token ids."""
    n_runs = len(tokens) - n + 1
    numbers = np.zeros(n_runs, dtype=np.int64)
    for i in range(n):
        numbers = numbers * vocab_size + tokens[i : i + n_runs]
    return numbers


def look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the value of each wanted key, and 0 for a key that is not among the sorted keys."""
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)
