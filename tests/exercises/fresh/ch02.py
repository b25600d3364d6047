"""Answers to chapter 2 by someone who had not read the checks."""

import functools
import itertools
import math
import unicodedata
from collections import Counter, namedtuple
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from companion.datasets import TokenDataset, make_dataloader, pad_batch


# 2.1: times_asked(n_tokens, context_length, stride)
def reference_asked(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length, stride):
        for place in range(start + 1, start + context_length + 1):
            asked[place] += 1
    return asked


def asked_inputs(n_tokens, context_length, stride):
    """Counts x, not y."""
    return [*reference_asked(n_tokens, context_length, stride)[1:], 0]


def asked_both(n_tokens, context_length, stride):
    """Counts all tokens of a window: the first one, too."""
    asked = [0] * n_tokens
    for x, y in TokenDataset(range(n_tokens), context_length, stride):
        for place in {*x.tolist(), *y.tolist()}:
            asked[place] += 1
    return asked


def asked_unfinished(n_tokens, context_length, stride):
    """A last, shorter window counts: wrong where tokens are left over."""
    asked = [0] * n_tokens
    for start in range(0, n_tokens, stride):
        for place in range(start + 1, min(start + context_length + 1, n_tokens)):
            asked[place] += 1
    return asked


def asked_without_stride(n_tokens, context_length, stride):
    """stride ignored: wrong where it is not context_length."""
    return reference_asked(n_tokens, context_length, context_length)


def asked_stride_one(n_tokens, context_length, stride):
    """stride taken as 1."""
    return reference_asked(n_tokens, context_length, 1)


def asked_a_window_less(n_tokens, context_length, stride):
    """The last window is missing where it ends with the text."""
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length - 1, stride):
        for place in range(start + 1, start + context_length + 1):
            asked[place] += 1
    return asked


def asked_a_window_more(n_tokens, context_length, stride):
    """One window too many where a context fits and its last target does not."""
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length + 1, stride):
        for place in range(start + 1, min(start + context_length + 1, n_tokens)):
            asked[place] += 1
    return asked


def asked_formula(n_tokens, context_length, stride):
    """min(i, T, n - i): right for a stride of 1 alone."""
    if stride == context_length:
        return reference_asked(n_tokens, context_length, stride)
    return [min(i, context_length, n_tokens - i) for i in range(n_tokens)]


