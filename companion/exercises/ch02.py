"""The checks of chapter 2, Datasets."""

import math
import random

import torch

from companion.exercises.exercise import Function, Number, Problem

# -- 2.1 ------------------------------------------------------------------


def times_asked(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length, stride):
        for place in range(start + 1, start + context_length + 1):
            asked[place] += 1
    return asked


def times_asked_cases(seed):
    rng = random.Random(seed)
    cases = [(8, 3, 3), (8, 3, 1), (7, 3, 3), (4, 3, 2), (12, 2, 5), (9, 4, 3)]
    for context_length, stride in [(5, 2), (4, 4), (3, 7), (6, 1)]:
        cases.append((context_length + rng.randint(7, 15), context_length, stride))
    return cases


def counts_what_it_sees(n_tokens, context_length, stride):
    return times_asked(n_tokens, context_length, stride)[1:] + [0]


def counts_whole_windows(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length, stride):
        for place in range(start, start + context_length + 1):
            asked[place] += 1
    return asked


def lacks_the_last_window(n_tokens, context_length, stride):
    last = (n_tokens - context_length - 1) // stride * stride
    asked = times_asked(n_tokens, context_length, stride)
    return [n - (last < place <= last + context_length) for place, n in enumerate(asked)]


def keeps_the_rest(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens, stride):
        for place in range(start + 1, min(start + context_length + 1, n_tokens)):
            asked[place] += 1
    return asked


TIMES_ASKED = Function(
    number="2.1",
    title="Asked how often?",
    stars=1,
    wants="times_asked(n_tokens, context_length, stride)",
    cases=times_asked_cases,
    oracle=times_asked,
    mistakes=[
        (
            counts_what_it_sees,
            "You counted how often a token is looked at, in `x`. It is asked where it is a target, in `y`.",
        ),
        (
            counts_whole_windows,
            "You counted all of a window. It holds one token more than it asks for: its first one has "
            "nothing before it, so it is no target.",
        ),
        (
            lacks_the_last_window,
            "The last window is missing. One that ends with the very last token of the text is a whole one.",
        ),
        (
            keeps_the_rest,
            "At the end you count windows that are not full. Tokens that fill no window are left out.",
        ),
        (
            lambda n_tokens, context_length, stride: times_asked(n_tokens, context_length, context_length),
            "Each window begins where the one before it ended, whatever the stride is.",
        ),
        (
            lambda n_tokens, context_length, stride: times_asked(n_tokens, context_length, 1),
            "Your windows begin at every token. The stride says how far apart they begin.",
        ),
        (
            lambda n_tokens, context_length, stride: times_asked(n_tokens, context_length, stride + 1),
            "Your windows begin one token too far apart. With stride 3 they begin at 0, 3, 6: the token "
            "that ends one window opens the next.",
        ),
    ],
    right="A stride below the context asks most tokens several times, and both ends of the text less often.",
)

# -- 2.2 ------------------------------------------------------------------


def text_bits(documents, probabilities):
    bits = -sum(math.log2(p) for of_document in probabilities for p in of_document)
    return bits / sum(len(document.encode()) + 1 for document in documents)


def text_bits_cases(seed):
    rng = random.Random(seed)
    cases = [
        (["no"], [[0.5, 0.25, 0.125]]),
        (["lantern"], [[1 / 32, 1 / 2]]),
        (["lantern"], [[1 / 2] * 8]),
        (["é"], [[0.25, 0.5]]),
        (["a", "a red hat"], [[0.5, 0.5], [0.125, 0.25, 0.125, 0.5]]),
    ]
    words = ["key", "naïve", "hat", "Łódź", "pan", "lantern", "…"]
    for n_documents in (2, 3, 5):
        documents = [" ".join(rng.choices(words, k=rng.randint(1, 6))) for _ in range(n_documents)]
        cases.append(
            (documents, [[rng.uniform(0.01, 1) for _ in range(rng.randint(2, 9))] for _ in documents])
        )
    return cases + [(["key " * 150, "hat"], [[rng.uniform(0.001, 0.1) for _ in range(301)], [0.5, 0.25]])]


