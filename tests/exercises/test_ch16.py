"""Answers to chapter 16's exercises."""

import re
import string
from collections import Counter
from fractions import Fraction

import numpy as np
import torch
from harness import Answers, ExerciseTests

# -- 16.1 ------------------------------------------------------------------


def by_counting():
    return (12 * 35) / (12 * 35 + 4 * 120)


def as_a_fraction():
    return Fraction(420, 900)


def in_numpy():
    learned = np.repeat([35, 120], [12, 4])
    return learned[:12].sum() / learned.sum()


# -- 16.2 ------------------------------------------------------------------


def by_loop(ids, assistant, end):
    found, on = [], False
    for token in ids:
        found += [on]
        on = token == assistant or (on and token != end)
    return found


def by_looking_back(ids, assistant, end):
    def mark(k):
        for token in reversed(ids[:k]):
            if token in (assistant, end):
                return token == assistant
        return False

    return np.array([mark(k) for k in range(len(ids))], dtype=bool)


def by_spans(ids, assistant, end):
    found = torch.zeros(len(ids), dtype=torch.bool)
    for k, token in enumerate(ids):
        if token == assistant:
            stop = next((j for j in range(k, len(ids)) if ids[j] == end), len(ids))
            found[k + 1 : stop + 1] = True
    return found


def shifts(by):
    return lambda ids, assistant, end: (
        [*by_loop(ids, assistant, end)[by:], *[False] * by][: len(ids)]
        if by > 0
        else [*[False] * -by, *by_loop(ids, assistant, end)][: len(ids)]
    )


def changes_ids(ids, assistant, end):
    found = by_loop(ids, assistant, end)
    ids.append(0)
    return found


# -- 16.3 ------------------------------------------------------------------


SIGNS = "[" + re.escape(string.punctuation) + "]"


def by_counters(said, truth):
    a, b = (Counter(re.sub(SIGNS, "", text.lower()).split()) for text in (said, truth))
    both = (a & b).total()
    return 2 * both / (a.total() + b.total()) if both else 0


def by_removing(said, truth):
    gone = str.maketrans("", "", string.punctuation)
    a, b = (text.translate(gone).lower().split() for text in (said, truth))
    rest, common = list(b), 0
    for word in a:
        if word in rest:
            rest.remove(word)
            common += 1
    return np.float64(2 * common / max(1, len(a) + len(b)))


def as_fraction(said, truth):
    return Fraction(by_counters(said, truth)).limit_denominator(1000)


def squad(said, truth):
    """SQuAD's own also drops articles."""
    return by_counters(*(re.sub(r"\b(a|an|the)\b", " ", text.lower()) for text in (said, truth)))


def of_words(split, common=lambda a, b: sum((Counter(a) & Counter(b)).values())):
    def answer(said, truth):
        a, b = split(said.lower()), split(truth.lower())
        both = common(a, b)
        return both and 2 * both / (len(a) + len(b))

    return answer


def unsigned(text):
    return re.sub(SIGNS, "", text)


# -- 16.4 ------------------------------------------------------------------


def from_the_end(lengths, room):
    if lengths[0] > room:
        raise ValueError("the story does not fit")
    start = len(lengths)
    while start > 1 and lengths[0] + sum(lengths[start - 1 :]) <= room:
        start -= 1
    return [0, *range(start, len(lengths))]


def by_trying(lengths, room):
    for start in range(1, len(lengths) + 1):
        kept = [0, *range(start, len(lengths))]
        if sum(lengths[i] for i in kept) <= room:
            return tuple(kept)
    raise ValueError(f"lengths[0]={lengths[0]} is above room={room}")


def in_sums(lengths, room):
    ends = np.cumsum(lengths[:0:-1])
    if lengths[0] > room:
        raise ValueError
    n = int((ends <= room - lengths[0]).sum())
    return np.concatenate([[0], np.arange(len(lengths) - n, len(lengths))])


def pops(lengths, room):
    found = from_the_end(lengths, room)
    lengths.pop()
    return found


# -- 16.5 ------------------------------------------------------------------


def by_argmax(logits, tokens, learned):
    wrong = (logits.argmax(-1) != tokens[:, 1:]) & learned[:, 1:]
    return torch.where(wrong.any(1), wrong.int().argmax(1) + 1, -1)


