"""The checks of chapter 9, Caching."""

import random

import torch

from companion.exercises.normalize import as_number
from companion.exercises.notation import Chapter

chapter = Chapter()


# -- 9.1 ------------------------------------------------------------------
def size_cases(seed):
    rng = random.Random(seed)
    for bits in (16, 8, 32, 4):
        key_heads = rng.choice((2, 3))
        heads = key_heads * rng.choice((2, 4))
        sizes = (rng.randint(3, 40), heads, key_heads, 8 * heads * rng.randint(2, 9))
        yield (*sizes, rng.randint(50, 5000), rng.randint(2, 70), bits)


@chapter.function(
    "9.1 How much room? ★",
    inputs="""
        1, 1, 1, 8, 1, 1, 8 || 2, 4, 2, 8, 5, 3, 16 || 3, 6, 1, 42, 10, 2, 4 || 5, 4, 4, 12, 7, 2, 32
    """,
    cases=size_cases,
    tolerance=1e-9,
    mistakes="""
        2 * layers => layers
            Half of it: there are keys, and there are values.
        key_heads * head_width => heads * head_width
            You counted all heads. Heads that share keys and values need them once: only `key_heads` count.
        key_heads * head_width => heads * (width // key_heads)
            The width of a head is the model's width by all its heads, as the queries have it. Sharing keys
            makes none of them wider.
        key_heads * head_width => key_heads * width
            A head has its share of the width only: `width` by `heads`.
        numbers * bits // 8 => numbers * bits
            These are bits. A byte has 8.
        numbers * bits // 8 => numbers * (bits // 8)
            You divide each number's bits by 8 and drop the rest: of 4 bits nothing is left. Divide the bits
            of the whole cache.
        numbers * bits // 8 => numbers * -(-bits // 8)
            You give each number bytes of its own. Two numbers of 4 bits share one: divide the bits of the
            whole cache.
        2 * layers * key_heads => layers * (heads + 2 * key_heads)
            You keep the queries, too. A query asks once, for its own token, and is not kept.
        tokens * rows => tokens
            That is one row. Each text has keys of its own.
        2 * layers => 2
            That is one layer. Each has keys and values of its own.
    """,
    right="A cache grows with every token of every row; the weights do not.",
)
def cache_size(layers, heads, key_heads, width, tokens, rows, bits):
    head_width = width // heads
    numbers = 2 * layers * key_heads * head_width * tokens * rows
    return numbers * bits // 8


chapter.number(
    "9.2 The speed of memory ★",
    wants="gain_of_sixteen()",
    answer=16 * (16 + 1) / (16 + 16 * 1),
    tolerance=0.05,
    mistakes="""
        16
            So it would be if only the weights were read. Each row has keys and values of its own, and a step
            reads those of all rows.
        1
            Nothing gained? The weights are fetched once a step, and serve all rows of it.
        16 * 100 / (16 + 16 * 1)
            These are the tokens a second of sixteen texts. By what factor is that more than for one?
        100 / (16 + 1)
            That is the speed of one text. How much faster are sixteen together?
        16 * 16 / (16 + 16 * 1)
            For one text, too, a step reads the weights and its keys and values: 17 GB.
        (16 + 1) / 1
            That is what ever more rows come near to. With sixteen, half of what a step reads is weights.
        100 / (16 + 16 * 1)
            That is how many tokens a second each of the sixteen gets. All together, and how many times one
            text alone?
    """,
    right="With few rows the weights set the pace, with many the caches: in the end, more rows gain nothing.",
)


# -- 9.3 ------------------------------------------------------------------
def mask_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for rows, n_new in ((3, 2), (5, 4), (4, 1)):
        yield torch.randint(0, 9, (rows,), generator=generator), n_new