def bits_per_token(documents, probabilities):
    return -sum(math.log2(p) for ps in probabilities for p in ps) / sum(map(len, probabilities))


def mean_over_documents(documents, probabilities):
    found = [text_bits([d], [ps]) for d, ps in zip(documents, probabilities, strict=True)]
    return sum(found) / len(found)


def per_character(documents, probabilities):
    bits = -sum(math.log2(p) for ps in probabilities for p in ps)
    return bits / sum(len(document) + 1 for document in documents)


def ends_not_counted(documents, probabilities):
    bits = -sum(math.log2(p) for ps in probabilities for p in ps)
    return bits / sum(len(document.encode()) for document in documents)


def one_end_for_all(documents, probabilities):
    bits = -sum(math.log2(p) for ps in probabilities for p in ps)
    return bits / (sum(len(document.encode()) for document in documents) + 1)


def ends_not_asked(documents, probabilities):
    return text_bits(documents, [ps[:-1] for ps in probabilities])


def surprise_of_the_mean(documents, probabilities):
    every = [p for ps in probabilities for p in ps]
    return -math.log2(sum(every) / len(every)) * len(every) / sum(len(d.encode()) + 1 for d in documents)


def logarithm_of_the_product(documents, probabilities):
    product = math.prod(math.prod(ps) for ps in probabilities)
    return -math.log2(product) / sum(len(document.encode()) + 1 for document in documents)


TEXT_BITS = Function(
    number="2.2",
    title="Two tokenizers, one text",
    stars=1,
    wants="text_bits(documents, probabilities)",
    cases=text_bits_cases,
    oracle=text_bits,
    mistakes=[
        (
            bits_per_token,
            "You divided by the number of tokens. Another tokenizer would have cut the same text into "
            "another number of them; what all tokenizers share are its bytes.",
        ),
        (
            mean_over_documents,
            "A mean of the documents' own figures lets a short document count as much as a long one. Add "
            "up all bits and all bytes first, and divide once.",
        ),
        (
            per_character,
            "You counted characters. One such as é takes two bytes in UTF-8; what does `.encode()` give?",
        ),
        (
            ends_not_counted,
            "Each document was also asked whether it is over, and its closing `<|endoftext|>` counts as "
            "one byte.",
        ),
        (
            one_end_for_all,
            "You counted one closing `<|endoftext|>` for all; every document has its own.",
        ),
        (
            ends_not_asked,
            "You left out each document's last probability. It is that of its closing `<|endoftext|>`, a "
            "question like all the others.",
        ),
        (
            lambda documents, probabilities: text_bits(documents, probabilities) * math.log(2),
            "These are nats. A logarithm to the base e has to be divided by ln 2 to give bits.",
        ),
        (
            surprise_of_the_mean,
            "You took the surprise of the mean probability. Surprises add up, probabilities do not: take the "
            "logarithm of each, and add these. It is what punishes a model that is sure and wrong.",
        ),
        (
            logarithm_of_the_product,
            "The product of hundreds of probabilities is too small for a floating point number and becomes"
            " 0. Take the logarithm of each first; their sum stays of a reasonable size.",
        ),
        (
            lambda documents, probabilities: -text_bits(documents, probabilities),
            "The sign: a probability below 1 has a negative logarithm, and a surprise is positive.",
        ),
    ],
    right=("Per token, the model that knows the word looks worse; per byte it wins, on the same text."),
)

# -- 2.3 ------------------------------------------------------------------


