"""Wrong and right answers to chapter 16 by a stranger who had not seen the checks.

They were judged wrongly, or might have been.
"""

import re
import string
from collections import Counter
from fractions import Fraction

import numpy as np
import torch

# 16.2 -----------------------------------------------------------------


def marks(ids, assistant, end):
    found, inside = [], False
    for token in ids:
        found.append(inside)
        inside = token == assistant or (inside and token != end)
    return found


def with_ids(change):
    """Right marks for ids that something was done to: (ids, assistant, end) -> the same three."""
    return lambda *args: marks(*change(*args))


def with_marks(change):
    """Right marks with something done to each: (mark, token, assistant, end) -> what stands there."""

    def answer(ids, assistant, end):
        found = marks(ids, assistant, end)
        return [change(mark, token, assistant, end) for mark, token in zip(found, ids, strict=True)]

    return answer


def by_identity(ids, assistant, end):
    found, inside = [], False
    for token in ids:
        found.append(inside)
        if token is assistant or token is end:
            inside = token is assistant
    return found


def first_answers(most):
    def answer(ids, assistant, end):
        found, inside, n = [], False, 0
        for token in ids:
            found.append(inside)
            if token == assistant and n < most:
                inside, n = True, n + 1
            elif token == end:
                inside = False
        return found

    return answer


def short_answers(most):
    def answer(ids, assistant, end):
        found, since = [], None
        for token in ids:
            found.append(since is not None and since < most)
            since = 0 if token == assistant else None if token == end or since is None else since + 1
        return found

    return answer


def by_slices(ids, assistant, end):
    found, i = [False] * len(ids), 0
    while assistant in ids[i:]:
        begin = ids.index(assistant, i) + 1
        i = ids.index(end, begin) + 1 if end in ids[begin:] else len(ids)
        found[begin:i] = [True] * (i - begin)
    return found


def by_places(ids, assistant, end):
    x, n = np.array(ids, dtype=np.int64), np.arange(len(ids))
    if not len(x):
        return []
    last = [np.maximum.accumulate(np.where(x == token, n, -1)) for token in (assistant, end)]
    return [False, *(last[0] > last[1])[:-1].tolist()]


# 16.3 -----------------------------------------------------------------

SIGNS = string.punctuation


def words(text):
    return "".join(c for c in text.lower() if c not in SIGNS).split()


def score(a, b):
    common = (Counter(a) & Counter(b)).total()
    return 2 * common / (len(a) + len(b)) if common else 0.0


def cut(by):
    """Right but for how a text is cut into words."""
    return lambda said, truth: score(by(said), by(truth))


def kept(test):
    """Cut rightly, after the characters that fail the test have gone."""
    return cut(lambda text: "".join(c for c in text.lower() if test(c)).split())


def without(pattern, flags=0):
    return cut(lambda text: re.sub(pattern, "", text.lower(), flags=flags).split())


def signs_gone(text):
    return "".join(c for c in text.lower() if c not in SIGNS)


def at(pattern):
    """Cut at a pattern, without the empty words."""
    return cut(lambda text: [word for word in re.split(pattern, signs_gone(text)) if word])


def small_in_ascii(text):
    small = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)
    return "".join(c for c in small if c not in SIGNS).split()


def counted(common):
    """Right but for how many words are common: (words said, words of the truth) -> a number."""

    def answer(said, truth):
        a, b = words(said), words(truth)
        n = common(a, b)
        return 2 * n / (len(a) + len(b)) if n else 0.0

    return answer


def at_most(k):
    return counted(lambda a, b: sum(min(n, Counter(b)[word], k) for word, n in Counter(a).items()))


def one_where(same):
    return lambda said, truth: 1.0 if same(said, truth) else score(words(said), words(truth))


def in_exact_numbers(said, truth):
    a, b = words(said), words(truth)
    common = sum(min(a.count(word), b.count(word)) for word in set(a))
    return Fraction(2 * common, len(a) + len(b)) if common else 0


def by_merging(said, truth):
    a, b = sorted(words(said)), sorted(words(truth))
    n, lengths = 0, len(a) + len(b)
    while a and b:
        n += a[-1] == b[-1]
        last = max(a[-1], b[-1])
        a, b = (some[:-1] if some[-1] == last else some for some in (a, b))
    return np.float64(2 * n / lengths) if n else np.float64(0)


# 16.4 -----------------------------------------------------------------


def keep(lengths, room):
    for start in range(1, len(lengths) + 1):
        if lengths[0] + sum(lengths[start:]) <= room:
            return [0, *range(start, len(lengths))]
    raise ValueError


def of_kept(change):
    """A right answer with something done to it: (kept, lengths, room) -> what is returned."""
    return lambda lengths, room: change(keep(lengths, room), lengths, room)


def newest(most):
    return of_kept(lambda found, lengths, room: [0, *found[1:][-most:]])