def by_lists(logits, tokens, learned):
    best = logits.argmax(-1).tolist()
    found = []
    for b, row, marks in zip(best, tokens.tolist(), learned.tolist(), strict=True):
        places = [t + 1 for t in range(len(b)) if marks[t + 1] and b[t] != row[t + 1]]
        found.append(min(places, default=-1))
    return found


def in_arrays(logits, tokens, learned):
    wrong = (logits.numpy().argmax(-1) != tokens.numpy()[:, 1:]) & learned.numpy()[:, 1:]
    return np.where(wrong.any(1), wrong.argmax(1) + 1, -1)


def wrong_of(logits, tokens, learned):
    return (logits.argmax(-1) != tokens[:, 1:]) & learned[:, 1:]


# -- 16.6 ------------------------------------------------------------------


def by_blocks(ids, begin):
    block = (ids == begin).cumsum(0)
    return (block[:, None] == block) & torch.ones(len(ids), len(ids), dtype=torch.bool).tril()


def by_starts(ids, begin):
    start, rows = 0, []
    for query, token in enumerate(ids.tolist()):
        start = query if token == begin else start
        rows.append([start <= key <= query for key in range(len(ids))])
    return rows


def block_diagonal(ids, begin):
    edges = [0, *[k for k, token in enumerate(ids.tolist()) if token == begin and k], len(ids)]
    parts = [torch.ones(b - a, b - a).tril() for a, b in zip(edges, edges[1:], strict=False)]
    return torch.block_diag(*parts).bool().numpy()


def from_the_first_begin(ids, begin):
    starts = [*(ids == begin).nonzero()[:, 0].tolist(), len(ids)]
    allowed = torch.zeros(len(ids), len(ids), dtype=torch.bool)
    for a, b in zip(starts, starts[1:], strict=False):
        allowed[a:b, a:b] = triangle(b - a)
    return allowed


def triangle(n, k=0):
    return torch.ones(n, n, dtype=torch.bool).tril(k)


