"""Answers to chapter 9's exercises."""

import itertools
import math
from os.path import commonprefix

import numpy as np
import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests

from companion.attention import causal_mask
from companion.caching import KVCache, cache_bytes, prefill
from companion.gpt import GPTConfig, gpt2

# -- 9.1 ------------------------------------------------------------------


def size_by_the_chapter(layers, heads, key_heads, width, tokens, rows, bits):
    config = GPTConfig(n_layers=layers, n_heads=heads, d_model=width)
    config.n_kv_heads = key_heads
    return cache_bytes(config, tokens, rows, torch.uint8) * bits / 8


def size_by_product(layers, heads, key_heads, width, tokens, rows, bits):
    return math.prod((2, layers, key_heads, width, tokens, rows, bits)) // (heads * 8)


def size_by_numpy(layers, heads, key_heads, width, tokens, rows, bits):
    kept = np.empty((2, layers, rows, key_heads), dtype=bool)
    return np.float64(kept.size * tokens * (width / heads) * bits / 8)


def size_in_loops(layers, heads, key_heads, width, tokens, rows, bits):
    return sum(width // heads * tokens * bits / 8 for _ in range(2 * layers * key_heads * rows))


def size_of(**changed):
    """cache_size with some of its arguments changed, as functions of the others."""

    def wrong(layers, heads, key_heads, width, tokens, rows, bits):
        given = {"layers": layers, "heads": heads, "key_heads": key_heads, "width": width}
        given |= {"tokens": tokens, "rows": rows, "bits": bits}
        g = given | {name: change(given) for name, change in changed.items()}
        head = g["width"] // g["heads"]
        return 2 * g["layers"] * g["key_heads"] * head * g["tokens"] * g["rows"] * g["bits"] // 8

    return wrong


def keys_only(layers, heads, key_heads, width, tokens, rows, bits):
    return layers * key_heads * (width // heads) * tokens * rows * bits / 8


# -- 9.2 ------------------------------------------------------------------


def gain_by_seconds():
    one, sixteen = 17 / 100, 32 / 100
    return (16 / sixteen) / (1 / one)


def gain_by_tensor():
    rows = torch.tensor([1.0, 16.0])
    speed = rows * 100e9 / (16e9 + rows * 1e9)
    return speed[1] / speed[0]


# -- 9.3 ------------------------------------------------------------------


def mask_by_a_cache(lengths, n_new):
    """What a real cache says."""
    config = GPTConfig(vocab_size=5, context_length=64, n_layers=1, n_heads=1, d_model=2)
    cache = KVCache(config, len(lengths))
    track = cache.layers[0].tracks["k"]
    for track in cache.layers[0].tracks.values():
        track.write(torch.zeros(len(lengths), 1, int(lengths.max()) + 1, 1))
    cache.rewind(lengths)
    return cache.layers[0].append(*[torch.zeros(len(lengths), 1, n_new, 1)] * 2)[2]


def mask_row_by_row(lengths, n_new):
    n_key = int(lengths.max()) + n_new
    rows = [F.pad(causal_mask(n_new, n + n_new), (0, n_key - n - n_new)) for n in lengths.tolist()]
    return torch.stack(rows)[:, None]


def mask_in_loops(lengths, n_new):
    n_key = max(lengths.tolist()) + n_new
    return [[[[j <= n + i for j in range(n_key)] for i in range(n_new)]] for n in lengths.tolist()]


def mask_by_numpy(lengths, n_new):
    at = lengths.numpy()[:, None, None, None] + np.arange(n_new)[None, None, :, None]
    return np.arange(at.max() + 1) <= at


def whole_causal(lengths, n_new):
    n_key = int(lengths.max()) + n_new
    return causal_mask(n_new, n_key).expand(len(lengths), 1, -1, -1)


def changed(lengths, n_new):
    found = mask_row_by_row(lengths, n_new)
    lengths += n_new
    return found


# -- 9.4 ------------------------------------------------------------------


def reuse_by_prefix(held, text):
    same = min(len(commonprefix([list(held), list(text)])), len(text) - 1)
    return same, text[same:]


def reuse_by_takewhile(held, text):
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(held, text[:-1], strict=False))
    same = len(list(pairs))
    return [same, tuple(text[same:])]


def reuse_by_numpy(held, text):
    n = min(len(held), len(text) - 1)
    differ = np.flatnonzero(np.array(held[:n]) != np.array(text[:n]))
    same = differ[0] if len(differ) else n
    return same, np.array(text)[same:]


def never_the_last(held, text):
    same = len(commonprefix([held, text]))
    return same, text[same:]


def the_same_objects(held, text):
    n = 0
    while n < len(held) and n < len(text) - 1 and held[n] is text[n]:
        n += 1
    return n, text[n:]


def as_a_word(held, text):
    n = min(len(commonprefix(["".join(str(i) for i in ids) for ids in (held, text)])), len(text) - 1)
    return n, text[n:]


def anew_if_all_is_held(held, text):
    n = len(commonprefix([held, text]))
    return (0, text) if n == len(text) else (n, text[n:])


def always_one_back(held, text):
    n = len(commonprefix([held, text]))
    return max(n - 1, 0), text[max(n - 1, 0) :]


def keeps_all_but_the_last(held, text):
    n = len(commonprefix([held[:-1], text[:-1]]))
    return n, text[n:]


def takes_away(held, text):
    same = min(len(commonprefix([held, text])), len(text) - 1)
    del text[:same]
    return same, text


# -- 9.5 ------------------------------------------------------------------


def best_by_numpy(a, c):
    k = np.arange(21)
    return np.argmax(np.cumsum(a**k) / (1 + k * c))


def best_by_formula(a, c):
    if a == 1:
        return max(range(21), key=lambda k: (1 + k) / (1 + k * c))
    return max(range(21), key=lambda k: (1 - a ** (k + 1)) / (1 - a) / (1 + k * c))


def longest_of_the_best(a, c):
    return max(range(20, -1, -1), key=lambda k: round(tokens(a, k) / (1 + k * c), 9))


def best_in_float32(a, c):
    k = torch.arange(21, dtype=torch.float32)
    return ((a**k).cumsum(0) / (1 + c * k)).argmax()


def best_by_tensor(a, c):
    k = torch.arange(21, dtype=torch.float64)
    return ((a**k).cumsum(0) / (1 + c * k)).argmax()


def best_of(score, first=0, last=20):
    return lambda a, c: max(range(first, last + 1), key=lambda k: score(a, c, k))


def tokens(a, k):
    return sum(a**i for i in range(k + 1))


# -- 9.6 ------------------------------------------------------------------


def pages_by_transpose(pages, table, length):
    return pages[torch.tensor(table)].transpose(0, 1).flatten(1, 2)[:, :length]


def pages_token_by_token(pages, table, length):
    size = pages.shape[2]
    return torch.stack([pages[table[t // size], :, t % size] for t in range(length)], dim=1)


def pages_by_numpy(pages, table, length):
    pool = pages.numpy()
    return np.concatenate([pool[page] for page in table], axis=1)[:, :length].tolist()


def whole_pool(pages, table, length):
    return pages.transpose(0, 1).flatten(1, 2)[:, :length]


def stacked(pages, table, length):
    return pages[table]


def writes_into(pages, table, length):
    found = pages_by_transpose(pages, table, length)
    pages[table[-1], :, -1] += 1
    return found


def not_moved(pages, table, length):
    chosen = pages[table]
    return chosen.flatten(0, 1).reshape(chosen.shape[1], -1, chosen.shape[3])[:, :length]


def stub(*_):
    raise NotImplementedError


ANSWERS = {
    "9.1": Answers(
        right=[size_by_the_chapter, size_by_product, size_by_numpy, size_in_loops],
        wrong=[
            (keys_only, "there are values"),
            (size_of(key_heads=lambda g: g["heads"]), "only `key_heads` count"),
            (size_of(heads=lambda g: g["key_heads"], key_heads=lambda g: g["heads"]), "by all its heads"),
            (size_of(heads=lambda g: 1), "A head has its share of the width only"),
            (size_of(bits=lambda g: 8 * g["bits"]), "A byte has 8"),
            (size_of(bits=lambda g: 8), "How many bits a number takes"),
            (size_of(rows=lambda g: 1), "That is one row"),
            (size_of(layers=lambda g: 1), "That is one layer"),
            (size_of(tokens=lambda g: g["tokens"] ** 2), "the tokens count once"),
            (size_of(tokens=lambda g: 1), "not yet"),
            (size_of(bits=lambda g: g["bits"] // 8 * 8), "of 4 bits nothing is left"),
            (size_of(bits=lambda g: math.ceil(g["bits"] / 8) * 8), "Two numbers of 4 bits share one"),
            (size_of(bits=lambda g: max(8, g["bits"])), "Two numbers of 4 bits share one"),
            (size_of(bits=lambda g: 32), "You took 4 bytes"),
            (size_of(bits=lambda g: 16), "You took 2 bytes"),
            (size_of(key_heads=lambda g: g["heads"] // g["key_heads"]), "How many keys are there?"),
            (lambda n, h, k, w, t, r, b: n * (w + 2 * k * (w // h)) * t * r * b // 8, "You keep the queries"),
            (lambda n, h, k, w, t, r, b: n * (w + k * w // h) * t * r * b // 8, "share the values as well"),
            (lambda *sizes: 480, "It gives the same for every input"),
        ],
    ),
    "9.2": Answers(
        right=[8.5, gain_by_seconds, gain_by_tensor, lambda: np.float32(17 / 2)],
        wrong=[
            (16, "keys and values of its own"),
            (1.0, "serve all rows of it"),
            (50, "By what factor"),
            (lambda: 5.88, "the speed of one text"),
            (17 / 32, "how much slower each text gets"),
            (32 / 17, "how much longer a step takes"),
            (8, "For one text, too"),
            (17 / 16, "sixteen caches"),
            (272, "too high"),
            (-8.5, "too low"),
            (lambda: 4.25, "too low"),
            (0.85, "too low"),
            (5.9 * 16, "too high"),
            (17, "ever more rows"),
            (lambda: 50 / 16, "each of the sixteen"),
        ],
    ),
    "9.3": Answers(
        right=[mask_by_a_cache, mask_row_by_row, mask_in_loops, mask_by_numpy],
        wrong=[
            (
                lambda n, t: mask_row_by_row(n - 1, t)[..., :0].new_ones(len(n), 1, t, int(n.max()) + t),
                "not yet",
            ),
            (lambda n, t: mask_row_by_row(n, t)[:, 0], "One dimension is missing"),
            (lambda n, t: ~mask_row_by_row(n, t), "Turned round"),
            (whole_causal, "the mask of the longest"),
            (lambda n, t: mask_row_by_row(n, t)[..., : int(n.max())], "The columns end too early"),
            (lambda n, t: mask_row_by_row(n, t).mT, "Rows and columns are exchanged"),
            (lambda n, t: mask_row_by_row(n, t) & ~F.pad(mask_row_by_row(n, t)[..., 1:], (0, 1)), "not yet"),
            (lambda n, t: mask_row_by_row(n + 1, t)[..., :-1], "one key too many"),
            (lambda n, t: mask_row_by_row(n, t).int(), "not yet"),
            (lambda n, t: torch.where(mask_row_by_row(n, t), 0.0, -math.inf), "not yet"),
            (lambda n, t: mask_row_by_row(n, t).expand(-1, 2, -1, -1), "not yet"),
            (changed, "Your answer changes its input"),
            (lambda n, t: mask_row_by_row(n[:1].expand(len(n)), t), "not yet"),
            (
                lambda n, t: (
                    torch.arange(int(n.max()) + t).repeat(len(n), 1, t, 1) <= n[0] + torch.arange(t)[:, None]
                ),
                "the mask of the first. Each row",
            ),
            (
                lambda n, t: (
                    whole_causal(n, t) & (torch.arange(int(n.max()) + t) >= (n.max() - n).view(-1, 1, 1, 1))
                ),
                "Every row begins at place 0",
            ),
            (
                lambda n, t: mask_row_by_row(n, t) & (torch.arange(int(n.max()) + t) >= n.view(-1, 1, 1, 1)),
                "What the cache holds may be seen",
            ),
            (
                lambda n, t: (torch.arange(int(n.max()) + t) < n[:, None])[:, None, None].expand(
                    -1, -1, t, -1
                ),
                "The new tokens have keys, too: each",
            ),
            (lambda n, t: mask_row_by_row(n, t)[:, :, :1].repeat(1, 1, t, 1), "Each sees one key more"),
        ],
    ),
    "9.4": Answers(
        right=[reuse_by_prefix, reuse_by_takewhile, reuse_by_numpy],
        wrong=[
            (never_the_last, "nothing is left to read"),
            (lambda held, text: (0, text), "Right, and slow"),
            (lambda held, text: (len(held), text[len(held) :]), "not yet"),
            (lambda held, text: reuse_by_prefix(held, text)[::-1], "not yet"),
            (lambda held, text: (reuse_by_prefix(held, text)[0], text), "not yet"),
            (lambda held, text: reuse_by_prefix(held, text)[0], "not yet"),
            (
                lambda held, text: (min(len(held), len(text) - 1), text[min(len(held), len(text) - 1) :]),
                "did not compare",
            ),
            (
                lambda held, text: (reuse_by_prefix(held, text)[0], held[reuse_by_prefix(held, text)[0] :]),
                "come from the new text",
            ),
            (
                lambda held, text: (
                    len(held) - reuse_by_prefix(held, text)[0],
                    reuse_by_prefix(held, text)[1],
                ),
                "the length that is left",
            ),
            (
                lambda held, text: (
                    reuse_by_prefix(held, text)[0],
                    text[reuse_by_prefix(held, text)[0] + 1 :],
                ),
                "The first token that differs is not read",
            ),
            (takes_away, "Your answer changes its input"),
            (the_same_objects, "two names stand for one object"),
            (as_a_word, "You joined the digits"),
            (anew_if_all_is_held, "One token is enough"),
            (
                lambda held, text: (
                    len(commonprefix([held, text])),
                    text[len(commonprefix([held, text])) :] or text[-1:],
                ),
                "that it still holds",
            ),
            (
                lambda held, text: (
                    len(commonprefix([held, text])),
                    text[len(commonprefix([held, text])) :] or text,
                ),
                "that it still holds",
            ),
            (always_one_back, "go back one token from where"),
            (keeps_all_but_the_last, "The last token of `held` is read again"),
            (lambda held, text: (reuse_by_prefix(held, text)[0], text[-1:]), "not the last token alone"),
            (lambda held, text: (len(set(held) & set(text)), text[-1:]), "not yet"),
        ],
    ),
    "9.5": Answers(
        right=[best_by_numpy, best_by_formula, best_by_tensor, longest_of_the_best, best_in_float32],
        wrong=[
            (lambda a, c: 20, "You always guess as far as possible"),
            (
                best_of(lambda a, c, k: (tokens(a, k) - 1) / (1 + k * c)),
                "The token that the model gives itself",
            ),
            (
                best_of(lambda a, c, k: tokens(a, k) / (k * c) if k * c else 0),
                "The pass itself has its price",
            ),
            (best_of(lambda a, c, k: (1 + k * a) / (1 + k * c)), "`a` times `a`"),
            (best_of(lambda a, c, k: (1 + k * a**k) / (1 + k * c)), "all guesses were kept or none"),
            (best_of(lambda a, c, k: tokens(a, k) / (1 + k * c), first=1), "try 0, too"),
            (best_of(lambda a, c, k: tokens(a, k) - k * c), "a ratio, not a difference"),
            (lambda a, c: best_by_formula(a, c) + 1, "the number of tokens"),
            (
                lambda a, c: tokens(a, best_by_formula(a, c)) / (1 + best_by_formula(a, c) * c),
                "Which `k` has it?",
            ),
            (best_of(lambda a, c, k: tokens(a, k) / (1 + k * c), last=8), "not yet"),
            (
                lambda a, c: next((k for k in range(20) if a ** (k + 1) <= c), 20),
                "can still lower it",
            ),
            (lambda a, c: math.floor(a / c) if c else 20, "not yet"),
            (lambda a, c: 6, "It gives the same for every input"),
            (
                best_of(lambda a, c, k: (1 - a ** (k + 1)) / (1 - a) / (1 + k * c)),
                "divides 0 by 0 where `a` is 1",
            ),
            (best_of(lambda a, c, k: sum(a**i for i in range(k)) / (1 + k * c)), "The sum ends too early"),
            (best_of(lambda a, c, k: tokens(a, k)), "whatever they cost"),
            (best_of(lambda a, c, k: tokens(a, k) / (1 + c * (k > 0))), "You pay for one guess only"),
            (best_of(lambda a, c, k: tokens(a, k) / (1 + c)), "whatever they cost"),
            (best_of(lambda a, c, k: tokens(a, k) / (1 + k)), "no guess ever pays"),
            (best_of(lambda a, c, k: (1 + a**k) / (1 + k * c)), "no guess ever pays"),
            (best_of(lambda a, c, k: tokens(a, k) / (1 + k * c), last=19), "ends at 19"),
            (best_of(lambda a, c, k: tokens(a, k) / (1 + k * c), last=100), "At most 20 guesses"),
            (best_of(lambda a, c, k: -tokens(a, k) / (1 + k * c)), "the slowest"),
            (best_of(lambda a, c, k: tokens(c, k) / (1 + k * a)), "for the price and `c`"),
            (lambda a, c: a > c, "not yet"),
            (lambda a, c: best_by_formula(a, c) + 0.5, "not yet"),
        ],
    ),
    "9.6": Answers(
        right=[pages_by_transpose, pages_token_by_token, pages_by_numpy],
        wrong=[
            (lambda p, t, n: pages_by_transpose(p, sorted(t), n), "You sorted the pages"),
            (lambda p, t, n: pages_by_transpose(p, list(range(len(t))), n), "the first pages of the pool"),
            (whole_pool, "not yet"),
            (stacked, "not yet"),
            (lambda p, t, n: pages_by_transpose(p, t, len(t) * p.shape[2]), "The last page is not full"),
            (lambda p, t, n: pages_by_transpose(p, t, len(t) * p.shape[2])[:, -n:], "You cut at the front"),
            (not_moved, "Heads and pages are mixed up"),
            (lambda p, t, n: pages_by_transpose(p, t, n).transpose(0, 1), "(H, tokens, D) is wanted"),
            (lambda p, t, n: torch.cat([p[i] for i in t])[:, :n], "dim 1"),
            (lambda p, t, n: p[t].permute(1, 2, 0, 3).flatten(1, 2)[:, :n], "The pages come by turns"),
            (lambda p, t, n: pages_by_transpose(p, t, n - 1), "The last token is missing"),
            (lambda p, t, n: pages_by_transpose(p, t[::-1], n), "The pages come backwards"),
            (
                lambda p, t, n: pages_by_transpose(p, torch.tensor(t).argsort(stable=True), n),
                "the other way round",
            ),
            (
                lambda p, t, n: torch.cat([*p[t[:-1]], p[t[-1]][:, (len(t) * p.shape[2] - n) :]], 1),
                "A page fills up from its first place",
            ),
            (
                lambda p, t, n: torch.cat([*p[t[:-1]], p[t[-1]][:, : n % p.shape[2]]], 1),
                "Where the last page is full",
            ),
            (
                lambda p, t, n: torch.cat(
                    [*p[t[: n // p.shape[2]]], p[t[n // p.shape[2]]][:, : n % p.shape[2]]], 1
                ),
                "no page comes behind it",
            ),
            (
                lambda p, t, n: F.pad(pages_by_transpose(p, t, n), (0, 0, 0, len(t) * p.shape[2] - n)),
                "without zeros behind it",
            ),
            (lambda p, t, n: torch.cat([p[i] for i in t], -1)[:, :n], "beside one another"),
            (writes_into, "Your answer changes its input"),
        ],
    ),
}


class TestChapter9(ExerciseTests):
    answers = ANSWERS


def test_what_the_solutions_say_of_a_real_cache():
    """A rewound cache goes on as a fresh one does, as the solution of 9.4 has it."""
    torch.manual_seed(0)
    model = gpt2(GPTConfig(vocab_size=11, context_length=16, n_layers=2, n_heads=3, d_model=12))
    held, text = [0, 5, 7, 9, 2], [0, 5, 8, 1]
    cache = KVCache(model.config, 1)
    prefill(model, torch.tensor([held]), cache)
    same, new = reuse_by_prefix(held, text)
    cache.rewind(same)
    fresh = prefill(model, torch.tensor([text]), KVCache(model.config, 1))
    torch.testing.assert_close(prefill(model, torch.tensor([new]), cache), fresh, rtol=1e-5, atol=1e-5)