def while_room_is_left(lengths, room):
    if lengths[0] > room:
        raise ValueError
    left, i = room - lengths[0], len(lengths) - 1
    while left > 0 and i > 0 and lengths[i] <= left:
        left -= lengths[i]
        i -= 1
    return [0, *range(i + 1, len(lengths))]


def no_room_no_answer(lengths, room):
    if room <= 0:
        raise ValueError
    return keep(lengths, room)


def by_the_mean(lengths, room):
    left, rest = room - keep(lengths, room)[0] - lengths[0], lengths[1:]
    n = min(len(rest), int(left // (sum(rest) / len(rest)))) if sum(rest) else len(rest)
    return [0, *range(len(lengths) - n, len(lengths))]


def drops_the_second(lengths, room):
    if lengths[0] > room:
        raise ValueError("too little room")
    left = list(range(len(lengths)))
    while sum(lengths[i] for i in left) > room:
        del left[1]
    return left


def in_sums(lengths, room):
    left = room - lengths[0]
    if left < 0:
        raise ValueError
    n = int((np.cumsum(lengths[:0:-1]) <= left).sum())
    return np.array([0, *range(len(lengths) - n, len(lengths))])


# 16.5 -----------------------------------------------------------------


def wrong_places(logits, tokens, learned):
    return (logits.argmax(-1) != tokens[:, 1:]) & learned[:, 1:]


def pick(wrong):
    return torch.where(wrong.any(1), wrong.int().argmax(1) + 1, -1)


def of_scores(change):
    """Right, but for what was done to the scores before."""
    return lambda logits, tokens, learned: pick(wrong_places(change(logits), tokens, learned))


def of_places(change):
    """Right, but for what was done to the (B, T) of mistakes."""
    return lambda *args: pick(change(wrong_places(*args)))


def of_found(change):
    """Right, but for what was done to the (B,) that was found."""
    return lambda *args: change(pick(wrong_places(*args)))


def weighed(dtype):
    def answer(*args):
        wrong = wrong_places(*args)
        weights = torch.arange(wrong.shape[1], 0, -1).to(dtype)
        return torch.where(wrong.any(1), (wrong.to(dtype) * weights).argmax(1) + 1, -1)

    return answer


def padding_is_0(logits, tokens, learned):
    return pick(wrong_places(logits, tokens, learned) & (tokens[:, 1:] != 0))


def by_products(*args):
    wrong = wrong_places(*args)
    return torch.where(wrong.any(1), (~wrong).int().cumprod(1).sum(1) + 1, -1)


def behind_a_net(logits, tokens, learned):
    wrong = wrong_places(logits.log_softmax(-1), tokens, learned)
    first = torch.cat([wrong, torch.ones(len(wrong), 1, dtype=torch.bool)], 1).long().argmax(1) + 1
    return first.masked_fill(first == tokens.shape[1], -1)


def one_by_one(logits, tokens, learned):
    best, rows = logits.argmax(-1).tolist(), zip(tokens.tolist(), learned.tolist(), strict=True)
    wrong = [
        [t + 1 for t, token in enumerate(said) if marks[t + 1] and row[t + 1] != token]
        for said, (row, marks) in zip(best, rows, strict=True)
    ]
    return torch.tensor([places[0] if places else -1 for places in wrong])


# 16.6 -----------------------------------------------------------------


def numbers(ids, begin):
    return (ids == begin).cumsum(0)


def mask(number):
    return (number[:, None] == number).tril()


def numbered(change):
    """Right, but for what was done to the conversations' numbers."""
    return lambda ids, begin: mask(change(numbers(ids, begin)))


def window(size):
    return lambda ids, begin: mask(numbers(ids, begin)).triu(1 - size)


def by_objects(ids, begin):
    number, found = 0, []
    for token in ids.tolist():
        number += token is begin
        found.append(number)
    return mask(torch.tensor(found))


def in_bytes(ids, begin):
    return mask(numbers(ids % 256, begin % 256))


def by_starts(ids, begin):
    places = torch.arange(len(ids))
    start = torch.where(ids == begin, places, 0).cummax(0).values
    return (places <= places[:, None]) & (places >= start[:, None])


def by_blocks(ids, begin):
    sizes = torch.unique_consecutive(numbers(ids, begin), return_counts=True)[1].tolist()
    return torch.block_diag(*[torch.ones(n, n).tril() for n in sizes]).bool()


def by_products_of_ones(ids, begin):
    found = torch.zeros(len(ids), len(ids), dtype=torch.bool)
    for i in range(len(ids)):
        found[i, i] = True
        if i and ids[i] != begin:
            found[i] |= found[i - 1]
    return found


WRONG = {
    "16.2": [
        by_identity,
        with_ids(lambda ids, a, e: (ids, a or 9, e or 10)),
        with_ids(lambda ids, a, e: (ids, a, e or 10)),
        *[with_ids(lambda ids, a, e, n=n: ([i % n for i in ids], a % n, e % n)) for n in (64, 128)],
        with_ids(lambda ids, a, e: (list(bytes(ids)), a, e)),
        with_ids(lambda ids, a, e: (ids, a, a + 1)),
        with_ids(lambda ids, a, e: (ids, e - 1, e)),
        *[first_answers(most) for most in (1, 2, 3, 4, 8)],
        *[short_answers(most) for most in (1, 2, 4, 8, 16, 256)],
        with_marks(lambda mark, token, a, e: mark and token != a and token != 0),
        with_marks(lambda mark, token, a, e: mark or token == e),
        with_marks(lambda mark, token, a, e: int(mark)),
    ],
    "16.3": [
        cut(lambda text: ["".join(c for c in word if c not in SIGNS) for word in text.lower().split()]),
        cut(lambda text: signs_gone(text).split(" ")),
        *[at(pattern) for pattern in (r" +", r"[ \n]+", r"[ \t\n]+", f"[{string.whitespace}]+", r"(?a:\s)+")],
        *[
            kept(lambda c, some=some: c not in some)
            for some in (".,!?", ".,!?;:'\"-()", SIGNS.replace("_", ""))
        ],
        *[kept(lambda c, one=one: c not in SIGNS.replace(one, "")) for one in "_@$`\\~"],
        kept(lambda c: c.isalnum() or c.isspace()),
        kept(lambda c: c.isalpha() or c.isspace()),
        *[without(some) for some in (r"[^\w\s]", r"[^\w\s]|_", r"[^a-z\s]", r"[^a-z0-9\s]", f"[{SIGNS}]")],
        cut(small_in_ascii),
        cut(lambda text: [word.rstrip("s") for word in words(text)]),
        *[cut(lambda text, n=n: words(text)[:n]) for n in (8, 10, 16)],
        counted(lambda a, b: len({*a} & {*b})),
        counted(lambda a, b: sum(any(word in other for other in b) for word in {*a})),
        counted(lambda a, b: sum(word in b for word in a)),
        *[at_most(k) for k in (1, 2, 3, 5, 8)],
        one_where(lambda said, truth: said == truth),
        one_where(lambda said, truth: words(said) == words(truth)),
        one_where(lambda said, truth: not words(said) and not words(truth)),
    ],
    "16.4": [
        while_room_is_left,
        no_room_no_answer,
        by_the_mean,
        *[newest(most) for most in (1, 2, 3, 5, 8, 10, 16, 32)],
        of_kept(lambda found, lengths, room: [i for i in found if not i or lengths[i]]),
        of_kept(lambda found, lengths, room: [i % 10 for i in found]),
        of_kept(lambda found, lengths, room: sorted(found, key=str)),
        of_kept(lambda found, lengths, room: [i - len(lengths) for i in found]),
        lambda lengths, room: keep(lengths, min(room, 100)),
        lambda lengths, room: keep([min(n, 9) for n in lengths], room),
    ],
    "16.5": [
        *[of_found(lambda found, to=to: found.to(to)) for to in (torch.int32, torch.float32, torch.uint8)],
        of_found(lambda found: found.to(torch.int8).long()),
        of_found(lambda found: found.double()),
        *[of_scores(lambda x, to=to: x.to(to)) for to in (torch.half, torch.bfloat16, torch.int)],
        of_scores(lambda x: x.exp() / x.exp().sum(-1, keepdim=True)),
        of_scores(lambda x: x * 0 + x),
        *[of_scores(lambda x, n=n: x.mul(n).round()) for n in (10, 100)],
        *[of_scores(lambda x, most=most: x.clamp(-most, most)) for most in (20, 100, 1e5)],
        of_scores(lambda x: x[..., :8]),
        *[weighed(dtype) for dtype in (torch.uint8, torch.int8)],
        *[of_places(lambda wrong, n=n: wrong[:, :n]) for n in (8, 16, 32, 128, 256)],
        padding_is_0,
    ],
    "16.6": [
        *[window(size) for size in (6, 8, 10, 12, 14, 16, 20, 64)],
        *[numbered(lambda x, n=n: x % n) for n in (2, 4, 5, 6, 7, 8, 10)],
        *[numbered(lambda x, n=n: x.clamp(max=n)) for n in (2, 3, 4, 8, 9)],
        *[numbered(lambda x, to=to: x.to(to)) for to in (torch.uint8, torch.int8)],
        by_objects,
        in_bytes,
    ],
}
RIGHT = {
    "16.2": [by_slices, by_places, with_marks(lambda mark, token, a, e: np.bool_(mark))],
    "16.3": [in_exact_numbers, by_merging, without("[" + re.escape(SIGNS) + "]"), at(r"\s+")],
    "16.4": [drops_the_second, in_sums, of_kept(lambda found, lengths, room: tuple(found))],
    "16.5": [
        weighed(torch.int64),
        by_products,
        behind_a_net,
        one_by_one,
        of_found(lambda found: found.numpy()),
    ],
    "16.6": [by_starts, by_blocks, by_products_of_ones, lambda ids, begin: by_starts(ids, begin).numpy()],
}