ANSWERS = {
    "16.1": Answers(
        right=[by_counting, as_a_fraction, in_numpy, 0.4667],
        wrong=[
            (0.75, "share of the rows"),
            (0.25, "rows that are stories"),
            (0.533, "stories' share"),
            (0.875, "for each target"),
            (1.143, "for each of an answer"),
            (0.226, "as many conversations"),
            (0.826, "only the 35"),
            (0.152, "in no mean"),
            (0.667, "example"),
            (46.7, "percent"),
            (420, "how many"),
            (0.47, "Rounded?"),
            (0.5, "a guess"),
        ],
    ),
    "16.2": Answers(
        right=[by_loop, by_looking_back, by_spans],
        wrong=[
            (
                lambda ids, a, e: [m or t == a for m, t in zip(by_loop(ids, a, e), ids, strict=True)],
                "is given",
            ),
            (
                lambda ids, a, e: [m and t != e for m, t in zip(by_loop(ids, a, e), ids, strict=True)],
                "never stop",
            ),
            (lambda ids, a, e: [a in ids[:k] for k in range(len(ids))], "the user speaks again"),
            (lambda ids, a, e: [not m for m in by_loop(ids, a, e)], "changed places"),
            (shifts(1), "one place earlier"),
            (shifts(-1), "expected"),
            (lambda ids, a, e: [i for i, m in enumerate(by_loop(ids, a, e)) if m], "expected"),
            (lambda ids, a, e: [int(m) for m in by_loop(ids, a, e)], "expected"),
            (lambda ids, a, e: by_loop(ids, e, a), "expected"),
            (lambda ids, a, e: [False] * len(ids), "expected"),
            (changes_ids, "The caller"),
        ],
    ),
    "16.3": Answers(
        right=[by_counters, by_removing, as_fraction],
        wrong=[
            (squad, "expected"),
            (of_words(re.compile(r"\w+").findall), "cuts no word in two"),
            (of_words(lambda text: re.sub(SIGNS, " ", text).split()), "cuts no word in two"),
            (of_words(lambda text: [w.strip(string.punctuation) for w in text.split()]), "leaves no word"),
            (of_words(lambda text: unsigned(text).split(" ")), "leaves empty words"),
            (
                of_words(lambda text: unsigned(text).split(), lambda a, b: sum(w in a for w in b)),
                "was said once",
            ),
            (lambda said, truth: float(said == truth), "expected"),
            (lambda said, truth: float(said.lower().strip(".!") == truth.lower().strip(".!")), "expected"),
            (lambda said, truth: 100 * by_counters(said, truth), "expected"),
            (lambda said, truth: 1 - by_counters(said, truth), "expected"),
            (lambda said, truth: by_counters(said + " x", truth), "expected"),
            (
                lambda said, truth: by_counters(" ".join({*said.split()}), " ".join({*truth.split()})),
                "expected",
            ),
            (lambda said, truth: by_counters(" ".join(said), " ".join(truth)), "expected"),
            (lambda said, truth: by_counters(said, truth) or None, "expected"),
            (lambda said, truth: by_counters(said, truth) / 2, "expected"),
        ],
    ),
    "16.4": Answers(
        right=[from_the_end, by_trying, in_sums],
        wrong=[
            (lambda lengths, room: [i for i in from_the_end(lengths, room) if i], "expected"),
            (lambda lengths, room: from_the_end(lengths, room - 1), "expected"),
            (lambda lengths, room: from_the_end(lengths, room + 1), "expected"),
            (lambda lengths, room: [0] if lengths[0] <= room else from_the_end(lengths, room), "expected"),
            (lambda lengths, room: [*range(len(lengths))], "expected"),
            (lambda lengths, room: [lengths[i] for i in from_the_end(lengths, room)], "not the lengths"),
            (lambda lengths, room: len(from_the_end(lengths, room)), "how many"),
            (lambda lengths, room: sorted(from_the_end(lengths, room), reverse=True), "expected"),
            (lambda lengths, room: from_the_end(lengths, room) if lengths[0] <= room else [], "ValueError"),
            (pops, "The caller"),
        ],
    ),
    "16.5": Answers(
        right=[by_argmax, by_lists, in_arrays],
        wrong=[
            (lambda *a: torch.where(wrong_of(*a).any(1), wrong_of(*a).int().argmax(1), -1), "one later"),
            (lambda *a: wrong_of(*a).int().argmax(1) + 1, "has −1"),
            (lambda *a: torch.where(wrong_of(*a).any(1), wrong_of(*a).int().argmax(1) + 1, 0), "has −1"),
            (lambda *a: wrong_of(*a).sum(1), "how many"),
            (lambda *a: ~wrong_of(*a).any(1), "whether all is right"),
            (
                lambda logits, tokens, learned: by_argmax(logits, tokens, torch.ones_like(learned)),
                "not learned",
            ),
            (
                lambda logits, tokens, learned: [
                    next((t for t in range(len(b)) if m[t] and b[t] != row[t]), -1)
                    for b, row, m in zip(logits.argmax(-1), tokens, learned, strict=True)
                ],
                "the one that was read",
            ),
            (lambda logits, tokens, learned: by_argmax(logits, tokens, ~learned), "expected"),
            (lambda logits, tokens, learned: by_argmax(-logits, tokens, learned), "expected"),
            (lambda logits, tokens, learned: by_argmax(logits, tokens, learned).clamp(min=0), "has −1"),
            (lambda logits, tokens, learned: by_argmax(logits, tokens, learned)[:1], "expected"),
        ],
    ),
    "16.6": Answers(
        right=[by_blocks, by_starts, block_diagonal],
        wrong=[
            (lambda ids, begin: triangle(len(ids)), "conversation before"),
            (lambda ids, begin: by_blocks(ids, begin) | by_blocks(ids, begin).T, "comes after it"),
            (lambda ids, begin: by_blocks(ids, begin).T, "changed places: a row"),
            (lambda ids, begin: by_blocks(ids, begin) & triangle(len(ids), -1), "look at itself"),
            (lambda ids, begin: ~by_blocks(ids, begin), "True where"),
            (from_the_first_begin, "is a conversation, too"),
            (lambda ids, begin: by_blocks(ids, begin).int(), "expected"),
            (lambda ids, begin: by_blocks(ids, begin)[None], "expected"),
            (lambda ids, begin: by_blocks(ids, begin + 1), "expected"),
            (lambda ids, begin: triangle(len(ids)) & (ids == begin)[None], "expected"),
            (lambda ids, begin: by_blocks(ids, 0), "expected"),
            (lambda ids, begin: torch.where(by_blocks(ids, begin), 0.0, float("-inf")), "expected"),
        ],
    ),
}


class TestChapter16(ExerciseTests):
    answers = ANSWERS