@chapter.function(
    "9.3 Each row its own end ★★",
    inputs="""
        torch.tensor([2, 4]), 2 || torch.tensor([0]), 3 || torch.tensor([1, 0]), 1 || torch.tensor([3, 3]), 2
    """,
    cases=mask_cases,
    mistakes="""
        keys <= queries => keys < queries
            A token may look at itself.
        keys <= queries => keys <= 1 + queries
            Each query sees one key too many: the one behind it.
        = cache_mask(torch.full_like(lengths, int(lengths.max())), n_new)
            All rows have the mask of the longest. A shorter row would see what lies behind its own end.
        = it[:, :, -1:].expand_as(it)
            The new tokens of a row see one another, those behind them included. Each query has a position of
            its own.
        keys <= queries => (keys <= queries) & (keys >= lengths[:, None, None])
            What the cache holds may be seen as well: that is what it is kept for.
        keys <= queries => (keys <= queries) & (keys < lengths[:, None, None])
            The new tokens have keys, too: each sees itself and the new ones before it.
    """,
    right="With this mask, texts of different lengths share a batch, and each gets what it would alone.",
)
def cache_mask(lengths, n_new):
    keys = torch.arange(int(lengths.max()) + n_new)
    queries = lengths[:, None, None] + torch.arange(n_new)[:, None]
    seen = keys <= queries
    return seen[:, None]


# -- 9.4 ------------------------------------------------------------------
def reuse_cases(seed):
    rng = random.Random(seed)
    for same in (3, 5, 1):
        start = [rng.randrange(9) for _ in range(same)]
        held, text = ([rng.randrange(9) for _ in range(rng.randint(2, 5))] for _ in range(2))
        yield start + [9, *held], start + [10, *text]
        yield start + held, start
    start = [rng.randrange(300, 1000) for _ in range(3)]
    again = [int(str(token)) for token in start]  # equal, but not the same objects
    yield [*start, 5], [*again, 6, 7]


def agreeing(one, other):
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return same


@chapter.function(
    "9.4 What is read already ★★",
    inputs="""
        [0, 5, 7, 9], [0, 5, 8, 1] || [0, 5], [0, 5] || [0, 5, 7], [0, 5] || [], [0, 3] || [4], [0]
        [0, 5], [0, 5, 6, 7] || [0, 5, 6, 7], [0, 1, 6, 7] || [5, 0, 7, 3], [0, 7, 3, 5] || [0], [0]
        [0, 12, 3], [0, 1, 23]
    """,
    cases=reuse_cases,
    helpers=(agreeing,),
    mistakes="""
        min(same, len(text) - 1) => same
            Where the cache holds all of the text, nothing is left to read, and so there are no logits to draw
            from. Go back one token more, and read that one again.
        min(same, len(text) - 1) => same ; text[kept:] => text[kept:] or text[-1:] || text[kept:] or text
            Where the cache holds all of the text, you read tokens again that it still holds: they would be
            there twice. Rewind it to before what is read.
        agreeing(held, text) => sum(a == b for a, b in zip(held, text))
            You counted agreeing tokens anywhere. From the first difference on, every key depends on another
            text.
        = it if it[0] == len(held) else (0, text)
            You keep all or nothing. What is common at the start can stay.
        agreeing(held, text) => len(held)
            You did not compare: the cache may hold another text.
        min(same, len(text) - 1) => max(0, same - 1)
            You always go back one token from where the two agree. Where the text goes on behind that, there
            is something to read already.
        text[kept:] => text[-1:]
            All that the cache does not hold has to be read, not the last token alone.
        return kept => return len(held) - kept
            `rewind` wants the length that is left, not how many to forget.
    """,
    right="So a chat reads each message once, although every request holds the whole conversation.",
)
def reuse(held, text):
    same = agreeing(held, text)
    kept = min(same, len(text) - 1)
    return kept, text[kept:]


# -- 9.5 ------------------------------------------------------------------
MAX_GUESSES = 20


def draft_cases(seed):
    rng = random.Random(seed)
    found = 0
    while found < 5:
        a = round(rng.uniform(0.2, 0.95), 3)
        c = round(rng.uniform(0.01, 0.6), 3)
        speeds = sorted(speed(a, c, k) for k in range(MAX_GUESSES + 1))
        if speeds[-1] - speeds[-2] > 1e-6:
            found += 1
            yield a, c


def one_of_the_best(answer, a, c):
    """What an answer gives; where several numbers of guesses are as good, the least for any of them."""
    found = answer(a, c)
    k = as_number(found)
    best = best_draft(a, c)
    if k in range(MAX_GUESSES + 1) and speed(a, c, int(k)) > (1 - 1e-6) * speed(a, c, best):
        return best
    return found


