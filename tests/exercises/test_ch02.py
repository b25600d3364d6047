"""Answers to chapter 2's exercises."""

import itertools
import math
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests

from companion.datasets import TokenDataset, bits_per_byte, make_dataloader, pad_batch

# -- 2.1 ------------------------------------------------------------------


def by_the_dataset(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for _, y in TokenDataset(range(n_tokens), context_length, stride):
        for place in y.tolist():
            asked[place] += 1
    return asked


def by_a_loader(n_tokens, context_length, stride):
    (batch,) = make_dataloader(range(n_tokens), context_length, 999, stride, shuffle=False)
    return torch.bincount(batch[1].flatten(), minlength=n_tokens).tolist()


def by_loops(n_tokens, context_length, stride):
    asked, start = [0] * n_tokens, 0
    while start + context_length < n_tokens:
        for place in range(context_length):
            asked[start + place + 1] += 1
        start += stride
    return asked


def by_counter(n_tokens, context_length, stride):
    starts = range(0, n_tokens - context_length, stride)
    count = Counter(start + i for start in starts for i in range(1, context_length + 1))
    return [count[place] for place in range(n_tokens)]


def counts_x(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for x, _ in TokenDataset(range(n_tokens), context_length, stride):
        for place in x.tolist():
            asked[place] += 1
    return asked


def counts_x_and_y(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for x, y in TokenDataset(range(n_tokens), context_length, stride):
        for place in {*x.tolist(), *y.tolist()}:
            asked[place] += 1
    return asked


def one_window_short(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length - 1, stride):
        for place in range(start + 1, start + 1 + context_length):
            asked[place] += 1
    return asked


def cut_off_windows(n_tokens, context_length, stride):
    count = Counter(
        place
        for start in range(0, n_tokens, stride)
        for place in range(start + 1, start + 1 + context_length)
    )
    return [count[place] for place in range(n_tokens)]


def stride_left_out(n_tokens, context_length, stride):
    return by_loops(n_tokens, context_length, context_length)


def every_start(n_tokens, context_length, stride):
    return by_loops(n_tokens, context_length, 1)


def apart_by_whole_windows(n_tokens, context_length, stride):
    return by_loops(n_tokens, context_length, stride + 1)


def reaches_past_the_end(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens, stride):
        for place in range(context_length):
            asked[start + place + 1] += 1
    return asked


# -- 2.2 ------------------------------------------------------------------


def by_nats(documents, probabilities):
    nats = sum(-math.log(p) for row in probabilities for p in row)
    return bits_per_byte(nats, sum(len(document.encode()) + 1 for document in documents))


def in_a_loop(documents, probabilities):
    bits, n_bytes = 0.0, len(documents)
    for document, row in zip(documents, probabilities, strict=True):
        n_bytes += len(bytes(document, "utf-8"))
        for p in row:
            bits -= math.log(p, 2)
    return bits / n_bytes


def by_tensors(documents, probabilities):
    p = torch.tensor(list(itertools.chain(*probabilities)), dtype=torch.float64)
    return float(-p.log2().sum() / len("".join(document + "|" for document in documents).encode()))


def weighted_mean(documents, probabilities):
    sizes = np.array([len(document.encode()) + 1 for document in documents])
    bits = [-np.log2(row).sum() / size for row, size in zip(probabilities, sizes, strict=True)]
    return float(np.average(bits, weights=sizes))


def per_token(documents, probabilities):
    every = [p for row in probabilities for p in row]
    return -sum(map(math.log2, every)) / len(every)


def mean_of_means(documents, probabilities):
    found = [
        -sum(map(math.log2, row)) / (len(document.encode()) + 1)
        for document, row in zip(documents, probabilities, strict=True)
    ]
    return sum(found) / len(found)


def characters(documents, probabilities):
    return -sum(map(math.log2, sum(probabilities, []))) / sum(len(document) + 1 for document in documents)


def without_ends(documents, probabilities):
    return -sum(map(math.log2, sum(probabilities, []))) / len("".join(documents).encode())


def in_nats(documents, probabilities):
    return -sum(map(math.log, sum(probabilities, []))) / sum(len(d.encode()) + 1 for d in documents)


def ends_left_out(documents, probabilities):
    return by_nats(documents, [row[:-1] for row in probabilities])


def product_first(documents, probabilities):
    p = 1.0
    for row in probabilities:
        for factor in row:
            p *= factor
    return -math.log2(p) / sum(len(d.encode()) + 1 for d in documents)


def product_in_torch(documents, probabilities):
    p = torch.tensor(sum(probabilities, []), dtype=torch.float64).prod()
    return -p.log2().item() / sum(len(d.encode()) + 1 for d in documents)


def mean_probability(documents, probabilities):
    every = sum(probabilities, [])
    bits = -len(every) * math.log2(sum(every) / len(every))
    return bits / sum(len(d.encode()) + 1 for d in documents)


# -- 2.3 ------------------------------------------------------------------


def turned_round(prompts, pad_id, length):
    tokens, mask = pad_batch([prompt[::-1] for prompt in prompts], pad_id, length)
    return tokens.flip(1), mask.flip(1)


def from_the_first_real(prompts, pad_id, length):
    tokens = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros((len(prompts), length), dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        first = max(length - len(prompt), 0)
        tokens[row, first:] = torch.tensor(prompt[max(len(prompt) - length, 0) :])
        mask[row, first:] = True
    return tokens, mask


def by_lists(prompts, pad_id, length):
    kept = [prompt[-length:] for prompt in prompts]
    tokens = [[pad_id] * (length - len(prompt)) + prompt for prompt in kept]
    mask = [[False] * (length - len(prompt)) + [True] * len(prompt) for prompt in kept]
    return torch.tensor(tokens), torch.tensor(mask)


def by_comparison(prompts, pad_id, length):
    tokens = [([pad_id] * length + prompt)[-length:] for prompt in prompts]
    padding = torch.tensor([[length - len(prompt)] for prompt in prompts])
    return torch.tensor(tokens), torch.arange(length) >= padding


def plain_pad_batch(prompts, pad_id, length):
    return pad_batch(prompts, pad_id, length)


def padded_right(prompts, pad_id, length):
    kept = [prompt[:length] for prompt in prompts]
    tokens = [prompt + [pad_id] * (length - len(prompt)) for prompt in kept]
    mask = [[True] * len(prompt) + [False] * (length - len(prompt)) for prompt in kept]
    return torch.tensor(tokens), torch.tensor(mask)


def beginning_kept(prompts, pad_id, length):
    return by_lists([prompt[:length] for prompt in prompts], pad_id, length)


def mask_from_pad_id(prompts, pad_id, length):
    tokens, _ = by_lists(prompts, pad_id, length)
    return tokens, tokens != pad_id


def flipped_once(prompts, pad_id, length):
    tokens, mask = by_lists([prompt[-length:][::-1] for prompt in prompts], pad_id, length)
    return tokens, mask


def mask_not_flipped(prompts, pad_id, length):
    tokens, mask = pad_batch([prompt[::-1] for prompt in prompts], pad_id, length)
    return tokens.flip(1), mask


def true_is_padding(prompts, pad_id, length):
    tokens, mask = by_lists(prompts, pad_id, length)
    return tokens, mask.logical_not()


def length_of_the_longest(prompts, pad_id, length):
    return by_lists(prompts, pad_id, min(max(map(len, prompts)), length))


def too_long_stays(prompts, pad_id, length):
    return by_lists(prompts, pad_id, max([length, *map(len, prompts)]))


def minus_zero(prompts, pad_id, length):
    tokens, mask = by_lists(prompts, pad_id, length)
    for row, prompt in enumerate(prompts):
        mask[row, -len(prompt) :] = True
    return tokens, mask


def mask_of_ones(prompts, pad_id, length):
    tokens, mask = by_lists(prompts, pad_id, length)
    return tokens, mask.int()


def mask_of_ones_and_zeros(prompts, pad_id, length):
    tokens, mask = by_lists(prompts, pad_id, length)
    return tokens, mask.long()


def in_place(prompts, pad_id, length):
    for prompt in prompts:
        prompt.reverse()
    return turned_round_here(prompts, pad_id, length)


def turned_round_here(prompts, pad_id, length):
    tokens, mask = padded_right(prompts, pad_id, length)
    return tokens.flip(1), mask.flip(1)


def lists_not_tensors(prompts, pad_id, length):
    tokens, mask = by_lists(prompts, pad_id, length)
    return tokens.tolist(), mask.tolist()


def tokens_only(prompts, pad_id, length):
    return by_lists(prompts, pad_id, length)[0]


# -- 2.4 ------------------------------------------------------------------


def simulated():
    windows = TokenDataset(range(100_000), context_length=64, stride=48)
    order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(1)).tolist()
    tenth = len(windows) // 10
    counted = {place for i in order[tenth:] for place in windows[i][1].tolist()}
    held_out = [place for i in order[:tenth] for place in windows[i][1].tolist()]
    return sum(place in counted for place in held_out) / len(held_out)


def drawn_below_each_other():
    asked = Counter(place for start in (0, 48, 96) for place in range(start + 1, start + 65))
    shared = sum(asked[place] > 1 for place in range(49, 113))
    return shared / 64 * 0.9


# -- 2.5 ------------------------------------------------------------------


def from_the_bottom_up(tokens, context, token, vocab_size):
    p = 1 / vocab_size
    for k in range(len(context) + 1):
        recent = context[len(context) - k :]
        after = Counter(tokens[i] for i in range(k, len(tokens)) if tokens[i - k : i] == recent)
        n, d = sum(after.values()), len(after)
        if n:
            p = (max(after[token] - 0.75, 0) + 0.75 * d * p) / n
    return p


def by_counted_runs(tokens, context, token, vocab_size):
    runs = Counter(
        tuple(tokens[i : i + k]) for k in range(1, len(context) + 2) for i in range(len(tokens) - k + 1)
    )
    p = 1 / vocab_size
    for k in range(len(context) + 1):
        recent = tuple(context[len(context) - k :])
        found = [count for run, count in runs.items() if len(run) == k + 1 and run[:-1] == recent]
        if found:
            p = (max(runs[(*recent, token)] - 0.75, 0) + 0.75 * len(found) * p) / sum(found)
    return p


def recursive(tokens, context, token, vocab_size):
    follows = [tokens[i] for i in range(len(context), len(tokens)) if tokens[i - len(context) : i] == context]
    shorter = 1 / vocab_size
    if context:
        shorter = recursive(tokens, context[1:], token, vocab_size)
    if not follows:
        return shorter
    kept = follows.count(token) - 0.75 if token in follows else 0
    return kept / len(follows) + 3 * len(set(follows)) * shorter / (4 * len(follows))


def as_exact_fractions(tokens, context, token, vocab_size):
    after = [
        last for *before, last in zip(*(tokens[i:] for i in range(len(context) + 1)), strict=False)
        if before == context
    ]  # fmt: skip
    rest = as_exact_fractions(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    share = 0.75 * len(set(after)) / len(after) if after else 1.0
    return share * rest + (max(after.count(token) - 0.75, 0) / len(after) if after else 0.0)


def variant(combine, shorten=lambda context: context[1:], blind=lambda vocab_size: 1 / vocab_size):
    def wrong(tokens, context, token, vocab_size):
        k = len(context)
        after = [tokens[i] for i in range(k, len(tokens)) if tokens[i - k : i] == context]
        shorter = wrong(tokens, shorten(context), token, vocab_size) if context else blind(vocab_size)
        return combine(after.count(token), len(after), len(set(after)), shorter)

    return wrong


def plain(count, n, d, shorter):
    return (max(count - 0.75, 0) + 0.75 * d * shorter) / n if n else shorter


def counts_contexts(tokens, context, token, vocab_size):
    k = len(context)
    after = [tokens[i] for i in range(k, len(tokens)) if tokens[i - k : i] == context]
    n = sum(tokens[i : i + k] == context for i in range(len(tokens))) if k else len(tokens)
    shorter = counts_contexts(tokens, context[1:], token, vocab_size) if k else 1 / vocab_size
    d = len(set(after))
    return plain(after.count(token), n, d, shorter)


def counts_slices(tokens, context, token, vocab_size):
    k = len(context)
    places = [i for i in range(len(tokens) + 1 - k) if tokens[i : i + k] == context]
    after = [tokens[i + k] for i in places if i + k < len(tokens)]
    shorter = counts_slices(tokens, context[1:], token, vocab_size) if k else 1 / vocab_size
    return plain(after.count(token), len(places), len(set(after)), shorter)


def no_recursion(tokens, context, token, vocab_size):
    k = len(context)
    after = [tokens[i] for i in range(k, len(tokens)) if tokens[i - k : i] == context]
    return plain(after.count(token), len(after), len(set(after)), 1 / vocab_size)


def unseen_is_uniform(tokens, context, token, vocab_size):
    k = len(context)
    after = [tokens[i] for i in range(k, len(tokens)) if tokens[i - k : i] == context]
    if not after:
        return 1 / vocab_size
    shorter = unseen_is_uniform(tokens, context[1:], token, vocab_size) if k else 1 / vocab_size
    return plain(after.count(token), len(after), len(set(after)), shorter)


def seen_words_only(tokens, context, token, vocab_size):
    return recursive(tokens, context, token, len({*tokens}))


def divides_by_zero(tokens, context, token, vocab_size):
    return variant(lambda count, n, d, shorter: (max(count - 0.75, 0) + 0.75 * d * shorter) / n)(
        tokens, context, token, vocab_size
    )


# -- 2.6 ------------------------------------------------------------------


def by_pad_batch(stories, context_length, end):
    rows, used = [], []
    for story in sorted(stories, key=lambda story: -len(story)):
        if len(story) + 1 > context_length:
            raise ValueError(f"a story of {len(story)} tokens needs a context of {len(story) + 1}")
        fitting = [i for i in range(len(rows)) if used[i] + len(story) + 1 <= context_length]
        if not fitting:
            rows.append([])
            used.append(0)
        i = fitting[0] if fitting else len(rows) - 1
        rows[i].append(story)
        used[i] += len(story) + 1
    x = [[token for story in row for token in [end, *story]] for row in rows]
    y = [[token for story in row for token in [*story, end]] for row in rows]
    number = [[i + 1 for i, story in enumerate(row) for _ in range(len(story) + 1)] for row in rows]
    return tuple(pad_batch(part, pad, context_length)[0] for part, pad in ((x, end), (y, -100), (number, 0)))


def into_full_tensors(stories, context_length, end):
    stories = sorted(stories, key=len, reverse=True)
    free, places = [], []
    for story in stories:
        size = len(story) + 1
        if size > context_length:
            raise ValueError("too long a story")
        row = next((i for i, room in enumerate(free) if room >= size), len(free))
        if row == len(free):
            free.append(context_length)
        places.append((row, context_length - free[row]))
        free[row] -= size
    x = torch.full((len(free), context_length), end)
    y = torch.full_like(x, -100)
    number = torch.zeros_like(x)
    for story, (row, start) in zip(stories, places, strict=True):
        stop = start + len(story) + 1
        x[row, start:stop] = torch.tensor([end, *story])
        y[row, start:stop] = torch.tensor([*story, end])
        number[row, start:stop] = number[row].max() + 1
    return x, y, number


def by_one_stream(stories, context_length, end):
    """Each row as one stream: end, story, end, story, end; x is all but its last token."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) >= context_length:
            raise ValueError("too long")
        for row in rows:
            if len(row) + len(story) <= context_length:
                row += [*story, end]
                break
        else:
            rows.append([end, *story, end])
    xs, ys, numbers = [], [], []
    for row in rows:
        gap = context_length - len(row) + 1
        xs.append(F.pad(torch.tensor(row[:-1]), (0, gap), value=end))
        ys.append(F.pad(torch.tensor(row[1:]), (0, gap), value=-100))
        numbers.append(F.pad((torch.tensor(row[:-1]) == end).cumsum(0), (0, gap)))
    return torch.stack(xs), torch.stack(ys), torch.stack(numbers)


def arranged(fit, order=lambda stories: sorted(stories, key=len, reverse=True), strict=True):
    """An answer that puts stories into the rows that `fit` chooses: (rooms, size) -> row or None."""

    def answer(stories, context_length, end):
        rows, rooms = [], []
        for story in order(stories):
            if len(story) + 1 > context_length and strict:
                raise ValueError("too long")
            story = story[: context_length - 1]
            row = fit(rooms, len(story) + 1)
            if row is None:
                row = len(rows)
                rows.append([])
                rooms.append(context_length)
            rows[row].append(story)
            rooms[row] -= len(story) + 1
        x = [[t for s in row for t in [end, *s]] for row in rows]
        y = [[t for s in row for t in [*s, end]] for row in rows]
        number = [[i + 1 for i, s in enumerate(row) for _ in [end, *s]] for row in rows]
        fill = [
            torch.tensor([row + [pad] * (context_length - len(row)) for row in part])
            for part, pad in ((x, end), (y, -100), (number, 0))
        ]
        return tuple(fill)

    return answer


def first_with_room(rooms, size):
    return next((i for i, room in enumerate(rooms) if room >= size), None)


def only_the_last(rooms, size):
    return len(rooms) - 1 if rooms and rooms[-1] >= size else None


def the_tightest(rooms, size):
    return min((i for i, room in enumerate(rooms) if room >= size), key=lambda i: rooms[i], default=None)


def more_room_than_needed(rooms, size):
    return next((i for i, room in enumerate(rooms) if room > size), None)


def none_of_them(rooms, size):
    return None


right_packing = arranged(first_with_room)
unsorted_packing = arranged(first_with_room, order=list)
short_ones_first = arranged(first_with_room, order=lambda stories: sorted(stories, key=len))
next_fit = arranged(only_the_last)
best_fit = arranged(the_tightest)
one_story_a_row = arranged(none_of_them)
long_ones_cut = arranged(first_with_room, strict=False)


def targets_padded_with_end(stories, context_length, end):
    x, y, number = right_packing(stories, context_length, end)
    return x, y.masked_fill(y == -100, end), number


def zeros_behind(stories, context_length, end):
    x, y, number = right_packing(stories, context_length, end)
    return x.masked_fill(number == 0, 0), y, number


def shifted_as_a_whole(stories, context_length, end):
    x, _, number = right_packing(stories, context_length, end)
    y = torch.full_like(x, -100)
    y[:, :-1] = torch.where(number[:, 1:] > 0, x[:, 1:], -100)
    return x, y, number


def never_asked_to_stop(stories, context_length, end):
    x, y, number = right_packing(stories, context_length, end)
    return x, y.masked_fill(y == end, -100), number


def first_story_is_zero(stories, context_length, end):
    x, y, number = right_packing(stories, context_length, end)
    return x, y, number.sub(1).clamp(min=0)


def long_ones_dropped(stories, context_length, end):
    return right_packing(
        [story for story in stories if len(story) + 1 <= context_length], context_length, end
    )


def two_tensors(stories, context_length, end):
    return right_packing(stories, context_length, end)[:2]


def float_numbers(stories, context_length, end):
    x, y, number = right_packing(stories, context_length, end)
    return x, y, number.float()


def sorts_the_input(stories, context_length, end):
    stories.sort(key=len, reverse=True)
    return right_packing(stories, context_length, end)


def rows_as_long_as_needed(stories, context_length, end):
    x, y, number = right_packing(stories, context_length, end)
    longest = int((number > 0).sum(1).max())
    return x[:, :longest], y[:, :longest], number[:, :longest]


ANSWERS = {
    "2.1": Answers(
        right=[
            lambda n_tokens, context_length, stride: torch.tensor(by_loops(n_tokens, context_length, stride)),
            by_the_dataset,
            by_a_loader,
            by_loops,
            by_counter,
        ],
        wrong=[
            (counts_x, "It is asked where it is a target, in `y`"),
            (counts_x_and_y, "so it is no target"),
            (one_window_short, "The last window is missing"),
            (cut_off_windows, "windows that are not full"),
            (stride_left_out, "whatever the stride is"),
            (every_start, "Your windows begin at every token"),
            (apart_by_whole_windows, "one token too far apart"),
            (reaches_past_the_end, "IndexError: list index out of range"),
            (lambda n_tokens, context_length, stride: [0] + [1] * (n_tokens - 1), "1 instead of 0"),
            (lambda n_tokens, context_length, stride: by_loops(n_tokens, context_length, stride)[1:], "[0]"),
        ],
    ),
    "2.2": Answers(
        right=[by_nats, in_a_loop, by_tensors, weighted_mean],
        wrong=[
            (per_token, "You divided by the number of tokens"),
            (mean_of_means, "lets a short document count as much as a long one"),
            (characters, "You counted characters"),
            (without_ends, "was also asked whether it is over"),
            (in_nats, "These are nats"),
            (ends_left_out, "You left out each document's last probability"),
            (product_first, "Take the logarithm of each first"),
            (product_in_torch, "inf"),
            (mean_probability, "You took the surprise of the mean probability"),
            (lambda documents, probabilities: -in_a_loop(documents, probabilities), "The sign"),
            (
                lambda documents, probabilities: in_a_loop(documents, probabilities) * len(documents),
                "2.2 not yet",
            ),
            (lambda documents, probabilities: 7.5, "It gives the same for every input"),
        ],
    ),
    "2.3": Answers(
        right=[lists_not_tensors, turned_round, from_the_first_real, by_lists, by_comparison],
        wrong=[
            (plain_pad_batch, "The padding stands on the right"),
            (padded_right, "The padding stands on the right"),
            (beginning_kept, "you kept the beginning"),
            (mask_from_pad_id, "hides a real token that happens to be `pad_id`"),
            (flipped_once, "reverse order"),
            (mask_not_flipped, "the mask is that of padding on the right"),
            (true_is_padding, "True stands for a real token"),
            (length_of_the_longest, "its shape is (1, 1), expected (1, 2)"),
            (too_long_stays, "A prompt longer than `length` is not cut"),
            (minus_zero, "the whole row"),
            (mask_of_ones, "its dtype is torch.int32, expected torch.bool"),
            (mask_of_ones_and_zeros, "A mask is bool"),
            (in_place, "Your answer changes its input"),
            (tokens_only, "Return two: the tokens and the mask"),
        ],
    ),
    "2.4": Answers(
        right=[0.45, 0.5 * 0.9, simulated, drawn_below_each_other],
        wrong=[
            (0.25, "And in the one after it?"),
            (0.5, "is every neighbor among the counted ones?"),
            (0.225, "You counted one neighbor"),
            (lambda: 0.9, "how often a neighbor is counted"),
            (0.75, "How much of a window is in no other?"),
            (0.675, "What is shared with a neighbor is the rest"),
            (1 / 3, "One asks 64 questions"),
            (0.55, "did not leak"),
            (0.1, "the share of windows held out"),
            (0.233, "You counted one neighbor"),
            (0.243, "And in the one after it?"),
            (0.519, "is every neighbor among the counted ones?"),
            (0.531, "did not leak"),
            (45, "a number between 0 and 1"),
            (0.0, "too low"),
        ],
    ),
    "2.5": Answers(
        right=[from_the_bottom_up, by_counted_runs, recursive, as_exact_fractions],
        wrong=[
            (variant(plain, shorten=lambda context: context[:-1]), "drops the newest token"),
            (counts_contexts, "also where the text ends with it"),
            (counts_slices, "`[]` stands there, too"),
            (
                variant(lambda count, n, d, shorter: (count + d * shorter) / (n + d) if n else shorter),
                "That is equation (2)",
            ),
            (
                variant(
                    lambda count, n, d, shorter: max(count - 0.75, 0) / n + 0.75 * shorter if n else shorter
                ),
                "not `n` times",
            ),
            (
                variant(
                    lambda count, n, d, shorter: (
                        max(count - 0.75, 0) / n + 0.75 / n * shorter if n else shorter
                    )
                ),
                "got 3/4 in all",
            ),
            (
                variant(lambda count, n, d, shorter: (count + 0.75 * d * shorter) / n if n else shorter),
                "The followers kept their counts",
            ),
            (
                variant(
                    lambda count, n, d, shorter: (count - 0.75 + 0.75 * d * shorter) / n if n else shorter
                ),
                "must not fall below 0",
            ),
            (
                variant(
                    lambda count, n, d, shorter: (
                        ((count - 0.75) if count else 0.75 * d * shorter) / n if n else shorter
                    )
                ),
                "sum to less than 1",
            ),
            (
                variant(lambda count, n, d, shorter: count / n if count else shorter),
                "only where the longer has not seen the token",
            ),
            (variant(plain, blind=lambda vocab_size: 0.0), "would surprise infinitely"),
            (unseen_is_uniform, "A shorter one may have been seen"),
            (no_recursion, "It goes to the context without its oldest token"),
            (seen_words_only, "also those that never came in the text"),
            (divides_by_zero, "ZeroDivisionError"),
            (lambda tokens, context, token, vocab_size: 0.7, "It gives the same for every input"),
        ],
    ),
    "2.6": Answers(
        right=[by_pad_batch, into_full_tensors, by_one_stream, right_packing],
        wrong=[
            (one_story_a_row, "One story a row, as in the chapter"),
            (unsorted_packing, "Take the longest first"),
            (short_ones_first, "You took the shortest story first"),
            (next_fit, "only at the row that was opened last"),
            (best_fit, "the first row with room"),
            (arranged(more_room_than_needed), "room for it is room enough"),
            (targets_padded_with_end, "padding is a target that counts"),
            (zeros_behind, "The padding of `x` is 0"),
            (shifted_as_a_whole, "has no closing `end` in `y`"),
            (never_asked_to_stop, "would never learn to stop"),
            (first_story_is_zero, "numbered from 1"),
            (long_ones_cut, "was cut"),
            (long_ones_dropped, "left out without a word"),
            (two_tensors, "Return three tensors"),
            (float_numbers, "its dtype is torch.float32"),
            (sorts_the_input, "Your answer changes its input"),
            (rows_as_long_as_needed, "its shape is (1, 2), expected (1, 3)"),
        ],
    ),
}


class TestChapter2(ExerciseTests):
    answers = ANSWERS
