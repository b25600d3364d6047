"""The check of exercise 2.5: Another way to make room."""

import random

from companion.exercises.exercise import Function


def followers_of(tokens, context):
    k = len(context)
    return [tokens[i + k] for i in range(len(tokens) - k) if tokens[i : i + k] == context]


def probability(tokens, context, token, vocab_size):
    shorter = probability(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers = followers_of(tokens, context)
    n, d = len(followers), len(set(followers))
    return (max(followers.count(token) - 0.75, 0) + 0.75 * d * shorter) / n if n else shorter


def probability_cases(seed):
    rng = random.Random(seed)
    red = "red key red hat red key red pan".split()
    cases = [
        (["red"], [], "red", 4),
        (["red"], [], "key", 4),
        ([], [], "key", 4),
        ([], ["red"], "key", 3),
        (["red"], ["key", "red"], "key", 4),
        ([1, 12, 5, 11, 2, 6], [1, 12], 6, 20),
        (["a", "and", "b", "and", "c"], ["b", "and"], "c", 7),
        (["key", "red"], ["red"], "key", 3),
        (["a", "a", "b", "a"], ["a"], "a", 3),
        (["a", "a", "a"], ["a", "a"], "b", 3),
        (["a", "b", "c"], ["a", "c"], "b", 5),
        (["a", "b", "c"], ["c", "a"], "b", 5),
        (["a", "b", "a", "c", "b", "c"], ["a", "b"], "c", 7),
        (red, [], "key", 5),
        (red, ["red"], "key", 5),
        (red, ["red"], "pot", 5),
        (red, ["key", "red"], "hat", 5),
    ]
    for k in (4, 5, 9):  # contexts that the text holds twice, and followers that the shorter ones do not have
        cases.append(
            (
                [*"abcdefghi"[:k], "x", *"bcdefghi"[: k - 1], "y", *"abcdefghi"[:k], "z"],
                [*"abcdefghi"[:k]],
                "x",
                9,
            )
        )
    for length, k, words in [(17, 1, "abcd"), (23, 2, "abc"), (31, 3, "ab"), (150, 2, "abcde")]:
        text = rng.choices(words, k=length)
        cases.append((text, rng.choices(words, k=k), rng.choice(words), len(words) + 2))
    return cases


def with_rule(rule, shorten=lambda context: context[1:], base=lambda vocab_size: 1 / vocab_size):
    """Like probability, with another way to combine: (count, n, d, shorter) -> p."""

    def wrong(tokens, context, token, vocab_size):
        shorter = wrong(tokens, shorten(context), token, vocab_size) if context else base(vocab_size)
        followers = followers_of(tokens, context)
        return rule(followers.count(token), len(followers), len(set(followers)), shorter)

    return wrong


def right_rule(count, n, d, shorter):
    return (max(count - 0.75, 0) + 0.75 * d * shorter) / n if n else shorter


def counts_the_end(tokens, context, token, vocab_size):
    k = len(context)
    shorter = counts_the_end(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    n = sum(tokens[i : i + k] == context for i in range(len(tokens) - k + 1)) if k else len(tokens)
    d = len(set(followers_of(tokens, context)))
    count = followers_of(tokens, context).count(token)
    return (max(count - 0.75, 0) + 0.75 * d * shorter) / n if n else shorter


def counts_one_place_more(tokens, context, token, vocab_size):
    """As counts_the_end, with `[]` at each of the len(tokens) + 1 places, the end too."""
    k = len(context)
    shorter = counts_one_place_more(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    n = sum(tokens[i : i + k] == context for i in range(len(tokens) - k + 1))
    followers = followers_of(tokens, context)
    d = len(set(followers))
    return (max(followers.count(token) - 0.75, 0) + 0.75 * d * shorter) / n if n else shorter


def gives_up_at_once(tokens, context, token, vocab_size):
    if context and not followers_of(tokens, context):
        return 1 / vocab_size
    shorter = gives_up_at_once(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers = followers_of(tokens, context)
    return right_rule(followers.count(token), len(followers), len(set(followers)), shorter)


def straight_to_uniform(tokens, context, token, vocab_size):
    followers = followers_of(tokens, context)
    return right_rule(followers.count(token), len(followers), len(set(followers)), 1 / vocab_size)


def vocabulary_of_the_text(tokens, context, token, vocab_size):
    return probability(tokens, context, token, len(set(tokens)))


EXERCISE = Function(
    number="2.5",
    title="Another way to make room",
    stars=2,
    wants="probability(tokens, context, token, vocab_size)",
    cases=probability_cases,
    oracle=probability,
    mistakes=[
        (
            with_rule(right_rule, shorten=lambda context: context[:-1]),
            "The shorter context drops the newest token. The oldest tells least of what comes next: drop "
            "that.",
        ),
        (
            counts_the_end,
            "You counted the context also where the text ends with it, and nothing follows. `n` counts what "
            "followed, so there it must not grow; else the probabilities sum to less than 1.",
        ),
        (
            counts_one_place_more,
            "You counted the context also where the text ends with it, and nothing follows; `[]` stands "
            "there, too. `n` counts what followed, so there it must not grow.",
        ),
        (
            with_rule(lambda count, n, d, shorter: (count + d * shorter) / (n + d) if n else shorter),
            "That is equation (2), which adds `d` imagined followers. Here each different follower gives up "
            "3/4 of a count, and `n` stays.",
        ),
        (
            with_rule(
                lambda count, n, d, shorter: (max(count - 0.75, 0) + 0.75 * n * shorter) / n if n else shorter
            ),
            "The shorter context got 3/4 for everything that followed. Only each different token gives up "
            "3/4: `d` times, not `n` times.",
        ),
        (
            with_rule(
                lambda count, n, d, shorter: (max(count - 0.75, 0) + 0.75 * shorter) / n if n else shorter
            ),
            "The shorter context got 3/4 in all. Each different token that followed gives up 3/4: `d` times.",
        ),
        (
            with_rule(lambda count, n, d, shorter: (count + 0.75 * d * shorter) / n if n else shorter),
            "The followers kept their counts. What the shorter context shares out must be taken from them, "
            "3/4 from each; else the probabilities sum to more than 1.",
        ),
        (
            with_rule(lambda count, n, d, shorter: (count - 0.75 + 0.75 * d * shorter) / n if n else shorter),
            "A token that never followed has nothing to give up: its count must not fall below 0.",
        ),
        (
            with_rule(
                lambda count, n, d, shorter: (
                    ((count - 0.75) / n if count else 0.75 * d / n * shorter) if n else shorter
                )
            ),
            "You ask the shorter context only where the longer has not seen the token. It shares out among "
            "all tokens, also those that followed; else the probabilities sum to less than 1.",
        ),
        (
            with_rule(lambda count, n, d, shorter: count / n if count else shorter),
            "You ask the shorter context only where the longer has not seen the token. It has its share "
            "always; else the probabilities sum to more than 1.",
        ),
        (
            with_rule(right_rule, base=lambda vocab_size: 0.0),
            "A token that was never seen gets 0, and would surprise infinitely. Below the counts without a "
            "context there is one more: it knows nothing, and gives every token the same.",
        ),
        (
            lambda tokens, context, token, vocab_size: probability(tokens, context[-2:], token, vocab_size),
            "A context of more than two tokens counts as its last two. It may be of any length.",
        ),
        (
            lambda tokens, context, token, vocab_size: probability(tokens, context[-4:], token, vocab_size),
            "A context of more than four tokens counts as its last four. It may be of any length.",
        ),
        (
            gives_up_at_once,
            "After a context that was never seen, you guess blindly. A shorter one may have been seen: ask"
            " it.",
        ),
        (
            straight_to_uniform,
            "What your context frees goes to a blind guess. It goes to the context without its oldest token, "
            "and what that one frees to a shorter one again.",
        ),
        (
            vocabulary_of_the_text,
            "The blind guess knows `vocab_size` tokens, also those that never came in the text.",
        ),
    ],
    right="Taking from what was seen makes room as adding does; the probabilities still sum to 1.",
)