def speed(a, c, k):
    tokens = sum(a**i for i in range(k + 1))
    price = 1 + k * c
    return tokens / price


@chapter.function(
    "9.5 How far to guess ★★",
    inputs="""
        0.8, 0.1 || 0.0, 0.5 || 0.4, 0.25 || 1.0, 0.5 || 0.9, 0.02 || 0.3, 0.35 || 0.6, 0.05 || 0.7, 0.7
        0.95, 0.001
    """,
    cases=draft_cases,
    call=one_of_the_best,
    helpers=(speed,),
    mistakes="""
        range(k + 1) => range(1, k + 1)
            The token that the model gives itself is not counted: a pass gives one more than it keeps.
        tokens / price => tokens / (k * c) if k else 0
            The pass itself has its price, too: 1.
        sum(a**i for i in range(k + 1)) => 1 + k * a**k
            As if all guesses were kept or none. The first may be kept and the second not: add up how likely
            each is to be kept.
        sum(a**i for i in range(k + 1)) => 1 + k * a
            As if each guess were kept with `a`, whatever happened before it. The second is kept only if the
            first is: `a` times `a`.
        range(MAX_GUESSES + 1) => range(1, MAX_GUESSES + 1)
            Sometimes no guess is best: try 0, too.
        range(k + 1) => range(max(k, 1)) || range(k)
            The sum ends too early: `k` guesses give up to `k + 1` tokens.
        = 0
            As you reckon, no guess ever pays. A guess costs `c`, and not a whole pass; and all powers of `a`
            up to `k` count, not the last alone.
        range(MAX_GUESSES + 1) => range(MAX_GUESSES)
            `range(20)` ends at 19, and 20 may be best.
        sum(a**i for i in range(k + 1)) => (1 - a ** (k + 1)) / (1 - a)
            This formula for the sum divides 0 by 0 where `a` is 1. There all terms are 1, and their sum is
            plain.
        tokens / price => tokens - price
            Speed is tokens by price, a ratio, not a difference. A guess that brings a little more than its
            price can still lower it.
    """,
    right="A draft that is nearly free should guess far, a good one farther; a poor and dear one not at all.",
)
def best_draft(a, c):
    return max(range(MAX_GUESSES + 1), key=lambda k: speed(a, c, k))


# -- 9.6 ------------------------------------------------------------------
def pages_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for shape, table, length in [
        ((4, 3, 2, 5), [3, 1, 0], 5),
        ((6, 2, 3, 4), [0, 5, 2, 4], 12),
        ((5, 2, 4, 3), [4, 4, 1], 9),
        ((7, 3, 5, 2), [6, 2], 6),
    ]:
        yield torch.randn(shape, generator=generator), table, length


@chapter.function(
    "9.6 Pages ★★★",
    inputs="""
        torch.arange(12.0).reshape(3, 1, 4, 1), [2, 0], 6
        torch.arange(12.0).reshape(3, 1, 4, 1), [1], 4
    """,
    cases=pages_cases,
    shown="{f}(pages, {1}, {2}), pages = {0}",
    mistakes="""
        in table => in range(len(table))
            You took the first pages of the pool. The table names the text's own.
        joined[:, :length] => joined
            The last page is not full: what lies behind `length` is not the text's.
        torch.cat(chosen, dim=1) => pages[table].reshape(pages.shape[1], -1, pages.shape[3])
            Heads and pages are mixed up: `pages[table]` is (pages, H, P, D), and a reshape does not move a
            dimension. Bring the pages beside their tokens first.
        dim=1 => dim=0
            You put the pages' heads below one another. A page goes on where the one before ends: dim 1.
        - joined = torch.cat(chosen, dim=1)
        + left = length % pages.shape[2]
        + joined = torch.cat([*chosen[:-1], chosen[-1][:, :left]], dim=1)
            Where the last page is full, the remainder of `length` by `P` is 0, and you take nothing of it.
        in table => in [*table[: length // pages.shape[2]], table[length // pages.shape[2]]]
            Where the last page is full, no page comes behind it: the table has no such entry.
    """,
    right="With such a table nothing moves when a text grows, and texts that begin alike share their pages.",
)
def read_pages(pages, table, length):
    chosen = [pages[page] for page in table]
    joined = torch.cat(chosen, dim=1)
    return joined[:, :length]
