"""Answers to chapter 23's exercises."""

import heapq

import numpy as np
import torch
from harness import Answers, ExerciseTests

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.encoders import CrossAttention, DecoderBlock

# -- 23.1 ------------------------------------------------------------------


def by_building():
    def count(part):
        return sum(p.numel() for p in part.parameters())

    norms, attn, mlp = [LayerNorm(768) for _ in "123"], CausalSelfAttention(768, 12), MLP(768, 3072)
    both = DecoderBlock(norms[0], attn, norms[1], CrossAttention(768, 12), norms[2], mlp)
    return count(both) - count(Block(norms[0], attn, norms[1], mlp))


# -- 23.2 ------------------------------------------------------------------


def mask_by_loops(lengths, T):
    return [[[[key <= query or key < n for key in range(T)] for query in range(T)]] for n in lengths.tolist()]


def mask_by_maximum(lengths, T):
    at = torch.arange(T)
    last = torch.maximum(at[None, :], lengths[:, None] - 1)  # (B, T): the last key that a query sees
    return (at <= last[..., None]).unsqueeze(1)


def mask_by_numpy(lengths, T):
    causal = np.tri(T, dtype=bool)[None, None]
    question = np.arange(T)[None] < lengths.numpy()[:, None]
    return causal | question[:, None, None, :]


def question_by_query(lengths, T):
    at = torch.arange(T)
    return (at <= at[:, None]) | (at[:, None] < lengths[:, None, None, None])


def same_for_all_rows(lengths, T):
    return mask_by_maximum(lengths.max().expand(len(lengths)), T)


def additive(lengths, T):
    return torch.zeros(len(lengths), 1, T, T).masked_fill(~mask_by_maximum(lengths, T), -torch.inf)


def changes_lengths(lengths, T):
    lengths += 1
    return mask_by_maximum(lengths - 1, T)


def batch_second(lengths, T):
    return mask_by_maximum(lengths, T).transpose(0, 1)


# -- 23.3 ------------------------------------------------------------------


def spans_by_recursion(tokens, spans, first, done=0):
    if not spans:
        return [*tokens[done:]], [first]
    (start, end), *rest = spans
    source, target = spans_by_recursion(tokens, rest, first + 1, end)
    return [*tokens[done:start], first, *source], [first, *tokens[start:end], *target]


def spans_from_behind(tokens, spans, first):
    source, target = list(tokens), [first + len(spans)]
    for i in reversed(range(len(spans))):
        start, end = spans[i]
        target = [first + i, *tokens[start:end], *target]
        source[start:end] = [first + i]
    return source, target


def spans_as_tensors(tokens, spans, first):
    source, target = spans_from_behind(tokens, spans, first)
    return torch.tensor(source), torch.tensor(target)


def in_place(tokens, spans, first):
    found = spans_from_behind(tokens, spans, first)
    tokens[:] = found[0]
    return found


def from_the_front_in_place(tokens, spans, first):
    source = list(tokens)
    for i, (start, end) in enumerate(spans):
        source[start:end] = [first + i]
    return source, spans_from_behind(tokens, spans, first)[1]


def counted_down(tokens, spans, first):
    source, target = spans_from_behind(tokens, spans, first)
    return [2 * first - t if t >= first else t for t in source], [
        2 * first - t if t >= first else t for t in target
    ]


# -- 23.4 ------------------------------------------------------------------


def beams_by_heap(step, end, width, longest):
    beams = [(0.0, [])]
    while longest and not all(text and text[-1] == end for _, text in beams):
        grown = [beam for beam in beams if beam[1] and beam[1][-1] == end]
        for total, text in beams:
            if not text or text[-1] != end:
                grown.extend((total + p, text + [i]) for i, p in enumerate(step(text)))
        beams, longest = heapq.nlargest(width, grown), longest - 1
    return beams[0][1]


def beams_by_torch(step, end, width, longest):
    texts, sums = [[]], torch.zeros(1, dtype=torch.float64)
    for _ in range(longest):
        rows, all_texts = [], []
        for text, total in zip(texts, sums, strict=True):
            if text and text[-1] == end:
                rows.append(total[None])
                all_texts.append(text)
            else:
                p = torch.tensor(step(text), dtype=torch.float64)
                rows.append(total + p)
                all_texts += [text + [i] for i in range(len(p))]
        every = torch.cat(rows)
        sums, kept = every.topk(min(width, len(every)))
        texts = [all_texts[i] for i in kept.tolist()]
        if all(text[-1] == end for text in texts):
            break
    return torch.tensor(texts[0])