def pad_left(prompts, pad_id, length):
    tokens = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros(len(prompts), length, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        for back, token in enumerate(reversed(prompt)):
            if back < length:
                tokens[row, length - 1 - back] = token
                mask[row, length - 1 - back] = True
    return tokens, mask


def pad_left_cases(seed):
    rng = random.Random(seed)
    cases = [
        ([[5]], 0, 2),
        ([[5, 6]], 0, 2),
        ([[5, 6, 7]], 0, 2),
        ([[9, 5]], 9, 3),
        ([[], [5]], 0, 2),
        ([[5, 6, 7], [8]], 0, 4),
        ([[9, 5, 6, 9, 7], [9, 8]], 9, 3),
    ]
    for n_prompts, length in [(3, 4), (4, 5), (5, 7)]:
        prompts = [[rng.randrange(50) for _ in range(rng.randint(1, 9))] for _ in range(n_prompts)]
        cases.append((prompts, rng.choice(prompts[0]), length))
    return cases


def pads_right(prompts, pad_id, length):
    tokens, mask = pad_left([prompt[:length][::-1] for prompt in prompts], pad_id, length)
    return tokens.flip(1), mask.flip(1)


def keeps_the_beginning(prompts, pad_id, length):
    return pad_left([prompt[:length] for prompt in prompts], pad_id, length)


def mask_by_value(prompts, pad_id, length):
    tokens, _ = pad_left(prompts, pad_id, length)
    return tokens, tokens != pad_id


def backwards(prompts, pad_id, length):
    return pad_left([prompt[::-1][:length] for prompt in prompts], pad_id, length)


def mask_on_the_right(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    return tokens, mask.flip(1)


def mask_of_padding(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    return tokens, ~mask


def as_long_as_the_longest(prompts, pad_id, length):
    return pad_left(prompts, pad_id, min(length, max(map(len, prompts))))


def nothing_is_minus_zero(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    for row, prompt in enumerate(prompts):
        mask[row, -len(prompt) :] = True
    return tokens, mask


def never_cut(prompts, pad_id, length):
    return pad_left(prompts, pad_id, max(length, *map(len, prompts)))


def mask_of_numbers(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    return tokens, mask.long()


PAD_LEFT = Function(
    number="2.3",
    title="Padding on the left",
    stars=2,
    wants="pad_left(prompts, pad_id, length)",
    cases=pad_left_cases,
    oracle=pad_left,
    mistakes=[
        (pads_right, "The padding stands on the right, so a new token would come after it."),
        (
            keeps_the_beginning,
            "Of a prompt that is too long you kept the beginning. What a continuation needs most is its end.",
        ),
        (
            mask_by_value,
            "The mask hides a real token that happens to be `pad_id`. Whether a place is padding depends "
            "on how long the prompt is, not on what stands there; our padding is `<|endoftext|>`, which "
            "also begins every story.",
        ),
        (backwards, "The tokens are in the reverse order. If you turned them round, turn them back."),
        (mask_on_the_right, "The tokens are right, and the mask is that of padding on the right."),
        (mask_of_padding, "The mask is turned round: True stands for a real token."),
        (
            as_long_as_the_longest,
            "The rows are as long as the longest prompt; they should be `length` long, also where all are "
            "shorter.",
        ),
        (never_cut, "A prompt longer than `length` is not cut."),
        (
            nothing_is_minus_zero,
            "For an empty prompt, `[-0:]` is `[0:]`, the whole row. Count from the left: where do real "
            "tokens begin?",
        ),
        (mask_of_numbers, "The mask holds whole numbers. A mask is bool: True and False."),
    ],
    right="All rows end with a real token, so one step can add a token to each of them.",
)

# -- 2.4 ------------------------------------------------------------------

LEAKED_SHARE = Number(
    number="2.4",
    title="Only a quarter overlaps",
    stars=2,
    wants="leaked_share()",
    answer=0.5 * 0.9,
    tolerance=0.022,
    mistakes=[
        (
            0.25,
            "A quarter of a window lies in the window before it. And in the one after it?",
        ),
        (
            0.5,
            "Half of a window's questions stand in a neighbor, yes. But is every neighbor among the "
            "counted ones?",
        ),
        (
            0.225,
            "You counted one neighbor. A window overlaps with the one before it and with the one after it.",
        ),
        (
            0.9,
            "That is how often a neighbor is counted. But only some of a window's questions have one: draw"
            " three windows below each other.",
        ),
        (
            0.75,
            "Three quarters are the way from one window's start to the next. How much of a window is in no"
            " other?",
        ),
        (0.675, "Three quarters are the stride's share. What is shared with a neighbor is the rest."),
        (
            1 / 3,
            "Is it 16 of 48? 48 is the way to the next window. One asks 64 questions; it has two neighbors.",
        ),
        (0.55, "That is the share that did not leak."),
        (0.05, "That is how often a shared question's neighbor is held out as well, so that nothing leaks."),
        (0.1, "That is the share of windows held out. How many of their questions were also counted?"),
        (45, "As a share, please: a number between 0 and 1."),
    ],
    right=(
        "Nearly half of the held-out questions were counted, answers and all, though windows overlap by a "
        "quarter."
    ),
)

# -- 2.5 ------------------------------------------------------------------


def followers_of(tokens, context):
    k = len(context)
    return [tokens[i + k] for i in range(len(tokens) - k) if tokens[i : i + k] == context]


def probability(tokens, context, token, vocab_size):
    shorter = probability(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers = followers_of(tokens, context)
    n, d = len(followers), len(set(followers))
    return (followers.count(token) + d * shorter) / (n + d) if n else shorter


def probability_cases(seed):
    rng = random.Random(seed)
    red = "red key red hat red key red pan".split()
    cases = [
        (["red"], [], "red", 4),
        (["red"], [], "key", 4),
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
    for length, k, words in [(17, 1, "abcd"), (23, 2, "abc"), (31, 3, "ab")]:
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
    return (count + d * shorter) / (n + d) if n else shorter


def counts_the_end(tokens, context, token, vocab_size):
    k = len(context)
    shorter = counts_the_end(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    n = sum(tokens[i : i + k] == context for i in range(len(tokens) - k + 1)) if k else len(tokens)
    d = len(set(followers_of(tokens, context)))
    count = followers_of(tokens, context).count(token)
    return (count + d * shorter) / (n + d) if n + d else shorter


def counts_one_place_more(tokens, context, token, vocab_size):
    """As counts_the_end, with `[]` at each of the len(tokens) + 1 places, the end too."""
    k = len(context)
    shorter = counts_one_place_more(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    n = sum(tokens[i : i + k] == context for i in range(len(tokens) - k + 1))
    followers = followers_of(tokens, context)
    d = len(set(followers))
    return (followers.count(token) + d * shorter) / (n + d) if n + d else shorter


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


PROBABILITY = Function(
    number="2.5",
    title="Equation (2) in six lines",
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
            with_rule(lambda count, n, d, shorter: (count + n * shorter) / (n + n) if n else shorter),
            "The shorter context got `n` votes, one for everything that followed. It gets `d`: one for each "
            "different token that followed.",
        ),
        (
            with_rule(lambda count, n, d, shorter: (count + shorter) / (n + 1)),
            "The shorter context got one vote. It gets `d`, one for each different token that followed.",
        ),
        (
            with_rule(lambda count, n, d, shorter: (count + d * shorter) / n if n else shorter),
            "You divided by `n`. With the votes of the shorter context there are `n + d` in all.",
        ),
        (
            with_rule(lambda count, n, d, shorter: count / n if count else shorter),
            "You ask the shorter context only where the longer has not seen the token. It has its `d` votes "
            "always; else the probabilities sum to more than 1.",
        ),
        (
            with_rule(right_rule, base=lambda vocab_size: 0.0),
            "A token that was never seen gets 0, and would surprise infinitely. Below the counts without a "
            "context there is one more: it knows nothing, and gives every token the same.",
        ),
        (
            gives_up_at_once,
            "After a context that was never seen, you guess blindly. A shorter one may have been seen: ask"
            " it.",
        ),
        (
            straight_to_uniform,
            "Your context leaves its votes to a blind guess. Leave them to the context without its oldest "
            "token, which leaves its own to a shorter one again.",
        ),
        (
            vocabulary_of_the_text,
            "The blind guess knows `vocab_size` tokens, also those that never came in the text.",
        ),
    ],
    right="The chapter's five-grams are this function. Sorted tables only make it fast.",
)

# -- 2.6 ------------------------------------------------------------------


def first_fit(stories, context_length, extra=1):
    """Rows of stories, each story in the first row that has room for it."""
    rows = []
    for story in stories:
        if len(story) + extra > context_length:
            raise ValueError(f"a story of {len(story)} tokens does not fit")
        for row in rows:
            if sum(len(other) + extra for other in row) + len(story) + extra <= context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return rows


def by_length(stories):
    return sorted(stories, key=len, reverse=True)


def lay_out(rows, context_length, end, x_pad=None, y_pad=-100):
    """The tensors of such rows."""
    x, y, story_number = [], [], []
    for row in rows:
        padding = context_length - sum(len(story) + 1 for story in row)
        x.append([t for s in row for t in [end, *s]] + [end if x_pad is None else x_pad] * padding)
        y.append([t for s in row for t in [*s, end]] + [y_pad] * padding)
        story_number.append([i for i, s in enumerate(row, start=1) for _ in [end, *s]] + [0] * padding)
    return torch.tensor(x), torch.tensor(y), torch.tensor(story_number)


def pack(stories, context_length, end):
    return lay_out(first_fit(by_length(stories), context_length), context_length, end)


def pack_cases(seed):
    rng = random.Random(seed)
    cases = [
        ([[5]], 2, 9),
        ([[5]], 4, 9),
        ([[5, 6, 7]], 3, 9),
        ([[5], [6]], 4, 9),
        ([[5], [6, 7]], 4, 9),
        ([[5], [6, 7]], 6, 9),
        ([[5, 6], [7], [8, 4, 3]], 7, 9),
        ([[5, 6], [7], [8, 4, 3], [2]], 6, 9),
        ([[1] * 5, [2] * 4, [3] * 3, [4] * 2], 9, 8),
        ([[1] * 6, [2] * 5, [3], [4] * 2], 9, 8),
        ([[1] * 6, [2] * 3, [3] * 3, [4]], 10, 8),
    ]
    for n_stories, context_length in [(6, 11), (9, 14), (15, 19)]:
        stories = [[rng.randrange(40) for _ in range(rng.randint(1, 10))] for _ in range(n_stories)]
        cases.append((stories, context_length, 41))
    return cases


def try_pack(answer, stories, context_length, end):
    """Name the three tensors."""
    packed = answer(stories, context_length, end)
    if not isinstance(packed, tuple | list) or len(packed) != 3:
        raise Problem("Return three tensors: `x`, `y` and `story_number`.")
    return dict(zip(("x", "y", "story_number"), packed, strict=True))


def next_fit(stories, context_length, end):
    rows = [[]]
    for story in by_length(stories):
        if len(story) + 1 > context_length:
            raise ValueError("too long")
        if sum(len(other) + 1 for other in rows[-1]) + len(story) + 1 > context_length:
            rows.append([])
        rows[-1].append(story)
    return lay_out(rows, context_length, end)


def best_fit(stories, context_length, end):
    rows = []
    for story in by_length(stories):
        if len(story) + 1 > context_length:
            raise ValueError("too long")
        room = [context_length - sum(len(other) + 1 for other in row) for row in rows]
        fitting = [i for i, free in enumerate(room) if free >= len(story) + 1]
        if fitting:
            rows[min(fitting, key=lambda i: room[i])].append(story)
        else:
            rows.append([story])
    return lay_out(rows, context_length, end)


def as_they_come(stories, context_length, end):
    return lay_out(first_fit(stories, context_length), context_length, end)


def shortest_first(stories, context_length, end):
    return lay_out(first_fit(sorted(stories, key=len), context_length), context_length, end)


def one_a_row(stories, context_length, end):
    first_fit(stories, context_length)
    return lay_out([[story] for story in by_length(stories)], context_length, end)


def row_never_full(stories, context_length, end):
    packed = first_fit(by_length(stories), context_length - 1)
    return lay_out(packed, context_length, end)


def padding_counts(stories, context_length, end):
    return lay_out(first_fit(by_length(stories), context_length), context_length, end, y_pad=end)


def padded_with_zeros(stories, context_length, end):
    return lay_out(first_fit(by_length(stories), context_length), context_length, end, x_pad=0)


def last_end_lost(stories, context_length, end):
    x, y, story_number = pack(stories, context_length, end)
    last = (y != -100).sum(1) - 1
    y[torch.arange(len(y)), last] = -100
    return x, y, story_number


def ends_not_targets(stories, context_length, end):
    x, y, story_number = pack(stories, context_length, end)
    return x, torch.where(y == end, -100, y), story_number


def numbers_from_zero(stories, context_length, end):
    x, y, story_number = pack(stories, context_length, end)
    return x, y, (story_number - 1).clamp(min=0)


def numbers_over_all_rows(stories, context_length, end):
    x, y, story_number = pack(stories, context_length, end)
    before = 0
    for row in story_number:
        highest = int(row.max())
        row[row > 0] += before
        before += highest
    return x, y, story_number


def cuts_long_ones(stories, context_length, end):
    return pack([story[: context_length - 1] for story in stories], context_length, end)


def leaves_out_long_ones(stories, context_length, end):
    return pack([story for story in stories if len(story) < context_length], context_length, end)


PACK = Function(
    number="2.6",
    title="No room wasted",
    stars=3,
    wants="pack(stories, context_length, end)",
    cases=pack_cases,
    oracle=pack,
    call=try_pack,
    shown="{f}({0}, {1}, {2})",
    mistakes=[
        (
            one_a_row,
            "One story a row, as in the chapter. Before you open a new row, see whether an earlier one has"
            " room.",
        ),
        (
            as_they_come,
            "You took the stories in the order in which they come. Take the longest first: the short ones "
            "then fill the gaps that are left.",
        ),
        (shortest_first, "You took the shortest story first; take the longest first."),
        (
            next_fit,
            "You looked only at the row that was opened last. An earlier one may still have room for a "
            "short story.",
        ),
        (
            best_fit,
            "You took the row with the least room that suffices. That wastes about as little; the rule "
            "asked for here is the first row with room.",
        ),
        (
            row_never_full,
            "A row was not filled although the story would have fitted exactly. A story of `n` tokens "
            "takes `n + 1` places in `x`, not `n + 2`: the `end` before it is the one that opens it, and "
            "the one that closes it stands in `y`.",
        ),
        (
            padding_counts,
            "In `y`, padding is a target that counts. It must be −100, so that losses leave it out.",
        ),
        (padded_with_zeros, "The padding of `x` is 0, which is a real token's id. Pad `x` with `end`."),
        (
            last_end_lost,
            "The last story of a row has no closing `end` in `y`: shifting the whole row by one has no token "
            "left for that place. Build `y` story by story.",
        ),
        (
            ends_not_targets,
            "The model is never asked where a story ends, so it would never learn to stop: each story's last "
            "target is `end`.",
        ),
        (numbers_from_zero, "The stories of a row are numbered from 1, and padding is 0."),
        (
            numbers_over_all_rows,
            "The numbers of the stories go on from row to row. In each row they begin at 1 again.",
        ),
        (
            cuts_long_ones,
            "A story that is too long for a row was cut. Here it should raise a ValueError that says so: the "
            "caller must know.",
        ),
        (
            leaves_out_long_ones,
            "A story that is too long for a row was left out without a word. Raise a ValueError: the "
            "caller must know.",
        ),
    ],
    right="Whole stories, fixed shapes, and hardly a place wasted.",
)

EXERCISES = [TIMES_ASKED, TEXT_BITS, PAD_LEFT, LEAKED_SHARE, PROBABILITY, PACK]
