"""The check of exercise 9.1: How much room?."""

import random

from companion.exercises.exercise import Function


def cache_size(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * (width // heads) * tokens * rows * bits // 8


def size_cases(seed):
    rng = random.Random(seed)
    cases = [(1, 1, 1, 8, 1, 1, 8), (2, 4, 2, 8, 5, 3, 16), (3, 6, 1, 42, 10, 2, 4), (5, 4, 4, 12, 7, 2, 32)]
    for bits in (16, 8, 32, 4):
        key_heads = rng.choice((2, 3))
        heads = key_heads * rng.choice((2, 4))
        sizes = (rng.randint(3, 40), heads, key_heads, 8 * heads * rng.randint(2, 9))
        cases.append((*sizes, rng.randint(50, 5000), rng.randint(2, 70), bits))
    return cases


def one_of_the_two(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, key_heads, width, tokens, rows, bits) // 2


def all_heads(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, heads, width, tokens, rows, bits)


def width_over_key_heads(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * heads * (width // key_heads) * tokens * rows * bits // 8


def whole_width_a_head(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * width * tokens * rows * bits // 8


def in_bits(layers, heads, key_heads, width, tokens, rows, bits):
    return 8 * cache_size(layers, heads, key_heads, width, tokens, rows, bits)


def as_if_bytes(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, key_heads, width, tokens, rows, bits) // bits * 8


def whole_bytes(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, key_heads, width, tokens, rows, 8) * (bits // 8)


def whole_bytes_rounded_up(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, key_heads, width, tokens, rows, 8) * -(-bits // 8)


def always_float32(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, key_heads, width, tokens, rows, 32)


def always_two_bytes(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, key_heads, width, tokens, rows, 16)


def sharers(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, heads // key_heads, width, tokens, rows, bits)


def with_queries(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, heads + 2 * key_heads, width, tokens, rows, bits) // 2


def only_keys_are_shared(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, heads + key_heads, width, tokens, rows, bits) // 2


def one_row(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, key_heads, width, tokens, 1, bits)


def one_layer(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(1, heads, key_heads, width, tokens, rows, bits)


def square(layers, heads, key_heads, width, tokens, rows, bits):
    return cache_size(layers, heads, key_heads, width, tokens, rows, bits) * tokens


EXERCISE = Function(
    number="9.1",
    title="How much room?",
    stars=1,
    wants="cache_size(layers, heads, key_heads, width, tokens, rows, bits)",
    cases=size_cases,
    oracle=cache_size,
    tolerance=1e-9,
    mistakes=[
        (one_of_the_two, "Half of it: there are keys, and there are values."),
        (
            all_heads,
            "You counted all heads. Heads that share keys and values need them once: only `key_heads` count.",
        ),
        (
            width_over_key_heads,
            "The width of a head is the model's width by all its heads, as the queries have it. Sharing keys "
            "makes none of them wider.",
        ),
        (whole_width_a_head, "A head has its share of the width only: `width` by `heads`."),
        (in_bits, "These are bits. A byte has 8."),
        (as_if_bytes, "How many bits a number takes is not in it yet."),
        (
            whole_bytes,
            "You divide each number's bits by 8 and drop the rest: of 4 bits nothing is left. Divide the "
            "bits of the whole cache.",
        ),
        (
            whole_bytes_rounded_up,
            "You give each number bytes of its own. Two numbers of 4 bits share one: divide the bits of the "
            "whole cache.",
        ),
        (always_float32, "You took 4 bytes for every number. `bits` says how many bits it takes."),
        (always_two_bytes, "You took 2 bytes for every number. `bits` says how many bits it takes."),
        (sharers, "`heads // key_heads` says how many heads share a key. How many keys are there?"),
        (with_queries, "You keep the queries, too. A query asks once, for its own token, and is not kept."),
        (only_keys_are_shared, "Heads that share keys share the values as well."),
        (one_row, "That is one row. Each text has keys of its own."),
        (one_layer, "That is one layer. Each has keys and values of its own."),
        (
            square,
            "Each token's key is kept once, however many look at it: the tokens count once, not squared.",
        ),
    ],
    right="A cache grows with every token of every row; the weights do not.",
)