def beams_as_tuples(step, end, width, longest):
    return tuple(beams_by_heap(step, end, width, longest))


def with_score(step, end, width, longest):
    text = beams_by_heap(step, end, width, longest)
    return sum(step(text[:i])[token] for i, token in enumerate(text)), text


def ended_in_a_list_of_their_own(room):
    """Ended texts leave the beam. room(width, how many have ended): how many go on."""

    def answer(step, end, width, longest):
        beams, done = [(0.0, [])], []
        for _ in range(longest):
            grown = [(total + p, text + [i]) for total, text in beams for i, p in enumerate(step(text))]
            beams = heapq.nlargest(room(width, len(done)), grown)
            done += [beam for beam in beams if beam[1][-1] == end]
            beams = [beam for beam in beams if beam[1][-1] != end]
        return max(done + beams)[1]

    return answer


def ended_preferred(step, end, width, longest):
    beams = [(0.0, [])]
    for _ in range(longest):
        grown = [beam for beam in beams if beam[1][-1:] == [end]]
        for total, text in beams:
            if text[-1:] != [end]:
                grown.extend((total + p, text + [i]) for i, p in enumerate(step(text)))
        beams = heapq.nlargest(width, grown)
    return max([beam for beam in beams if beam[1][-1:] == [end]] or beams)[1]


def one_token_at_least(step, end, width, longest):
    return beams_by_heap(step, end, width, max(longest, 1))


def one_round_less(step, end, width, longest):
    return beams_by_heap(step, end, width, longest - 1)


def one_beam_more(step, end, width, longest):
    return beams_by_heap(step, end, width + 1, longest)


def everything(step, end, width, longest):
    return beams_by_heap(step, end, 50, longest)


def stops_when_best_ends(step, end, width, longest):
    beams = [(0.0, [])]
    for _ in range(longest):
        grown = [beam for beam in beams if beam[1] and beam[1][-1] == end]
        for total, text in beams:
            if not text or text[-1] != end:
                grown.extend((total + p, text + [i]) for i, p in enumerate(step(text)))
        beams = heapq.nlargest(width, grown)
        if beams[0][1][-1] == end:
            break
    return beams[0][1]


# -- 23.5 ------------------------------------------------------------------


def alignment_by_loops(q, k, real):
    found = []
    for b in range(len(q)):
        at = real[b].nonzero()[:, 0]
        weights = sum((q[b, h] @ k[b, h, at].T / q.shape[-1] ** 0.5).softmax(1) for h in range(q.shape[1]))
        found.append(at[weights.argmax(1)].tolist())
    return found


def alignment_by_additive_mask(q, k, real):
    mask = torch.zeros(real.shape).masked_fill(~real, -1e9)[:, None, None]
    return torch.softmax(q @ k.transpose(2, 3) / q.size(-1) ** 0.5 + mask, -1).mean(1).max(-1).indices


def alignment_by_products(q, k, real):
    powers = (q @ k.mT / q.shape[-1] ** 0.5).double().exp() * real[:, None, None]
    return (powers / powers.sum(-1, keepdim=True)).sum(1).argmax(-1).numpy()


def padding_on_the_right(q, k, real):
    return alignment_by_loops(q, k, real.sort(dim=1, descending=True).values)


def counted_without_padding(q, k, real):
    at = real.cumsum(1) - 1
    return at.gather(1, alignment_by_additive_mask(q, k, real))


def powers_in_float32(q, k, real):
    powers = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~real[:, None, None], -torch.inf).exp()
    return (powers / powers.sum(-1, keepdim=True)).mean(1).argmax(-1)


def softmax_along_queries(q, k, real):
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~real[:, None, None], -torch.inf)
    return scores.softmax(-2).nan_to_num(0).mean(1).argmax(-1)


def largest_weight(q, k, real):
    return (q @ k.mT).masked_fill(~real[:, None, None], -torch.inf).softmax(-1).mean(1).max(-1).values


def counted_from_one(q, k, real):
    return alignment_by_products(q, k, real) + 1