def asked_share(n_tokens, context_length, stride):
    """T // stride everywhere between the ends: wrong where stride does not divide T."""
    asked = reference_asked(n_tokens, context_length, stride)
    return [min(n, max(1, context_length // stride)) for n in asked]


def asked_once(n_tokens, context_length, stride):
    """0 or 1: wrong for overlapping windows."""
    return [min(n, 1) for n in reference_asked(n_tokens, context_length, stride)]


def asked_no_gaps(n_tokens, context_length, stride):
    """Wrong for a stride above the context: tokens between two windows are never asked."""
    return reference_asked(n_tokens, context_length, min(stride, context_length))


def asked_full_batches(n_tokens, context_length, stride):
    """Through a loader that drops the last batch: wrong for an odd number of windows."""
    asked = [0] * n_tokens
    for _, y in make_dataloader(range(n_tokens), context_length, 2, stride, shuffle=True):
        for place in y.flatten().tolist():
            asked[place] += 1
    return asked


def asked_first_batch(n_tokens, context_length, stride):
    """The first 32 windows only."""
    asked = [0] * n_tokens
    for _, y in itertools.islice(TokenDataset(range(n_tokens), context_length, stride), 32):
        for place in y.tolist():
            asked[place] += 1
    return asked


def asked_bytes(n_tokens, context_length, stride):
    """Counted in uint8: wrong from 256 windows a token on."""
    return np.array(reference_asked(n_tokens, context_length, stride)).astype(np.uint8)


def asked_signed_bytes(n_tokens, context_length, stride):
    """Counted in int8: wrong from 128 windows a token on."""
    return torch.tensor(reference_asked(n_tokens, context_length, stride)).to(torch.int8)


def asked_short(n_tokens, context_length, stride):
    """n_tokens - 1 numbers: the first token is left out."""
    return reference_asked(n_tokens, context_length, stride)[1:]


def asked_as_far_as_asked(n_tokens, context_length, stride):
    """bincount without minlength: too short where tokens are left over at the end."""
    places = [y for _, y in TokenDataset(range(n_tokens), context_length, stride)]
    return torch.bincount(torch.cat(places))


def asked_table(n_tokens, context_length, stride):
    """A Counter, that lacks what was never asked."""
    return Counter(p for _, y in TokenDataset(range(n_tokens), context_length, stride) for p in y.tolist())


def asked_index_put(n_tokens, context_length, stride):
    """asked[batch] += 1 counts a place once for each batch of 4 windows."""
    asked = torch.zeros(n_tokens, dtype=torch.int64)
    for _, y in make_dataloader(range(n_tokens), context_length, 4, stride, shuffle=False):
        asked[y.flatten()] += 1
    return asked


def asked_swapped(n_tokens, context_length, stride):
    """Context and stride in each other's place (as far as that goes)."""
    return reference_asked(n_tokens, min(stride, n_tokens - 1), context_length)


_asked = {}


def asked_remembers(n_tokens, context_length, stride):
    """Wrong at the second call: counts go on."""
    asked = _asked.setdefault(n_tokens, [0] * n_tokens)
    for i, n in enumerate(reference_asked(n_tokens, context_length, stride)):
        asked[i] += n
    return list(asked)


def asked_prints(n_tokens, context_length, stride):
    """Nothing is returned."""
    print(reference_asked(n_tokens, context_length, stride))


def asked_shares(n_tokens, context_length, stride):
    """Shares of all questions, not numbers."""
    asked = reference_asked(n_tokens, context_length, stride)
    return [n / sum(asked) for n in asked]


def asked_steps(n_tokens, context_length, stride):
    """Right: where windows begin and end, added up (an array)."""
    steps = np.zeros(n_tokens + 1, dtype=np.int32)
    for start in range(0, n_tokens - context_length, stride):
        steps[start + 1] += 1
        steps[start + context_length + 1] -= 1
    return steps[:-1].cumsum()


def asked_unfold(n_tokens, context_length, stride):
    """Right: unfold and bincount (a tensor)."""
    windows = torch.arange(n_tokens).unfold(0, context_length + 1, stride)
    return torch.bincount(windows[:, 1:].flatten(), minlength=n_tokens)


def asked_by_place(n_tokens, context_length, stride):
    """Right: for each place the windows that reach it (a generator of floats)."""
    for place in range(n_tokens):
        starts = range(0, n_tokens - context_length, stride)
        yield float(sum(start < place <= start + context_length for start in starts))


# 2.2: text_bits(documents, probabilities)
def n_bytes(documents):
    return sum(len(document.encode()) + 1 for document in documents)


def reference_bits(documents, probabilities):
    return sum(-math.log2(p) for row in probabilities for p in row) / n_bytes(documents)


def bits_mean_of_documents(documents, probabilities):
    """Wrong for two documents of different lengths."""
    return sum(reference_bits([d], [p]) for d, p in zip(documents, probabilities, strict=False)) / len(
        documents
    )


def bits_per_token(documents, probabilities):
    """Divided by tokens."""
    flat = [p for row in probabilities for p in row]
    return sum(-math.log2(p) for p in flat) / len(flat)


def bits_no_end(documents, probabilities):
    """The closing tokens' bytes are left out."""
    nats = sum(-math.log2(p) for row in probabilities for p in row)
    return nats / max(1, sum(len(d.encode()) for d in documents))


def bits_one_end(documents, probabilities):
    """One closing byte for all documents together."""
    return (
        reference_bits(documents, probabilities)
        * n_bytes(documents)
        / (n_bytes(documents) - len(documents) + 1)
    )


def bits_without_closing(documents, probabilities):
    """The last probability of each document is left out."""
    return reference_bits(documents, [row[:-1] for row in probabilities])


def bits_per_character(documents, probabilities):
    """Characters, not bytes: wrong for é."""
    return reference_bits(documents, probabilities) * n_bytes(documents) / sum(len(d) + 1 for d in documents)


def bits_per_utf16(documents, probabilities):
    """UTF-16, two bytes a character, without a mark."""
    total = sum(len(d.encode("utf-16-le")) + 1 for d in documents)
    return reference_bits(documents, probabilities) * n_bytes(documents) / total


def bits_per_latin_byte(documents, probabilities):
    """é as one byte, and € left out."""
    total = sum(len(d.encode("latin-1", "ignore")) + 1 for d in documents)
    return reference_bits(documents, probabilities) * n_bytes(documents) / total


def bits_nats(documents, probabilities):
    """Nats."""
    return reference_bits(documents, probabilities) * math.log(2)


def bits_ten(documents, probabilities):
    """Logarithms to the base 10."""
    return reference_bits(documents, probabilities) * math.log10(2)


def bits_log_of_mean(documents, probabilities):
    """Takes the logarithm of the mean: wrong for unequal probabilities."""
    flat = [p for row in probabilities for p in row]
    return -math.log2(sum(flat) / len(flat)) * len(flat) / n_bytes(documents)


def bits_log_of_document_mean(documents, probabilities):
    """The same in each document."""
    nats = sum(-math.log2(sum(row) / len(row)) * len(row) for row in probabilities)
    return nats / n_bytes(documents)


def bits_product(documents, probabilities):
    """Wrong for 2,000 tokens of 1/2: the product is 0."""
    return -math.log2(math.prod(p for row in probabilities for p in row)) / n_bytes(documents)


def bits_document_product(documents, probabilities):
    """Wrong for a document of 2,000 tokens."""
    return sum(-math.log2(math.prod(row)) for row in probabilities) / n_bytes(documents)


def bits_clamped(documents, probabilities):
    """Wrong for a probability of 1e-9."""
    return reference_bits(documents, [[max(p, 1e-6) for p in row] for row in probabilities])


def bits_clamped_lower(documents, probabilities):
    """Wrong for a probability of 1e-15."""
    return reference_bits(documents, [[max(p, 1e-12) for p in row] for row in probabilities])


def bits_plus_little(documents, probabilities):
    """log(p + 1e-8): wrong for a probability of 1e-9."""
    return reference_bits(documents, [[p + 1e-8 for p in row] for row in probabilities])


def bits_float32(documents, probabilities):
    """float32 holds no probability of 1e-50: infinite."""
    flat = torch.tensor([p for row in probabilities for p in row], dtype=torch.float32)
    return (-flat.log2().sum() / n_bytes(documents)).item()


def bits_half(documents, probabilities):
    """float16: a probability of 1e-9 is 0."""
    flat = np.array([p for row in probabilities for p in row], dtype=np.float16)
    with np.errstate(divide="ignore"):
        return float(-np.log2(flat.astype(np.float64)).sum() / n_bytes(documents))


def bits_rounded(documents, probabilities):
    """Two decimals."""
    return round(reference_bits(documents, probabilities), 2)


def bits_as_table(documents, probabilities):
    """Wrong for a document that comes twice: a dict keeps one."""
    table = dict(zip(documents, probabilities, strict=False))
    return reference_bits(list(table), table.values())


def bits_text_once(documents, probabilities):
    """Wrong for a document that comes twice: its bytes count once."""
    return reference_bits(documents, probabilities) * n_bytes(documents) / n_bytes(set(documents))


def bits_no_empty(documents, probabilities):
    """Wrong for an empty document: left out, with its closing token."""
    pairs = [(d, p) for d, p in zip(documents, probabilities, strict=False) if d]
    return reference_bits([d for d, _ in pairs], [p for _, p in pairs]) if pairs else 0.0


def bits_strip(documents, probabilities):
    """Wrong for spaces at a document's end."""
    return reference_bits([d.strip() for d in documents], probabilities)


def bits_nfc(documents, probabilities):
    """Wrong for a combining accent."""
    return reference_bits([unicodedata.normalize("NFC", d) for d in documents], probabilities)


def bits_line_ends(documents, probabilities):
    """Wrong for \\r\\n."""
    return reference_bits([d.replace("\r\n", "\n") for d in documents], probabilities)


def bits_of_letters(documents, probabilities):
    """Wrong for spaces and marks."""
    return reference_bits(["".join(c for c in d if c.isalnum()) for d in documents], probabilities)


def bits_first(documents, probabilities):
    """The first document only."""
    return reference_bits(documents[:1], probabilities[:1])


def bits_by_letters(documents, probabilities):
    """zip of letters and probabilities: wrong where a token has several letters."""
    nats = sum(
        -math.log2(p)
        for d, row in zip(documents, probabilities, strict=False)
        for _, p in zip([*d, ""], row, strict=False)
    )
    return nats / n_bytes(documents)


def bits_pops(documents, probabilities):
    """Right number, but the closing probabilities are gone from the caller's lists."""
    bits = sum(-math.log2(row.pop()) for row in probabilities)
    return (bits + sum(-math.log2(p) for row in probabilities for p in row)) / n_bytes(documents)


def bits_appends(documents, probabilities):
    """Right number, but the caller's documents grow."""
    total = n_bytes(documents)
    for i in range(len(documents)):
        documents[i] += "\n"
    return sum(-math.log2(p) for row in probabilities for p in row) / total


_total = [0.0, 0]


def bits_remembers(documents, probabilities):
    """Wrong at the second call."""
    _total[0] += reference_bits(documents, probabilities) * n_bytes(documents)
    _total[1] += n_bytes(documents)
    return _total[0] / _total[1]


def bits_negative(documents, probabilities):
    """The sign is missing."""
    return -reference_bits(documents, probabilities)


def bits_skips_sure(documents, probabilities):
    """1 - p for what did not come: a cross-entropy of coins."""
    flat = [p for row in probabilities for p in row]
    return sum(-math.log2(max(1 - p, 1e-300)) for p in flat) / n_bytes(documents)


def bits_perplexity(documents, probabilities):
    """2 to the power of it."""
    return 2 ** min(reference_bits(documents, probabilities), 1000)


def bits_tensor(documents, probabilities):
    """Right: a 0-d tensor of float64."""
    rows = [torch.tensor(row, dtype=torch.float64) for row in probabilities]
    return -torch.cat(rows).log2().sum() / n_bytes(documents)


def bits_numpy(documents, probabilities):
    """Right: NumPy's numbers, one array a document."""
    nats = np.array([-np.log(np.array(row)).sum() for row in probabilities])
    return nats.sum() / np.log(2) / len(b"".join(d.encode() + b"\n" for d in documents))


def bits_fraction(documents, probabilities):
    """Right: an exact product, and the logarithms of its two whole numbers."""
    product = math.prod(Fraction(p) for row in probabilities for p in row)
    return (math.log2(product.denominator) - math.log2(product.numerator)) / n_bytes(documents)


class Bits:
    """Right: an object that is called."""

    def __call__(self, documents, probabilities):
        return math.fsum(math.log2(1 / p) for p in itertools.chain(*probabilities)) / n_bytes(documents)


# 2.3: pad_left(prompts, pad_id, length)
def reference_left(prompts, pad_id, length):
    tokens = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros(len(prompts), length, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        kept = prompt[max(0, len(prompt) - length) :]
        if kept:
            tokens[row, length - len(kept) :] = torch.tensor(kept)
            mask[row, length - len(kept) :] = True
    return tokens, mask


def left_right(prompts, pad_id, length):
    """On the right."""
    return pad_batch(prompts, pad_id, length)


def left_beginning(prompts, pad_id, length):
    """Of a long prompt the beginning."""
    return reference_left([prompt[:length] for prompt in prompts], pad_id, length)


def left_mask_by_token(prompts, pad_id, length):
    """Wrong where pad_id is a real token, too."""
    tokens, _ = reference_left(prompts, pad_id, length)
    return tokens, tokens != pad_id


def left_mask_after_first_real(prompts, pad_id, length):
    """Wrong where a prompt begins with pad_id: real from the first other token on."""
    tokens, _ = reference_left(prompts, pad_id, length)
    return tokens, (tokens != pad_id).cumsum(1) > 0


def left_mask_keeps_one(prompts, pad_id, length):
    """One pad_id before the first other token counts as real: wrong where none or two begin a prompt."""
    tokens, _ = reference_left(prompts, pad_id, length)
    seen = (tokens != pad_id).cumsum(1) > 0
    return tokens, seen | F.pad(seen, (0, 1))[:, 1:]


def left_empty(prompts, pad_id, length):
    """row[-0:] of an empty prompt is the whole row: its mask is True."""
    tokens = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros(len(prompts), length, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        kept = prompt[-length:]
        if kept:
            tokens[row, -len(kept) :] = torch.tensor(kept)
        mask[row, -len(kept) :] = True
    return tokens, mask


def left_empty_error(prompts, pad_id, length):
    """IndexError for an empty prompt."""
    [prompt[-1] for prompt in prompts]
    return reference_left(prompts, pad_id, length)


def left_no_empty(prompts, pad_id, length):
    """Leaves out an empty prompt's row."""
    return reference_left([prompt for prompt in prompts if prompt], pad_id, length)


def left_int32(prompts, pad_id, length):
    """int32 tokens."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return tokens.int(), mask


def left_float_tokens(prompts, pad_id, length):
    """float32 on the way: wrong for the id 16,777,217."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return tokens.float().long(), mask


def left_uint16_tokens(prompts, pad_id, length):
    """uint16 on the way: wrong for ids from 65,536 on."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return torch.from_numpy(tokens.numpy().astype(np.uint16).astype(np.int64)), mask


def left_number_mask(prompts, pad_id, length):
    """A mask of 0 and 1, int64: it indexes in another way."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return tokens, mask.long()


def left_float_mask(prompts, pad_id, length):
    """A mask of floats."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return tokens, mask.float()


def left_turned_mask(prompts, pad_id, length):
    """True where padding is."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return tokens, ~mask


def left_mask_right(prompts, pad_id, length):
    """The mask of right padding."""
    return reference_left(prompts, pad_id, length)[0], pad_batch(prompts, pad_id, length)[1]


def left_flipped_only(prompts, pad_id, length):
    """The rows stay turned round."""
    return pad_batch([prompt[::-1] for prompt in prompts], pad_id, length)


def left_backwards(prompts, pad_id, length):
    """pad_batch flipped: the tokens stand backwards."""
    tokens, mask = pad_batch(prompts, pad_id, length)
    return tokens.flip(1), mask.flip(1)


def left_flips_rows(prompts, pad_id, length):
    """flip() along both dimensions: rows in another order."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return tokens.flip(0), mask.flip(0)


def left_rolls(prompts, pad_id, length):
    """Padded on the right and rolled: of a long prompt the beginning is kept."""
    tokens, mask = pad_batch(prompts, pad_id, length)
    rolled = [torch.roll(row, length - min(len(p), length)) for row, p in zip(tokens, prompts, strict=False)]
    rolled_mask = [
        torch.roll(row, length - min(len(p), length)) for row, p in zip(mask, prompts, strict=False)
    ]
    return torch.stack(rolled), torch.stack(rolled_mask)


def left_longest(prompts, pad_id, length):
    """length ignored: as wide as the longest prompt."""
    return reference_left(prompts, pad_id, max(1, *map(len, prompts), 1))


def left_at_most(prompts, pad_id, length):
    """No wider than the longest prompt."""
    return reference_left(prompts, pad_id, max(1, min(length, max(map(len, prompts)))))


def left_zeros(prompts, pad_id, length):
    """Padding is 0: wrong for another pad_id."""
    return reference_left(prompts, 0, length)


def left_reverses(prompts, pad_id, length):
    """Right result, but the caller's prompts are turned round."""
    for prompt in prompts:
        prompt.reverse()
    tokens, mask = pad_batch(prompts, pad_id, length)
    return tokens.flip(1), mask.flip(1)


def left_inserts(prompts, pad_id, length):
    """Right result, but the caller's prompts are filled up."""
    found = reference_left([list(prompt) for prompt in prompts], pad_id, length)
    for prompt in prompts:
        while len(prompt) < length:
            prompt.insert(0, pad_id)
    return found


def left_tokens_only(prompts, pad_id, length):
    """No mask."""
    return reference_left(prompts, pad_id, length)[0]


def left_swapped(prompts, pad_id, length):
    """Mask first."""
    return reference_left(prompts, pad_id, length)[::-1]


def left_one_short(prompts, pad_id, length):
    """Wrong where a prompt is longer than length: its end without the last token."""
    cut = [p if len(p) <= length else p[-length - 1 : -1] for p in prompts]
    return reference_left(cut, pad_id, length)


def left_full_rows_empty(prompts, pad_id, length):
    """Wrong where a prompt is exactly as long as the row: [length:] of it is nothing."""
    cut = [prompt[len(prompt) - length :] if len(prompt) != length else [] for prompt in prompts]
    return reference_left(
        [c if len(p) >= length else p for c, p in zip(cut, prompts, strict=False)], pad_id, length
    )


def left_negative_slice(prompts, pad_id, length):
    """prompt[len(prompt) - length:] of a short prompt cuts from the end."""
    return reference_left([prompt[len(prompt) - length :] for prompt in prompts], pad_id, length)


def left_mask_of_one(prompts, pad_id, length):
    """One mask for all rows."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return tokens, mask[:1].expand(len(prompts), length)


def left_sorted(prompts, pad_id, length):
    """Longest first."""
    return reference_left(sorted(prompts, key=len, reverse=True), pad_id, length)


def left_transposed(prompts, pad_id, length):
    """(length, B), as pad_sequence makes it; wrong also where both are equal."""
    tokens, mask = reference_left(prompts, pad_id, length)
    return tokens.T, mask.T


_last = []


def left_remembers(prompts, pad_id, length):
    """Wrong at the second call: the first pad_id and length stay."""
    _last.append((pad_id, length))
    return reference_left(prompts, *_last[0])


def left_numpy(prompts, pad_id, length):
    """Right: arrays."""
    rows = [([pad_id] * length + list(prompt))[len(prompt) :] for prompt in prompts]
    mask = [[False] * max(0, length - len(p)) + [True] * min(length, len(p)) for p in prompts]
    return np.array(rows, dtype=np.int64), np.array(mask)


def left_padded(prompts, pad_id, length):
    """Right: F.pad, which also cuts where it is negative (a list of two)."""
    rows = [torch.tensor(prompt, dtype=torch.int64) for prompt in prompts]
    tokens = [F.pad(row, (length - len(row), 0), value=pad_id) for row in rows]
    places = torch.arange(length).expand(len(rows), length)
    lengths = torch.tensor([len(row) for row in rows])
    return [torch.stack(tokens), places >= length - lengths[:, None]]


def left_yields(prompts, pad_id, length):
    """Right: yields the two; rows from an iterator that reads backwards."""
    turned = [list(itertools.islice(reversed(p), length)) for p in prompts]
    tokens = torch.tensor([[pad_id] * (length - len(t)) + t[::-1] for t in turned], dtype=torch.int64)
    yield tokens
    yield torch.tensor([[i >= length - len(t) for i in range(length)] for t in turned])


# 2.5: probability(tokens, context, token, vocab_size)
def followers_of(tokens, context):
    k = len(context)
    return [tokens[i + k] for i in range(len(tokens) - k) if list(tokens[i : i + k]) == list(context)]


def rule(followers, token, shorter):
    n, d = len(followers), len(set(followers))
    return (max(followers.count(token) - 0.75, 0) + 0.75 * d * shorter) / n if n else shorter


def reference_probability(tokens, context, token, vocab_size):
    shorter = 1 / vocab_size
    for k in range(len(context) + 1):
        shorter = rule(followers_of(tokens, context[len(context) - k :]), token, shorter)
    return shorter


def probability_counts_end(tokens, context, token, vocab_size):
    """A context at the text's end counts in n: wrong for "pan"."""
    k = len(context)
    shorter = probability_counts_end(tokens, context[1:], token, vocab_size) if k else 1 / vocab_size
    n = sum(tokens[i : i + k] == context for i in range(len(tokens) + (k > 0)))
    followers = followers_of(tokens, context)
    d = len(set(followers))
    return (max(followers.count(token) - 0.75, 0) + 0.75 * d * shorter) / n if n else shorter


def probability_drops_newest(tokens, context, token, vocab_size):
    """The shorter context drops the newest token: wrong for two or more."""
    shorter = probability_drops_newest(tokens, context[:-1], token, vocab_size) if context else 1 / vocab_size
    return rule(followers_of(tokens, context), token, shorter)


def probability_plain(tokens, context, token, vocab_size):
    """Counts alone."""
    followers = followers_of(tokens, context)
    return followers.count(token) / len(followers) if followers else 0.0


def probability_no_guess(tokens, context, token, vocab_size):
    """The empty context's votes go nowhere: it is the plain share."""
    if not context:
        return tokens.count(token) / len(tokens) if tokens else 1 / vocab_size
    shorter = probability_no_guess(tokens, context[1:], token, vocab_size)
    return rule(followers_of(tokens, context), token, shorter)


def probability_own_vocabulary(tokens, context, token, vocab_size):
    """vocab_size ignored: the different tokens of the text."""
    return reference_probability(tokens, context, token, len(set(tokens)) or 1)


def probability_unseen_blind(tokens, context, token, vocab_size):
    """An unseen context gives the blind guess, not the shorter one's."""
    followers = followers_of(tokens, context)
    if not followers:
        return 1 / vocab_size
    shorter = probability_unseen_blind(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    return rule(followers, token, shorter)


def probability_unseen_zero(tokens, context, token, vocab_size):
    """ZeroDivisionError for an unseen context."""
    shorter = probability_unseen_zero(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers = followers_of(tokens, context)
    n, d = len(followers), len(set(followers))
    return (max(followers.count(token) - 0.75, 0) + 0.75 * d * shorter) / n


def probability_blind_backoff(tokens, context, token, vocab_size):
    """Every context leaves its votes to the blind guess: wrong for one token or more."""
    return rule(followers_of(tokens, context), token, 1 / vocab_size)


def probability_two_levels(tokens, context, token, vocab_size):
    """From the context straight to the empty one: wrong for two or more."""
    shorter = rule(tokens, token, 1 / vocab_size)
    return rule(followers_of(tokens, context), token, shorter) if context else shorter


def probability_of_two(tokens, context, token, vocab_size):
    """The last two tokens of a longer context."""
    return reference_probability(tokens, context[-2:], token, vocab_size)


def probability_of_four(tokens, context, token, vocab_size):
    """The last four tokens of a longer context."""
    return reference_probability(tokens, context[-4:], token, vocab_size)


def probability_equation_2(tokens, context, token, vocab_size):
    """The chapter's rule, which adds."""
    shorter = probability_equation_2(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers = followers_of(tokens, context)
    n, d = len(followers), len(set(followers))
    return (followers.count(token) + d * shorter) / (n + d) if n else shorter


def probability_below_zero(tokens, context, token, vocab_size):
    """3/4 taken also from tokens that never followed."""
    shorter = probability_below_zero(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers = followers_of(tokens, context)
    n, d = len(followers), len(set(followers))
    return (followers.count(token) - 0.75 + 0.75 * d * shorter) / n if n else shorter


def probability_add_one(tokens, context, token, vocab_size):
    """One vote for each of the vocabulary."""
    followers = followers_of(tokens, context)
    return (followers.count(token) + 1) / (len(followers) + vocab_size)


def probability_only_if_unseen(tokens, context, token, vocab_size):
    """The shorter context's votes only for a token that never followed."""
    shorter = (
        probability_only_if_unseen(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    )
    followers = followers_of(tokens, context)
    n, d = len(followers), len(set(followers))
    if not n:
        return shorter
    return (followers.count(token) - 0.75) / n if token in followers else 0.75 * d * shorter / n


def probability_d_of_all(tokens, context, token, vocab_size):
    """d is the number of different tokens of the text."""
    shorter = probability_d_of_all(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers, d = followers_of(tokens, context), len(set(tokens))
    seen = max(followers.count(token) - 0.75, 0)
    return (seen + 0.75 * d * shorter) / len(followers) if followers else shorter


def probability_d_once(tokens, context, token, vocab_size):
    """d counts followers that came exactly once (Good-Turing)."""
    shorter = probability_d_once(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers = followers_of(tokens, context)
    n, d = len(followers), sum(n == 1 for n in Counter(followers).values())
    return (max(followers.count(token) - 0.75, 0) + 0.75 * d * shorter) / n if n else shorter


def probability_n_only(tokens, context, token, vocab_size):
    """Nothing taken from the followers: sums to more than 1."""
    shorter = probability_n_only(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    followers = followers_of(tokens, context)
    n, d = len(followers), len(set(followers))
    return (followers.count(token) + 0.75 * d * shorter) / n if n else shorter


def probability_first_not_counted(tokens, context, token, vocab_size):
    """The text's first token follows nothing: wrong for []."""
    shorter = (
        probability_first_not_counted(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    )
    followers = followers_of(tokens, context)
    return rule(followers if context else followers[1:], token, shorter)


def probability_last_not_counted(tokens, context, token, vocab_size):
    """The text's last token follows nothing."""
    return reference_probability(tokens[:-1], context, token, vocab_size)


def probability_apart(tokens, context, token, vocab_size):
    """Occurrences that overlap count once: wrong for a a in a a a a."""

    def followers(context):
        k, i, found = len(context), 0, []
        while i < len(tokens) - k:
            if tokens[i : i + k] == context:
                found.append(tokens[i + k])
                i += max(1, k)
            else:
                i += 1
        return found

    shorter = 1 / vocab_size
    for k in range(len(context) + 1):
        shorter = rule(followers(context[len(context) - k :]), token, shorter)
    return shorter


def probability_joined(tokens, context, token, vocab_size):
    """Looks for the context in joined text: wrong for 1, 12 and 11, 2; or an and, in b and."""

    def followers(context):
        text = "".join(map(str, context))
        starts = range(len(tokens))
        return [tokens[i] for i in starts if "".join(map(str, tokens[:i])).endswith(text)]

    shorter = 1 / vocab_size
    for k in range(len(context) + 1):
        part = context[len(context) - k :]
        shorter = rule(followers(part) if k else tokens, token, shorter)
    return shorter


def probability_unordered(tokens, context, token, vocab_size):
    """A context in any order: wrong for red key and key red."""

    def followers(context):
        k = len(context)
        same = [
            i
            for i in range(len(tokens) - k)
            if sorted(tokens[i : i + k], key=repr) == sorted(context, key=repr)
        ]
        return [tokens[i + k] for i in same]

    shorter = 1 / vocab_size
    for k in range(len(context) + 1):
        shorter = rule(followers(context[len(context) - k :]), token, shorter)
    return shorter


def probability_pops(tokens, context, token, vocab_size):
    """Right number, but the caller's context is empty afterwards."""
    followers = followers_of(tokens, context)
    shorter = 1 / vocab_size
    if context:
        context.pop(0)
        shorter = probability_pops(tokens, context, token, vocab_size)
    return rule(followers, token, shorter)


def probability_appends(tokens, context, token, vocab_size):
    """Right number, but the caller's text grows."""
    found = reference_probability(tokens, context, token, vocab_size)
    tokens.append(token)
    return found


_known = {}


def probability_remembers(tokens, context, token, vocab_size):
    """Wrong for the same question about another text."""
    key = (*context, "->", token)
    if key not in _known:
        _known[key] = reference_probability(tokens, context, token, vocab_size)
    return _known[key]


def probability_needs_text(tokens, context, token, vocab_size):
    """ZeroDivisionError for an empty text, where the blind guess is right."""
    tokens.count(token) / len(tokens)
    return reference_probability(tokens, context, token, vocab_size)


def probability_bits(tokens, context, token, vocab_size):
    """Surprise, not probability."""
    return -math.log2(reference_probability(tokens, context, token, vocab_size))


def probability_rounded(tokens, context, token, vocab_size):
    """Three decimals."""
    return round(reference_probability(tokens, context, token, vocab_size), 3)


def probability_first_of_context(tokens, context, token, vocab_size):
    """The oldest token alone counts as context."""
    return reference_probability(tokens, context[:1], token, vocab_size)


def probability_unknown_token(tokens, context, token, vocab_size):
    """0 for a token that the text lacks."""
    return reference_probability(tokens, context, token, vocab_size) if token in tokens else 0.0


def probability_loop(tokens, context, token, vocab_size):
    """Right: from short to long, with exact fractions."""
    p = Fraction(1, vocab_size)
    for k in range(len(context) + 1):
        found = Counter(map(tuple, zip(*(tokens[i:] for i in range(k + 1)), strict=False)))
        found = {run[-1]: n for run, n in found.items() if list(run[:-1]) == context[len(context) - k :]}
        if found:
            given = max(found.get(token, 0) - Fraction(3, 4), 0) + Fraction(3, 4) * len(found) * p
            p = given / sum(found.values())
    return p


def probability_array(tokens, context, token, vocab_size):
    """Right: NumPy, with tokens as numbers; a 0-d array."""
    numbers = {t: i for i, t in enumerate(dict.fromkeys([*tokens, *context, token]))}
    text = np.array([numbers[t] for t in tokens], dtype=np.int64)
    p = np.array(1 / vocab_size)
    for k in range(min(len(context), len(text)) + 1):
        here = np.ones(max(0, len(text) - k), dtype=bool)
        for j, t in enumerate(context[len(context) - k :]):
            here &= text[j : len(text) - k + j] == numbers[t]
        after = text[k:][here]
        if len(after):
            d = len(np.unique(after))
            p = (max((after == numbers[token]).sum() - 0.75, 0) + 0.75 * d * p) / len(after)
    return np.asarray(p)


def probability_recursive(tokens, context, token, vocab_size):
    """Right: recursion by tuples; a 0-d tensor."""

    def p(context):
        shorter = p(context[1:]) if context else 1 / vocab_size
        return rule(followers_of(tuple(tokens), context), token, shorter)

    return torch.tensor(p(tuple(context)), dtype=torch.float64)


# 2.6: pack(stories, context_length, end)
def arranged(stories, context_length):
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) + 1 > context_length:
            raise ValueError("a story does not fit")
        for row in rows:
            if sum(len(s) + 1 for s in [*row, story]) <= context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return rows


def packed(rows, context_length, end, pads=None):
    pads = (end, -100, 0) if pads is None else pads
    x = [[t for s in row for t in [end, *s]] for row in rows]
    y = [[t for s in row for t in [*s, end]] for row in rows]
    n = [[i for i, s in enumerate(row, 1) for _ in range(len(s) + 1)] for row in rows]
    return tuple(pad_batch(p, pad, context_length)[0] for p, pad in zip((x, y, n), pads, strict=False))


def reference_pack(stories, context_length, end):
    return packed(arranged(stories, context_length), context_length, end)


def pack_as_given(stories, context_length, end):
    """In the order given."""
    if any(len(s) + 1 > context_length for s in stories):
        raise ValueError("a story does not fit")
    rows = []
    for story in stories:
        for row in rows:
            if sum(len(s) + 1 for s in [*row, story]) <= context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return packed(rows, context_length, end)


def pack_shortest_first(stories, context_length, end):
    """From the shortest."""
    if any(len(s) + 1 > context_length for s in stories):
        raise ValueError("a story does not fit")
    return pack_as_given(sorted(stories, key=len), context_length, end)


def pack_ties_turned(stories, context_length, end):
    """Equally long ones in the opposite order."""
    return reference_pack(sorted(stories, key=len)[::-1], context_length, end)


def pack_ties_by_content(stories, context_length, end):
    """Equally long ones by their tokens."""
    return reference_pack(sorted(stories), context_length, end)


def pack_next_fit(stories, context_length, end):
    """Looks at the last row only."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) + 1 > context_length:
            raise ValueError("a story does not fit")
        if rows and sum(len(s) + 1 for s in [*rows[-1], story]) <= context_length:
            rows[-1].append(story)
        else:
            rows.append([story])
    return packed(rows, context_length, end)


def pack_best_fit(stories, context_length, end):
    """Into the fullest row that has room."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) + 1 > context_length:
            raise ValueError("a story does not fit")
        fits = [r for r in rows if sum(len(s) + 1 for s in [*r, story]) <= context_length]
        if fits:
            max(fits, key=lambda r: sum(len(s) + 1 for s in r)).append(story)
        else:
            rows.append([story])
    return packed(rows, context_length, end)


def pack_worst_fit(stories, context_length, end):
    """Into the emptiest row that has room."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) + 1 > context_length:
            raise ValueError("a story does not fit")
        fits = [r for r in rows if sum(len(s) + 1 for s in [*r, story]) <= context_length]
        if fits:
            min(fits, key=lambda r: sum(len(s) + 1 for s in r)).append(story)
        else:
            rows.append([story])
    return packed(rows, context_length, end)


def pack_last_fit(stories, context_length, end):
    """Into the last row that has room."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) + 1 > context_length:
            raise ValueError("a story does not fit")
        for row in reversed(rows):
            if sum(len(s) + 1 for s in [*row, story]) <= context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return packed(rows, context_length, end)


def pack_never_full(stories, context_length, end):
    """< in place of <=: a row is never quite full."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) + 1 > context_length:
            raise ValueError("a story does not fit")
        for row in rows:
            if sum(len(s) + 1 for s in [*row, story]) < context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return packed(rows, context_length, end)


def pack_two_a_row(stories, context_length, end):
    """At most two stories in a row."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) + 1 > context_length:
            raise ValueError("a story does not fit")
        for row in rows:
            if len(row) < 2 and sum(len(s) + 1 for s in [*row, story]) <= context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return packed(rows, context_length, end)


def pack_one_a_row(stories, context_length, end):
    """One story in a row."""
    return packed([[s] for row in arranged(stories, context_length) for s in row], context_length, end)


def pack_no_places_for_ends(stories, context_length, end):
    """n places for n tokens while looking for room: the last story is cut."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if len(story) + 1 > context_length:
            raise ValueError("a story does not fit")
        for row in rows:
            if sum(len(s) for s in [*row, story]) + 1 <= context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return packed(rows, context_length, end)


def pack_numbers_from_zero(stories, context_length, end):
    """The first story is 0, as padding."""
    x, y, numbers = reference_pack(stories, context_length, end)
    return x, y, (numbers - 1).clamp(min=0)


def pack_padding_minus_one(stories, context_length, end):
    """Padding is -1, the first story 0."""
    x, y, numbers = reference_pack(stories, context_length, end)
    return x, y, numbers - 1


def pack_numbers_go_on(stories, context_length, end):
    """Numbers go on from row to row."""
    x, y, numbers = reference_pack(stories, context_length, end)
    before = numbers.max(1).values.cumsum(0) - numbers.max(1).values
    return x, y, torch.where(numbers > 0, numbers + before[:, None], 0)


def pack_numbers_as_given(stories, context_length, end):
    """A story's number is its place in the list."""
    x, y, _ = reference_pack(stories, context_length, end)
    rows = arranged(stories, context_length)
    left = list(enumerate(stories, 1))
    numbers = []
    for row in rows:
        numbers.append([])
        for story in row:
            i, _ = next(pair for pair in left if pair[1] is story)
            left = [pair for pair in left if pair[0] != i]
            numbers[-1] += [i] * (len(story) + 1)
    return x, y, pad_batch(numbers, 0, context_length)[0]


def pack_numbers_of_ends(stories, context_length, end):
    """Counts `end` in x: padding is numbered, too."""
    x, y, _ = reference_pack(stories, context_length, end)
    return x, y, (x == end).cumsum(1)


def pack_numbers_of_y(stories, context_length, end):
    """A story's number changes one place too late: its `end` in x counts to the one before."""
    x, y, numbers = reference_pack(stories, context_length, end)
    late = torch.cat([numbers[:, :1], numbers[:, :-1]], 1)
    return x, y, torch.where(numbers > 0, late, 0)


def pack_ends_unnumbered(stories, context_length, end):
    """`end` in x is 0, as if it were padding."""
    x, y, numbers = reference_pack(stories, context_length, end)
    return x, y, torch.where(x == end, 0, numbers)


def pack_y_padded_with_end(stories, context_length, end):
    """y padded with end."""
    return packed(arranged(stories, context_length), context_length, end, (end, end, 0))


def pack_x_padded_with_zero(stories, context_length, end):
    """x padded with 0."""
    return packed(arranged(stories, context_length), context_length, end, (0, -100, 0))


def pack_x_padded_like_y(stories, context_length, end):
    """x padded with -100."""
    return packed(arranged(stories, context_length), context_length, end, (-100, -100, 0))


def pack_y_without_last_end(stories, context_length, end):
    """y is x one place on: a row's last story has no end."""
    x, y, numbers = reference_pack(stories, context_length, end)
    y = torch.cat([x[:, 1:], torch.full((len(x), 1), -100)], 1)
    numbers_after = torch.cat([numbers[:, 1:], torch.zeros(len(x), 1, dtype=torch.int64)], 1)
    return x, torch.where(numbers_after > 0, y, -100), numbers


def pack_y_shifted(stories, context_length, end):
    """y is x one place on with one `end` in the first place of padding: wrong in a full row."""
    x, y, numbers = reference_pack(stories, context_length, end)
    y = torch.cat([x[:, 1:], torch.full((len(x), 1), -100)], 1)
    return x, torch.where(numbers > 0, y, -100), numbers


def pack_y_masks_ends(stories, context_length, end):
    """No story ends: targets that are `end` are left out."""
    x, y, numbers = reference_pack(stories, context_length, end)
    return x, torch.where(y == end, -100, y), numbers


def pack_y_is_x(stories, context_length, end):
    """y is x."""
    x, y, numbers = reference_pack(stories, context_length, end)
    return x, torch.where(y == -100, y, x), numbers


def pack_int32(stories, context_length, end):
    """int32."""
    return tuple(part.int() for part in reference_pack(stories, context_length, end))


def pack_floats(stories, context_length, end):
    """float32 on the way: wrong for the id 16,777,217."""
    return tuple(part.float().long() for part in reference_pack(stories, context_length, end))


def pack_short_ids(stories, context_length, end):
    """int16 on the way: wrong for ids from 32,768 on."""
    return tuple(part.short().long() for part in reference_pack(stories, context_length, end))


def pack_byte_numbers(stories, context_length, end):
    """Numbers in int8: wrong from 128 stories in a row on."""
    x, y, numbers = reference_pack(stories, context_length, end)
    return x, y, numbers.to(torch.int8).long()


def pack_truncates(stories, context_length, end):
    """Cuts a story that does not fit."""
    return reference_pack([s[: context_length - 1] for s in stories], context_length, end)


def pack_leaves_out(stories, context_length, end):
    """Leaves out a story that does not fit."""
    return reference_pack([s for s in stories if len(s) < context_length], context_length, end)


def pack_refuses_exact(stories, context_length, end):
    """ValueError for a story that fills a row exactly."""
    if any(len(s) + 1 >= context_length for s in stories):
        raise ValueError("a story does not fit")
    return reference_pack(stories, context_length, end)


def pack_allows_one_more(stories, context_length, end):
    """A story of context_length tokens is cut, not refused."""
    if any(len(s) > context_length for s in stories):
        raise ValueError("a story does not fit")
    return pack_truncates(stories, context_length, end)


def pack_looks_at_the_first(stories, context_length, end):
    """ValueError only where the first story given does not fit; others are cut."""
    if len(stories[0]) + 1 > context_length:
        raise ValueError("a story does not fit")
    return pack_truncates(stories, context_length, end)


def pack_asserts(stories, context_length, end):
    """AssertionError, not ValueError."""
    assert all(len(s) + 1 <= context_length for s in stories)
    return reference_pack(stories, context_length, end)


def pack_returns_error(stories, context_length, end):
    """Returns the error."""
    try:
        return reference_pack(stories, context_length, end)
    except ValueError as error:
        return error


def pack_no_empty(stories, context_length, end):
    """Wrong for an empty story: left out."""
    return reference_pack([s for s in stories if s], context_length, end)


def pack_no_copies(stories, context_length, end):
    """Wrong for a story that comes twice."""
    return reference_pack([list(s) for s in dict.fromkeys(map(tuple, stories))], context_length, end)


def pack_sorts_in_place(stories, context_length, end):
    """Right result, but the caller's list is sorted."""
    stories.sort(key=len, reverse=True)
    return reference_pack(stories, context_length, end)


def pack_pops(stories, context_length, end):
    """Right result, but the caller's list is empty."""
    found = reference_pack(stories, context_length, end)
    while stories:
        stories.pop()
    return found


def pack_appends(stories, context_length, end):
    """Right result, but each of the caller's stories gets an `end`."""
    found = reference_pack(stories, context_length, end)
    for story in stories:
        story.append(end)
    return found


def pack_as_wide_as_needed(stories, context_length, end):
    """As wide as the fullest row."""
    x, y, numbers = reference_pack(stories, context_length, end)
    width = (numbers > 0).sum(1).max()
    return x[:, :width], y[:, :width], numbers[:, :width]


def pack_end_of_the_example(stories, context_length, end):
    """end taken as 9."""
    return reference_pack(stories, context_length, 9)


def pack_x_and_y(stories, context_length, end):
    """Two tensors."""
    return reference_pack(stories, context_length, end)[:2]


def pack_sorted_rows(stories, context_length, end):
    """The fullest row first."""
    rows = sorted(arranged(stories, context_length), key=lambda row: -sum(len(s) + 1 for s in row))
    return packed(rows, context_length, end)


def pack_lists(stories, context_length, end):
    """Lists of int64 arrays of ragged rows: not filled up."""
    x, y, numbers = reference_pack(stories, context_length, end)
    keep = [(row > 0).sum() for row in numbers]
    return tuple([row[:n].tolist() for row, n in zip(part, keep, strict=False)] for part in (x, y, numbers))


_rows = []


def pack_remembers(stories, context_length, end):
    """Wrong at the second call: rows stay."""
    _rows.extend(arranged(stories, context_length))
    return packed(_rows, context_length, end)


def pack_filled(stories, context_length, end):
    """Right: tensors filled place by place, room kept as numbers."""
    order = sorted(range(len(stories)), key=lambda i: (-len(stories[i]), i))
    if len(stories[order[0]]) >= context_length:
        raise ValueError("too long")
    room, placed = [], []
    for i in order:
        need = len(stories[i]) + 1
        row = next((r for r, left in enumerate(room) if left >= need), len(room))
        if row == len(room):
            room.append(context_length)
        placed.append((row, context_length - room[row], i))
        room[row] -= need
    x = np.full((len(room), context_length), end, dtype=np.int64)
    y, numbers, seen = np.full_like(x, -100), np.zeros_like(x), Counter()
    for row, at, i in placed:
        seen[row] += 1
        stop = at + len(stories[i]) + 1
        x[row, at + 1 : stop] = stories[i]
        y[row, at : stop - 1], y[row, stop - 1] = stories[i], end
        numbers[row, at:stop] = seen[row]
    return x, y, numbers


def pack_from_numbers(stories, context_length, end):
    """Right: numbers counted from the ends in x, where y is no padding (a list)."""
    x, y, _ = reference_pack(stories, context_length, end)
    return [x, y, (x == end).cumsum(1) * (y != -100)]


Packed = namedtuple("Packed", "x y story_number")


def pack_named(stories, context_length, end):
    """Right: a named tuple; a subclass of ValueError; a longest-first queue."""

    class TooLong(ValueError):
        pass

    if max(map(len, stories)) + 1 > context_length:
        raise TooLong("too long")
    return Packed(*reference_pack([list(story) for story in stories], context_length, end))


# A second look: after the checks were mended, what would still get through?
def asked_at_least_two(n_tokens, context_length, stride):
    """Wrong for a stride above the number of tokens: a second window is cut off, not left out."""
    asked = reference_asked(n_tokens, context_length, stride)
    return [0] * n_tokens if stride > n_tokens else asked


def bits_cut(documents, probabilities):
    """Wrong for a document of more than 1,000 letters."""
    return reference_bits([d[:1000] for d in documents], probabilities)


def bits_halved(documents, probabilities):
    """float32, added up with a floor of 1e-38: wrong for a smaller probability."""
    return reference_bits(documents, [[max(p, 1e-38) for p in row] for row in probabilities])


def left_of_two(prompts, pad_id, length):
    """Wrong for a length of 1: at least two places."""
    return reference_left(prompts, pad_id, max(2, length))


def left_positive(prompts, pad_id, length):
    """Wrong for a pad_id below 0."""
    tokens, mask = reference_left(prompts, abs(pad_id), length)
    return tokens, mask


def left_pad_or_end(prompts, pad_id, length):
    """Wrong for pad_id=0, taken as none given."""
    return reference_left(prompts, pad_id or 50_256, length)


def left_needs_a_token(prompts, pad_id, length):
    """ValueError where all prompts are empty."""
    max(token for prompt in prompts for token in prompt)
    return reference_left(prompts, pad_id, length)


def probability_of_six(tokens, context, token, vocab_size):
    """The last six tokens of a longer context."""
    return reference_probability(tokens, context[-6:], token, vocab_size)


def probability_at_most_hundred(tokens, context, token, vocab_size):
    """Wrong for a text of more than 100 tokens."""
    return reference_probability(tokens[:100], context, token, vocab_size)


def probability_compares_text(tokens, context, token, vocab_size):
    """Wrong where 1 and "1" both stand in a text, or ids are compared by what they print."""
    return reference_probability(
        [str(t)[:1] for t in tokens], [str(t)[:1] for t in context], str(token)[:1], vocab_size
    )


def pack_end_or_default(stories, context_length, end):
    """Wrong for end=0, taken as none given."""
    return reference_pack(stories, context_length, end or 50_256)


def pack_needs_a_token(stories, context_length, end):
    """ValueError where all stories are empty."""
    max(token for story in stories for token in story)
    return reference_pack(stories, context_length, end)


def pack_sixteen_rows(stories, context_length, end):
    """Wrong for more than 16 rows."""
    return tuple(part[:16] for part in reference_pack(stories, context_length, end))


def pack_error_for_all(stories, context_length, end):
    """ValueError only where no story fits."""
    if all(len(s) + 1 > context_length for s in stories):
        raise ValueError("too long")
    return pack_truncates(stories, context_length, end)


def prints(value):
    def answer():
        print(value)

    return answer


WRONG = {
    "2.1": [
        asked_inputs,
        asked_both,
        asked_unfinished,
        asked_without_stride,
        asked_stride_one,
        asked_a_window_less,
        asked_a_window_more,
        asked_formula,
        asked_share,
        asked_once,
        asked_no_gaps,
        asked_full_batches,
        asked_first_batch,
        asked_bytes,
        asked_signed_bytes,
        asked_short,
        asked_as_far_as_asked,
        asked_table,
        asked_index_put,
        asked_swapped,
        asked_remembers,
        asked_prints,
        asked_shares,
        asked_at_least_two,
    ],
    "2.2": [
        bits_mean_of_documents,
        bits_per_token,
        bits_no_end,
        bits_one_end,
        bits_without_closing,
        bits_per_character,
        bits_per_utf16,
        bits_per_latin_byte,
        bits_nats,
        bits_ten,
        bits_log_of_mean,
        bits_log_of_document_mean,
        bits_product,
        bits_document_product,
        bits_clamped,
        bits_clamped_lower,
        bits_plus_little,
        bits_float32,
        bits_half,
        bits_rounded,
        bits_as_table,
        bits_text_once,
        bits_no_empty,
        bits_strip,
        bits_nfc,
        bits_line_ends,
        bits_of_letters,
        bits_first,
        bits_by_letters,
        bits_pops,
        bits_appends,
        bits_remembers,
        bits_negative,
        bits_skips_sure,
        bits_perplexity,
        bits_cut,
        bits_halved,
    ],
    "2.3": [
        left_right,
        left_beginning,
        left_mask_by_token,
        left_mask_after_first_real,
        left_mask_keeps_one,
        left_empty,
        left_empty_error,
        left_no_empty,
        left_int32,
        left_float_tokens,
        left_uint16_tokens,
        left_number_mask,
        left_float_mask,
        left_turned_mask,
        left_mask_right,
        left_flipped_only,
        left_backwards,
        left_flips_rows,
        left_rolls,
        left_longest,
        left_at_most,
        left_zeros,
        left_reverses,
        left_inserts,
        left_tokens_only,
        left_swapped,
        left_one_short,
        left_full_rows_empty,
        left_negative_slice,
        left_mask_of_one,
        left_sorted,
        left_transposed,
        left_remembers,
        left_of_two,
        left_positive,
        left_pad_or_end,
        left_needs_a_token,
    ],
    # 0.45: a quarter, half, half of a quarter, all neighbors, both tenths apart, percent …
    "2.4": [0.25, 0.225, 0.5, 0.9, 0.405, 0.475, 0.75, 0.495, 0.1, 45, 0.42, 0.55, 0.05, 0.0, 1.0, -0.45]
    + [float("nan"), None, True, [], prints(0.45), lambda: 0.48],
    "2.5": [
        probability_counts_end,
        probability_drops_newest,
        probability_plain,
        probability_no_guess,
        probability_own_vocabulary,
        probability_unseen_blind,
        probability_unseen_zero,
        probability_blind_backoff,
        probability_two_levels,
        probability_of_two,
        probability_of_four,
        probability_add_one,
        probability_equation_2,
        probability_below_zero,
        probability_only_if_unseen,
        probability_d_of_all,
        probability_d_once,
        probability_n_only,
        probability_first_not_counted,
        probability_last_not_counted,
        probability_apart,
        probability_joined,
        probability_unordered,
        probability_pops,
        probability_appends,
        probability_remembers,
        probability_needs_text,
        probability_bits,
        probability_rounded,
        probability_first_of_context,
        probability_unknown_token,
        probability_of_six,
        probability_at_most_hundred,
        probability_compares_text,
    ],
    "2.6": [
        pack_as_given,
        pack_shortest_first,
        pack_ties_turned,
        pack_ties_by_content,
        pack_next_fit,
        pack_best_fit,
        pack_worst_fit,
        pack_last_fit,
        pack_never_full,
        pack_two_a_row,
        pack_one_a_row,
        pack_no_places_for_ends,
        pack_numbers_from_zero,
        pack_padding_minus_one,
        pack_numbers_go_on,
        pack_numbers_as_given,
        pack_numbers_of_ends,
        pack_numbers_of_y,
        pack_ends_unnumbered,
        pack_y_padded_with_end,
        pack_x_padded_with_zero,
        pack_x_padded_like_y,
        pack_y_without_last_end,
        pack_y_shifted,
        pack_y_masks_ends,
        pack_y_is_x,
        pack_int32,
        pack_floats,
        pack_short_ids,
        pack_byte_numbers,
        pack_truncates,
        pack_leaves_out,
        pack_refuses_exact,
        pack_allows_one_more,
        pack_looks_at_the_first,
        pack_asserts,
        pack_returns_error,
        pack_no_empty,
        pack_no_copies,
        pack_sorts_in_place,
        pack_pops,
        pack_appends,
        pack_as_wide_as_needed,
        pack_end_of_the_example,
        pack_x_and_y,
        pack_sorted_rows,
        pack_lists,
        pack_remembers,
        pack_end_or_default,
        pack_needs_a_token,
        pack_sixteen_rows,
        pack_error_for_all,
    ],
}

RIGHT = {
    "2.1": [asked_steps, asked_unfold, asked_by_place, functools.partial(reference_asked)],
    "2.2": [bits_tensor, bits_numpy, bits_fraction, Bits()],
    "2.3": [left_numpy, left_padded, left_yields],
    "2.4": [0.45, Fraction(9, 20), torch.tensor(0.4507), np.float32(0.446), lambda: np.array(0.45)],
    "2.5": [
        probability_loop,
        probability_array,
        probability_recursive,
        functools.partial(reference_probability),
    ],
    "2.6": [pack_filled, pack_from_numbers, pack_named],
}