ANSWERS = {
    "23.1": Answers(
        right=[2_363_904, 2363904.0, by_building, lambda: 4 * 768 * 769 + 2 * 768],
        wrong=[
            (4 * 768**2, "Each projection has a bias"),
            (4 * 768 * 769, "It has a norm before it"),
            (4 * 768**2 + 2 * 768, "have biases"),
            (4 * 768 * 769 + 768, "a weight and a bias"),
            (3 * 768 * 769 + 2 * 768, "a fourth mixes the heads"),
            (lambda: by_building() * 2, "too high"),
            (0, "too low"),
        ],
    ),
    "23.2": Answers(
        right=[mask_by_loops, mask_by_maximum, mask_by_numpy],
        wrong=[
            (lambda n, T: torch.ones(len(n), 1, T, T, dtype=torch.bool).tril(), "That is the causal mask"),
            (lambda n, T: mask_by_maximum(n + 1, T), "is the first of the answer"),
            (lambda n, T: mask_by_maximum(n - 1, T), "belongs to it"),
            (lambda n, T: mask_by_maximum(n, T).mT, "exchanged"),
            (lambda n, T: ~mask_by_maximum(n, T), "True is where a query may look"),
            (lambda n, T: mask_by_maximum(n, T)[:, 0], "for the heads"),
            (lambda n, T: mask_by_maximum(n, T).float(), "bool"),
            (question_by_query, "ask it of the key"),
            (same_for_all_rows, "the longest for all"),
            (additive, "added to scores"),
            (changes_lengths, "Your answer changes its input"),
            (batch_second, "shape"),
        ],
    ),
    "23.3": Answers(
        right=[spans_by_recursion, spans_from_behind, spans_as_tensors],
        wrong=[
            (
                lambda t, s, f: (spans_from_behind(t, s, f)[0], spans_from_behind(t, s, f)[1][:-1]),
                "one sentinel more",
            ),
            (lambda t, s, f: spans_from_behind(t, s, f)[::-1], "exchanged"),
            (lambda t, s, f: (spans_from_behind(t, s, f)[0], t), "only what was hidden"),
            (lambda t, s, f: spans_from_behind(t, s, f)[0], "not yet"),
            (lambda t, s, f: sum(spans_from_behind(t, s, f), []), "yours is one list"),
            (lambda t, s, f: spans_from_behind(t, s, f + 1), "not yet"),
            (in_place, "Your answer changes its input"),
            (from_the_front_in_place, "moves the tokens after it"),
            (counted_down, "go up"),
            (lambda t, s, f: spans_from_behind(t, [(a, b - 1) for a, b in s], f), "not included already"),
        ],
    ),
    "23.4": Answers(
        right=[beams_by_heap, beams_by_torch, beams_as_tuples, stops_when_best_ends],
        wrong=[
            (lambda s, e, w, n: beams_by_heap(s, e, 1, n), "Only one beginning is kept"),
            (lambda s, e, w, n: beams_by_heap(s, -1, w, n), "it stays as it is"),
            (lambda s, e, w, n: [t for t in beams_by_heap(s, e, w, n) if t != e], "belongs to it"),
            (with_score, "not yet"),
            (one_round_less, "not yet"),
            (one_beam_more, "not yet"),
            (everything, "not yet"),
            (ended_in_a_list_of_their_own(lambda width, done: width), "set texts aside"),
            (ended_in_a_list_of_their_own(lambda width, done: width - done), "set texts aside"),
            (ended_preferred, "you prefer a text that has ended"),
            (one_token_at_least, "the empty list"),
        ],
    ),
    "23.5": Answers(
        right=[alignment_by_loops, alignment_by_additive_mask, alignment_by_products],
        wrong=[
            (lambda q, k, real: alignment_by_loops(q, k, real | True), "Padding is looked at"),
            (lambda q, k, real: alignment_by_loops(q[:, :1], k[:, :1], real), "the first head"),
            (lambda q, k, real: alignment_by_products(q * q.shape[-1] ** 0.5, k, real), "the root of D"),
            (padding_on_the_right, "You take the first keys"),
            (counted_without_padding, "count the places without padding"),
            (powers_in_float32, "infinite"),
            (softmax_along_queries, "not yet"),
            (largest_weight, "not yet"),
            (counted_from_one, "counted from 0"),
        ],
    ),
}


class TestChapter23(ExerciseTests):
    answers = ANSWERS
