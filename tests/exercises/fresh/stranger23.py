"""Wrong and right answers to chapter 23 by a stranger who had not seen the checks."""

import heapq
import itertools
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch

from companion.encoders import CrossAttention

C = 768
"""GPT-2's width, for 23.1."""

# 23.2 -----------------------------------------------------------------


def seen(rule):
    """rule(query, key, length), all of them broadcast, says what may be seen."""

    def answer(lengths, T):
        places = torch.arange(T)
        return rule(places[:, None], places, lengths[:, None, None, None])

    return answer


prefix_mask = seen(lambda q, k, n: (k <= q) | (k < n))


def reshaped(change):
    return lambda lengths, T: change(prefix_mask(lengths, T))


def of_lengths(change):
    return lambda lengths, T: prefix_mask(change(lengths), T)


def size_of_the_longest(lengths, T):
    return prefix_mask(lengths, int(lengths.max()))


def example_only(lengths, T):
    return torch.tensor([[[[1, 1, 0], [1, 1, 0], [1, 1, 1]]]]).bool()


def lengths_in_place(lengths, T):
    lengths += 1
    return seen(lambda q, k, n: (k <= q) | (k < n - 1))(lengths, T)


def row_by_row_shared(lengths, T):
    """One mask for all rows, filled again and again."""
    mask = torch.ones(T, T).tril().bool()
    rows = []
    for n in lengths.tolist():
        mask[:n, :n] = True
        rows.append(mask)
    return torch.stack(rows)[:, None]


def last_cut(lengths, T):
    """The columns of the question but for its last token."""
    mask = torch.ones(len(lengths), 1, T, T).tril().bool()
    for b, n in enumerate(lengths.tolist()):
        mask[b, :, :, : n - 1] = True
    return mask


def up_to_negative(lengths, T):
    """mask[..., :n - T], which is all but nothing where n is T."""
    mask = torch.ones(len(lengths), 1, T, T).tril().bool()
    for b, n in enumerate(lengths.tolist()):
        mask[b, :, :, : n - T] = True
    return mask


def filled_block(lengths, T):
    mask = torch.ones(len(lengths), 1, T, T).tril().bool()
    for b, n in enumerate(lengths.tolist()):
        mask[b, 0, :n, :n] = True
    return mask


def in_lists(lengths, T):
    return [[[[k <= q or k < n for k in range(T)] for q in range(T)]] for n in lengths.tolist()]


def np_mask(lengths, T):
    return np.tri(T, dtype=bool) | (np.arange(T) < lengths.numpy()[:, None, None, None])


def greater_of(lengths, T):
    """How many keys a query sees: the question, or all up to itself."""
    many = torch.maximum(torch.arange(1, T + 1), lengths[:, None])  # (B, T)
    return torch.arange(T) < many[:, None, :, None]


def by_triu(lengths, T):
    rows = [~(torch.ones(T, T).triu(1).bool() & (torch.arange(T) >= n)) for n in lengths]
    return torch.stack(rows).unsqueeze(1)


# 23.3 -----------------------------------------------------------------


def hide_spans(tokens, spans, first):
    source, target, place = [], [], 0
    for i, (start, end) in enumerate(spans):
        source += [*tokens[place:start], first + i]
        target += [first + i, *tokens[start:end]]
        place = end
    return source + list(tokens[place:]), [*target, first + len(spans)]


def spans_with(sentinel, last=lambda first, spans: [first + len(spans)]):
    """sentinel(first, i, start, end), and what stands at the target's end."""

    def answer(tokens, spans, first):
        source, target, place = [], [], 0
        for i, (start, end) in enumerate(spans):
            mark = sentinel(first, i, start, end)
            source += [*tokens[place:start], mark]
            target += [mark, *tokens[start:end]]
            place = end
        return source + list(tokens[place:]), target + last(first, spans)

    return answer


def of_the_pair(change):
    return lambda tokens, spans, first: change(*hide_spans(tokens, spans, first))


def with_spans(change):
    return lambda tokens, spans, first: hide_spans(tokens, change(spans), first)


def tail_lost(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    tail = len(tokens) - (spans[-1][1] if spans else 0)
    return source[: len(source) - tail], target


def head_lost(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    return source[spans[0][0] if spans else 0 :], target


def a_mark_each_token(tokens, spans, first):
    source, target = list(tokens), []
    for i, (start, end) in enumerate(spans):
        source[start:end] = [first + i] * (end - start)
        target += [first + i, *tokens[start:end]]
    return source, [*target, first + len(spans)]


def shifted(tokens, spans, first):
    """Cuts from the front in a copy, and forgets that the places move."""
    source, target = list(tokens), []
    for i, (start, end) in enumerate(spans):
        target += [first + i, *tokens[start:end]]
        source[start:end] = [first + i]
    return source, [*target, first + len(spans)]


def cut_in_place(tokens, spans, first):
    target = hide_spans(tokens, spans, first)[1]
    for i in reversed(range(len(spans))):
        start, end = spans[i]
        tokens[start:end] = [first + i]
    return tokens, target


def spans_emptied(tokens, spans, first):
    kept = hide_spans(tokens, list(spans), first)
    while spans:
        spans.pop()
    return kept


def by_value(tokens, spans, first):
    """Hides each token that equals a hidden one."""
    source, target = list(tokens), []
    for i, (start, end) in enumerate(spans):
        hidden = tokens[start:end]
        at = next(j for j in range(len(source)) if source[j : j + len(hidden)] == hidden)
        source[at : at + len(hidden)] = [first + i]
        target += [first + i, *hidden]
    return source, [*target, first + len(spans)]


def zeros_lost(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    return [t for t in source if t], [t for t in target if t]


def repeats_lost(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    return list(dict.fromkeys(source)), target


def marks_behind(tokens, spans, first):
    target = []
    for i, (start, end) in enumerate(spans):
        target += [*tokens[start:end], first + i]
    return hide_spans(tokens, spans, first)[0], [*target, first + len(spans)]


def all_in_target(tokens, spans, first):
    """Cloze as a copy: the target says the whole text."""
    return hide_spans(tokens, spans, first)[0], [*tokens]


def complement(tokens, spans, first):
    """T5's target as the mirror of the source: one sentinel for what is visible there."""
    source, target, place = [], [], 0
    for i, (start, end) in enumerate(spans):
        source += [*tokens[place:start], first + i]
        target += [first + i, *tokens[start:end]]
        place = end
    return source + list(tokens[place:]), target + ([first + len(spans)] if place < len(tokens) else [])


def starts_from_highest(tokens, spans, first):
    """T5's own numbers fall: first, first - 1, …"""
    return spans_with(lambda first, i, start, end: first - i, lambda f, s: [f - len(s)])(tokens, spans, first)


def walked(tokens, spans, first):
    starts, hidden = {s for s, _ in spans}, {i for s, e in spans for i in range(s, e)}
    source, target, mark = [], [], itertools.count(first)
    for i, token in enumerate(tokens):
        if i in starts:
            source.append(next(mark))
            target.append(source[-1])
        (target if i in hidden else source).append(token)
    return source, [*target, next(mark)]


def from_the_end(tokens, spans, first):
    source, target = list(tokens), [first + len(spans)]
    for i, (start, end) in reversed(list(enumerate(spans))):
        target = [first + i, *source[start:end], *target]
        source[start:end] = [first + i]
    return tuple(source), tuple(target)


def np_spans(tokens, spans, first):
    source, target = hide_spans(np.array(tokens), spans, first)
    return [np.array(source, dtype=np.int64), np.array(target, dtype=np.int32)]


def generated_spans(tokens, spans, first):
    places = [0, *itertools.chain(*spans), len(tokens)]
    shown = [tokens[a:b] for a, b in zip(places[::2], places[1::2], strict=True)]
    marks = range(first, first + len(spans))

    def source():
        for i, part in enumerate(shown):
            yield from part
            if i < len(spans):
                yield marks[i]

    def target():
        for mark, (start, end) in zip(marks, spans, strict=True):
            yield mark
            yield from tokens[start:end]
        yield first + len(spans)

    yield source()
    yield target()


# 23.4 -----------------------------------------------------------------


def search(
    value=lambda total, tokens: total,
    kept=lambda width: width,
    rounds=lambda longest: longest,
    stop=lambda beams, end: all(t and t[-1] == end for _, t in beams),
    add=lambda total, p: total + p,
    give=lambda total, tokens: tokens,
    start=0.0,
):
    """Beam search with one part changed."""

    def answer(step, end, width, longest):
        beams = [(start, [])]
        for _ in range(rounds(longest)):
            after = []
            for total, tokens in beams:
                if tokens and tokens[-1] == end:
                    after.append((total, tokens))
                    continue
                after += [(add(total, p), [*tokens, t]) for t, p in enumerate(step(tokens))]
            after.sort(key=lambda pair: value(*pair), reverse=True)
            beams = after[: kept(width)]
            if stop(beams, end):
                break
        return give(*beams[0])

    return answer


beam_search = search()


def finished_apart(step, end, width, longest):
    """The ended leave the beam, and make room for others."""
    beams, ended = [(0.0, [])], []
    for _ in range(longest):
        after = [(s + p, [*t, i]) for s, t in beams for i, p in enumerate(step(t))]
        after.sort(reverse=True)
        ended += [pair for pair in after[:width] if pair[1][-1] == end]
        beams = [pair for pair in after if pair[1][-1] != end][:width]
        if not beams or len(ended) >= width:
            break
    return max(ended + beams)[1]


def width_shrinks(step, end, width, longest):
    """The ended keep their place for good."""
    beams, ended = [(0.0, [])], []
    for _ in range(longest):
        after = sorted(((s + p, [*t, i]) for s, t in beams for i, p in enumerate(step(t))), reverse=True)
        beams = after[: width - len(ended)]
        ended += [pair for pair in beams if pair[1][-1] == end]
        beams = [pair for pair in beams if pair[1][-1] != end]
        if not beams:
            break
    return max(ended + beams)[1]


def remembers_fallen(step, end, width, longest):
    """The best that ever ended, though it fell out of the beam."""
    beams, ended = [(0.0, [])], []
    for _ in range(longest):
        after = [pair for pair in beams if pair[1] and pair[1][-1] == end]
        open_ = [pair for pair in beams if not pair[1] or pair[1][-1] != end]
        after += [(s + p, [*t, i]) for s, t in open_ for i, p in enumerate(step(t))]
        ended += [pair for pair in after if pair[1][-1] == end]
        beams = sorted(after, reverse=True)[:width]
        if all(t[-1] == end for _, t in beams):
            break
    return max(ended + beams)[1]


def ended_first(step, end, width, longest):
    """Of the last beam the best that has ended, if one has."""
    beams = [(0.0, [])]
    for _ in range(longest):
        done = [pair for pair in beams if pair[1] and pair[1][-1] == end]
        after = [(s + p, [*t, i]) for s, t in beams if not t or t[-1] != end for i, p in enumerate(step(t))]
        beams = sorted(after + done, reverse=True)[:width]
    done = [pair for pair in beams if pair[1] and pair[1][-1] == end]
    return max(done or beams)[1]


def goes_on_after_end(step, end, width, longest):
    beams = [(0.0, [])]
    for _ in range(longest):
        after = [(s + p, [*t, i]) for s, t in beams for i, p in enumerate(step(t))]
        beams = sorted(after, reverse=True)[:width]
        if all(t[-1] == end for _, t in beams):
            break
    return beams[0][1]


def goes_on_then_cuts(step, end, width, longest):
    found = search(stop=lambda beams, end: False)
    tokens = goes_on_after_end(step, end, width, longest) if longest else found(step, end, width, longest)
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def ended_drop_out(step, end, width, longest):
    beams = [(0.0, [])]
    for _ in range(longest):
        after = [(s + p, [*t, i]) for s, t in beams if not t or t[-1] != end for i, p in enumerate(step(t))]
        if not after:
            break
        beams = sorted(after, reverse=True)[:width]
    return beams[0][1]


def width_each(step, end, width, longest):
    """The `width` likeliest of each beginning, none left out."""
    beams = [(0.0, [])]
    for _ in range(longest):
        after = []
        for s, t in beams:
            if t and t[-1] == end:
                after.append((s, t))
            else:
                after += sorted(((s + p, [*t, i]) for i, p in enumerate(step(t))), reverse=True)[:width]
        beams = after
        if all(t[-1] == end for _, t in beams):
            break
    return max(beams)[1]


def by_last_step(step, end, width, longest):
    """Sorted by the last token's log-probability."""
    beams = [(0.0, 0.0, [])]
    for _ in range(longest):
        after = []
        for last, s, t in beams:
            if t and t[-1] == end:
                after.append((last, s, t))
            else:
                after += [(p, s + p, [*t, i]) for i, p in enumerate(step(t))]
        beams = sorted(after, reverse=True)[:width]
        if all(t[-1] == end for *_, t in beams):
            break
    return max(beams, key=lambda beam: beam[1])[2]


def exhaustive(step, end, width, longest):
    return search(kept=lambda width: None)(step, end, width, longest)


def same_list(step, end, width, longest):
    """One list for all continuations of a beginning."""
    beams = [(0.0, [])]
    for _ in range(longest):
        after = []
        for s, t in beams:
            if t and t[-1] == end:
                after.append((s, t))
                continue
            for i, p in enumerate(step(list(t))):
                t.append(i)
                after.append((s + p, t))
        beams = sorted(after, key=lambda pair: pair[0], reverse=True)[:width]
        if all(t[-1] == end for _, t in beams):
            break
    return beams[0][1]


def topk_without_room(step, end, width, longest):
    """torch.topk of each step's list, which fails where width is larger than it."""
    beams = [(0.0, [])]
    for _ in range(longest):
        after = []
        for s, t in beams:
            if t and t[-1] == end:
                after.append((s, t))
            else:
                best = torch.tensor(step(t)).topk(width)
                after += [
                    (s + p, [*t, i]) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
                ]
        beams = sorted(after, reverse=True)[:width]
        if all(t[-1] == end for _, t in beams):
            break
    return beams[0][1]


def first_before_the_loop(step, end, width, longest):
    """The first step outside the loop, so that there is one token at least, and one more."""
    beams = sorted(((p, [i]) for i, p in enumerate(step([]))), reverse=True)[:width]
    for _ in range(longest):
        if all(t[-1] == end for _, t in beams):
            break
        after = []
        for s, t in beams:
            after += [(s, t)] if t[-1] == end else [(s + p, [*t, i]) for i, p in enumerate(step(t))]
        beams = sorted(after, reverse=True)[:width]
    return beams[0][1]


def ended_lose_end(step, end, width, longest):
    found = beam_search(step, end, width, longest)
    return found[:-1] if found and found[-1] == end else found


def adds_end(step, end, width, longest):
    found = beam_search(step, end, width, longest)
    return found if found and found[-1] == end else [*found, end]


def end_is_last_token(step, end, width, longest):
    return beam_search(step, len(step([])) - 1, width, longest)


def greedy_after_first(step, end, width, longest):
    """`width` beginnings, each then continued alone."""
    beams = sorted(((p, [i]) for i, p in enumerate(step([]))), reverse=True)[:width] if longest else [(0, [])]
    done = []
    for s, t in beams:
        while t and t[-1] != end and len(t) < longest:
            p, i = max((p, i) for i, p in enumerate(step(t)))
            s, t = s + p, [*t, i]
        done.append((s, t))
    return max(done)[1]


def stops_when_the_best_ended(step, end, width, longest):
    """Right: sums only fall, so none overtakes it."""
    return search(stop=lambda beams, end: beams[0][1][-1:] == [end])(step, end, width, longest)


def never_stops_early(step, end, width, longest):
    return search(stop=lambda beams, end: False)(step, end, width, longest)


def with_heap(step, end, width, longest):
    beams = {(): 0.0}
    for _ in range(longest):
        after = {}
        for tokens, total in beams.items():
            if tokens[-1:] == (end,):
                after[tokens] = total
            else:
                for token, p in enumerate(step(list(tokens))):
                    after[*tokens, token] = total + p
        beams = dict(heapq.nlargest(width, after.items(), key=lambda item: item[1]))
    return max(beams, key=beams.get)


def in_numpy(step, end, width, longest):
    totals, beams = np.zeros(1), [np.zeros(0, dtype=np.int64)]
    for _ in range(longest):
        sums, texts = [], []
        for total, text in zip(totals, beams, strict=True):
            if text.size and text[-1] == end:
                sums.append([total])
                texts.append(text)
            else:
                p = np.asarray(step(text.tolist()), dtype=np.float64)
                sums.append(total + p)
                texts += [np.append(text, i) for i in range(len(p))]
        sums = np.concatenate(sums)
        order = np.argsort(-sums)[:width]
        totals, beams = sums[order], [texts[i] for i in order]
    return beams[0]


def recursive(step, end, width, longest):
    def rounds(beams, left):
        if left == 0 or all(t[-1:] == [end] for _, t in beams):
            return max(beams)[1]
        after = [
            pair
            for s, t in beams
            for pair in ([(s, t)] if t[-1:] == [end] else ((s + p, [*t, i]) for i, p in enumerate(step(t))))
        ]
        return rounds(heapq.nlargest(width, after), left - 1)

    return rounds([(0, [])], longest)


def few_of_each(step, end, width, longest):
    """Right: more than `width` of one beginning are never kept."""
    beams = [(0.0, [])]
    for _ in range(longest):
        after = []
        for s, t in beams:
            if t and t[-1] == end:
                after.append((s, t))
            else:
                after += sorted(((s + p, [*t, i]) for i, p in enumerate(step(t))), reverse=True)[:width]
        beams = sorted(after, reverse=True)[:width]
    return iter(beams[0][1])


# 23.5 -----------------------------------------------------------------


def aligned(
    scores=lambda q, k: q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5,
    hide=lambda s, real: s.masked_fill(~real[:, None, None], -math.inf),
    weights=lambda s: s.softmax(-1),
    mean=lambda w: w.mean(1),
    place=lambda w: w.argmax(-1),
):
    return lambda q, k, real: place(mean(weights(hide(scores(q, k), real))))


alignment = aligned()


def exp_alone(s):
    return s.exp() / s.exp().sum(-1, keepdim=True)


def votes(q, k, real):
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return s.masked_fill(~real[:, None, None], -math.inf).argmax(-1).mode(1).values


def among_the_real(q, k, real):
    """The place among the keys that are no padding."""
    rows = []
    for b in range(len(q)):
        s = q[b] @ k[b][:, real[b]].transpose(-1, -2) / q.shape[-1] ** 0.5
        rows.append(s.softmax(-1).mean(0).argmax(-1))
    return torch.stack(rows)


def counted_from_the_left(q, k, real):
    """Takes the number of real keys for the first ones."""
    lengths = real.sum(1)
    mask = torch.arange(k.shape[2]) < lengths[:, None]
    return alignment(q, k, mask)


def first_mask(q, k, real):
    return alignment(q, k, real[:1].expand_as(real))


def any_mask(q, k, real):
    return alignment(q, k, real.any(0).expand_as(real))


def hidden_after(q, k, real):
    """Padding's weights are put to 0 after the softmax, and the others are not made larger."""
    return (alignment_weights(q, k) * real[:, None, None]).mean(1).argmax(-1)


def alignment_weights(q, k):
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)


def scaled_in_place(q, k, real):
    q /= q.shape[-1] ** 0.5
    return aligned(scores=lambda q, k: q @ k.transpose(-1, -2))(q, k, real)


def keys_in_place(q, k, real):
    """NaN never wins, and the caller's keys are gone."""
    k.masked_fill_(~real[:, None, :, None], 0.0)
    return alignment(q, k, real)


def keys_made_zero(q, k, real):
    """A key of zeros has the score 0, not −∞."""
    k = k * real[:, None, :, None]
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1).mean(1).argmax(-1)


def causal_too(q, k, real):
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    s = s.masked_fill(~real[:, None, None], -math.inf)
    causal = torch.ones(s.shape[-2:]).tril().bool()
    s = torch.where(causal, s, -1e9)
    return s.softmax(-1).mean(1).argmax(-1)


def flat_softmax(q, k, real):
    """One softmax over all heads together."""
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    s = s.masked_fill(~real[:, None, None], -math.inf).transpose(1, 2)  # (B, Tq, H, Tk)
    return s.flatten(2).softmax(-1).view_as(s).mean(2).argmax(-1)


def heads_flattened_wrong(q, k, real):
    """(B, H, T, D) read as (B, T, H D) without the transposition, all heads one."""
    B, H, Tq, D = q.shape
    s = q.reshape(B, Tq, H * D) @ k.reshape(B, k.shape[2], H * D).transpose(-1, -2) / D**0.5
    return s.masked_fill(~real[:, None], -math.inf).argmax(-1)


def in_half(q, k, real):
    return alignment(q.bfloat16(), k.bfloat16(), real)


def first_row_for_all(q, k, real):
    return alignment(q[:1].expand_as(q), k, real)


def as_loops(q, k, real):
    rows = []
    for b in range(q.shape[0]):
        row = []
        for i in range(q.shape[2]):
            total = [0.0] * k.shape[2]
            for h in range(q.shape[1]):
                s = [
                    float(q[b, h, i].double() @ k[b, h, j].double()) / math.sqrt(q.shape[3])
                    if real[b, j]
                    else -math.inf
                    for j in range(k.shape[2])
                ]
                most = max(s)
                exps = [math.exp(x - most) for x in s]
                total = [t + e / sum(exps) for t, e in zip(total, exps, strict=True)]
            row.append(total.index(max(total)))
        rows.append(tuple(row))
    return tuple(rows)


def as_numpy(q, k, real):
    s = np.einsum("bhqd,bhkd->bhqk", q.numpy().astype(np.float64), k.numpy().astype(np.float64))
    s = np.where(real.numpy()[:, None, None], s / np.sqrt(q.shape[-1]), -np.inf)
    w = np.exp(s - s.max(-1, keepdims=True))
    return (w / w.sum(-1, keepdims=True)).sum(1).argmax(-1).astype(np.int32)


def as_floats(q, k, real):
    return alignment(q.double(), k.double(), real).double()


def by_attention(q, k, real):
    """Attention to the unit vectors is the weights."""
    one = torch.eye(k.shape[2]).expand(*k.shape[:2], -1, -1)
    mask = real[:, None, None].expand(-1, q.shape[1], q.shape[2], -1)
    w = torch.nn.functional.scaled_dot_product_attention(q, k, one, attn_mask=mask)
    return w.mean(1).argmax(-1)


def padding_left_out(q, k, real):
    for b in range(len(q)):
        places = real[b].nonzero()[:, 0]
        w = alignment_weights(q[b], k[b][:, places]).sum(0)
        yield places[w.argmax(-1)].tolist()


def renormalized(q, k, real):
    w = alignment_weights(q.double(), k.double()) * real[:, None, None]
    return (w / w.sum(-1, keepdim=True)).sum(1).argmax(-1)


def of_the_chapter(q, k, real):
    """The module's own heads, with projections that change nothing."""
    H, D = q.shape[1], q.shape[3]
    layer = CrossAttention(H * D, H)
    assert layer.n_heads == H
    s = torch.einsum("bhqd,bhkd->bhqk", q, k) * D**-0.5
    s = s + torch.where(real, 0.0, -torch.inf)[:, None, None]
    return torch.logsumexp(s.log_softmax(-1), 1).argmax(-1)


WRONG = {
    "23.1": [
        4 * C * C,
        4 * (C * C + C),
        4 * (C * C + C) + C,
        4 * (C * C + C) + 4 * C,
        4 * C * C + 2 * C,
        4 * C * C + 4 * C + 1,
        3 * (C * C + C) + 2 * C,
        2 * (C * C + C) + 2 * C,
        3 * C * C + 2 * C,
        8 * (C * C + C) + 4 * C,
        8 * C * C + 9 * C,
        12 * (4 * (C * C + C) + 2 * C),
        12 * (C * C + C) + 2 * C,
        C * C + 3 * C,
        12 * C * C + 13 * C,
        4 * (C * C + C) + 2 * C + C * 1024,
        2.4e6,
        2_363_000,
        2.363904,
        lambda: "2363904",
        lambda: 4 * (C**2 + C) + 2 * C - 1,
    ],
    "23.2": [
        seen(lambda q, k, n: (k <= q) & (k < n)),
        seen(lambda q, k, n: (k <= q) | (k <= n)),
        seen(lambda q, k, n: (k <= q) | (k < n - 1)),
        seen(lambda q, k, n: (k < q) | (k < n)),
        seen(lambda q, k, n: (k >= q) | (k < n)),
        seen(lambda q, k, n: (k <= q) | (q < n)),
        seen(lambda q, k, n: (k <= q) ^ (k < n)),
        seen(lambda q, k, n: (k > q) & (k >= n)),
        seen(lambda q, k, n: (k <= q).expand(len(n), 1, -1, -1)),
        seen(lambda q, k, n: (k < n) & (q >= 0)),
        seen(lambda q, k, n: (k < n) & (q < n)),
        seen(lambda q, k, n: ((k < n) & (q < n)) | ((k >= n) & (q >= n) & (k <= q))),
        seen(lambda q, k, n: (k < n) | (k == q)),
        seen(lambda q, k, n: (k <= q) | (k >= k.numel() - n)),
        seen(lambda q, k, n: (k <= q) | (k < n[0])),
        seen(lambda q, k, n: ((k <= q) | (k < n))[:1]),
        seen(lambda q, k, n: ((k <= q) | (k < n)) & (n > 0)),
        seen(lambda q, k, n: ((k <= q) | (k < n)) & (n < k.numel())),
        of_lengths(lambda n: n.max().expand_as(n)),
        of_lengths(lambda n: n.min().expand_as(n)),
        of_lengths(lambda n: n.flip(0)),
        of_lengths(lambda n: n.unique()),
        of_lengths(lambda n: n.sort().values),
        of_lengths(lambda n: n.cumsum(0)),
        reshaped(lambda m: m.mT),
        reshaped(lambda m: m[:, 0]),
        reshaped(lambda m: m.squeeze()),
        reshaped(lambda m: m.transpose(0, 1)),
        reshaped(lambda m: ~m),
        reshaped(lambda m: m.float()),
        reshaped(lambda m: m.int()),
        reshaped(lambda m: torch.zeros(m.shape).masked_fill(~m, -torch.inf)),
        reshaped(lambda m: m.expand(-1, 2, -1, -1)),
        size_of_the_longest,
        example_only,
        lengths_in_place,
        row_by_row_shared,
        last_cut,
        up_to_negative,
    ],
    "23.3": [
        spans_with(lambda f, i, s, e: f),
        spans_with(lambda f, i, s, e: f + i + 1, lambda f, s: [f + len(s) + 1]),
        spans_with(lambda f, i, s, e: f + s),
        spans_with(lambda f, i, s, e: 100 + i, lambda f, s: [100 + len(s)]),
        spans_with(lambda f, i, s, e: f + i, lambda f, s: []),
        spans_with(lambda f, i, s, e: f + i, lambda f, s: [f]),
        spans_with(lambda f, i, s, e: f + i, lambda f, s: [f + len(s) - 1]),
        spans_with(lambda f, i, s, e: f + i, lambda f, s: [f + len(s) + 1]),
        spans_with(lambda f, i, s, e: f + i, lambda f, s: [f + 2]),
        spans_with(lambda f, i, s, e: f + i, lambda f, s: [f + len(s)] if s else []),
        starts_from_highest,
        with_spans(lambda spans: [(s, e + 1) for s, e in spans]),
        with_spans(lambda spans: [(s, e - 1) for s, e in spans]),
        with_spans(lambda spans: [(s, s + e) for s, e in spans]),
        with_spans(lambda spans: spans[:1]),
        with_spans(lambda spans: spans[-1:]),
        with_spans(lambda spans: spans[::-1]),
        with_spans(lambda spans: [(s, e) for s, e in spans if s]),
        with_spans(lambda spans: [(s, e) for s, e in spans if e - s > 1]),
        with_spans(lambda spans: spans[:2]),
        of_the_pair(lambda source, target: (target, source)),
        of_the_pair(lambda source, target: source + target),
        of_the_pair(lambda source, target: source),
        of_the_pair(lambda source, target: (source + target[-1:], target)),
        of_the_pair(lambda source, target: ([t for t in source if t < 100], target)),
        of_the_pair(lambda source, target: (source, [t for t in target if t < 100])),
        of_the_pair(lambda source, target: (sorted(source), target)),
        of_the_pair(lambda source, target: (source, [target])),
        of_the_pair(lambda source, target: {"source": set(source), "target": set(target)}),
        tail_lost,
        head_lost,
        a_mark_each_token,
        shifted,
        cut_in_place,
        spans_emptied,
        by_value,
        zeros_lost,
        repeats_lost,
        marks_behind,
        all_in_target,
        complement,
    ],
    "23.4": [
        search(kept=lambda width: 1),
        search(kept=lambda width: width + 1),
        search(kept=lambda width: max(width - 1, 1)),
        search(kept=lambda width: 2),
        search(kept=lambda width: 2 * width),
        search(value=lambda total, tokens: total / len(tokens)),
        search(value=lambda total, tokens: total / len(tokens) ** 0.6),
        search(value=lambda total, tokens: total / math.sqrt(len(tokens))),
        search(value=lambda total, tokens: -total),
        search(value=lambda total, tokens: abs(total)),
        search(value=lambda total, tokens: len(tokens)),
        search(rounds=lambda longest: longest - 1, give=lambda total, tokens: tokens),
        search(rounds=lambda longest: longest + 1),
        search(rounds=lambda longest: max(longest, 1)),
        search(rounds=lambda longest: 3),
        search(rounds=lambda longest: 100),
        search(stop=lambda beams, end: any(t[-1] == end for _, t in beams)),
        search(stop=lambda beams, end: beams[-1][1][-1] == end),
        search(add=lambda total, p: total * p, start=1.0),
        search(add=lambda total, p: total + math.exp(p)),
        search(add=lambda total, p: total * math.exp(p) + p),
        search(add=lambda total, p: max(total, p), start=-math.inf),
        search(add=lambda total, p: min(total, p)),
        search(add=lambda total, p: p),
        search(add=lambda total, p: float(np.float16(total + p))),
        search(add=lambda total, p: round(total + p, 1)),
        search(give=lambda total, tokens: (total, tokens)),
        search(give=lambda total, tokens: total),
        search(give=lambda total, tokens: [tokens]),
        search(give=lambda total, tokens: tokens[1:]),
        finished_apart,
        width_shrinks,
        remembers_fallen,
        ended_first,
        goes_on_after_end,
        goes_on_then_cuts,
        ended_drop_out,
        width_each,
        by_last_step,
        exhaustive,
        same_list,
        topk_without_room,
        first_before_the_loop,
        ended_lose_end,
        adds_end,
        end_is_last_token,
        greedy_after_first,
        lambda step, end, width, longest: beam_search(step, 0, width, longest),
        lambda step, end, width, longest: beam_search(step, end, width, 4),
    ],
    "23.5": [
        aligned(scores=lambda q, k: q @ k.mT),
        aligned(scores=lambda q, k: q @ k.mT / q.shape[-1]),
        aligned(scores=lambda q, k: q @ k.mT / (q.shape[-1] * q.shape[1]) ** 0.5),
        aligned(scores=lambda q, k: q @ k.mT / k.shape[2] ** 0.5),
        aligned(scores=lambda q, k: q @ k.mT * q.shape[-1] ** 0.5),
        aligned(scores=lambda q, k: q @ k.mT / q.shape[1] ** 0.5),
        aligned(scores=lambda q, k: torch.cosine_similarity(q[:, :, :, None], k[:, :, None], dim=-1)),
        aligned(scores=lambda q, k: -torch.cdist(q, k)),
        aligned(hide=lambda s, real: s),
        aligned(hide=lambda s, real: s.masked_fill(real[:, None, None], -math.inf)),
        aligned(hide=lambda s, real: s * real[:, None, None]),
        aligned(hide=lambda s, real: s.masked_fill(~real[:, None, None], 0.0)),
        aligned(hide=lambda s, real: s.masked_fill(~real[:, None, None], -1.0)),
        aligned(hide=lambda s, real: s.masked_fill(~real[:, None, None], 1e-9)),
        aligned(hide=lambda s, real: s.masked_fill(~real[:, None, None], math.inf)),
        aligned(hide=lambda s, real: s.masked_fill(~real[:, None, None], math.nan)),
        aligned(hide=lambda s, real: s + real[:, None, None]),
        aligned(hide=lambda s, real: s.masked_fill(~real[0], -math.inf)),
        aligned(weights=lambda s: s),
        aligned(weights=lambda s: s.softmax(-2)),
        aligned(weights=lambda s: s.softmax(1)),
        aligned(weights=lambda s: s.exp()),
        aligned(weights=lambda s: s.log_softmax(-1)),
        aligned(weights=lambda s: s.sigmoid()),
        aligned(weights=exp_alone),
        aligned(weights=lambda s: s.softmax(-1).square()),
        aligned(weights=lambda s: s.softmax(-1).round(decimals=1)),
        aligned(mean=lambda w: w[:, 0]),
        aligned(mean=lambda w: w[:, -1]),
        aligned(mean=lambda w: w.amax(1)),
        aligned(mean=lambda w: w.amin(1)),
        aligned(mean=lambda w: w.prod(1)),
        aligned(mean=lambda w: w.median(1).values),
        aligned(mean=lambda w: w),
        aligned(mean=lambda w: w.mean(0)),
        aligned(mean=lambda w: w.mean((0, 1)).expand(len(w), -1, -1)),
        aligned(mean=lambda w: w[:, :2].mean(1)),
        aligned(place=lambda w: w.argmax(-2)),
        aligned(place=lambda w: w.argmax(-1) + 1),
        aligned(place=lambda w: w.argmin(-1)),
        aligned(place=lambda w: w.argmax(-1, keepdim=True)),
        aligned(place=lambda w: w.amax(-1)),
        aligned(place=lambda w: w.flatten(1).argmax(-1)),
        aligned(place=lambda w: w.argmax(-1)[0]),
        aligned(place=lambda w: w.argmax(-1).T),
        aligned(place=lambda w: w == w.amax(-1, keepdim=True)),
        votes,
        among_the_real,
        counted_from_the_left,
        first_mask,
        any_mask,
        hidden_after,
        scaled_in_place,
        keys_in_place,
        keys_made_zero,
        causal_too,
        flat_softmax,
        heads_flattened_wrong,
        first_row_for_all,
        lambda q, k, real: alignment(k, q, real),
    ],
}
RIGHT = {
    "23.1": [
        4 * (C * C + C) + 2 * C,
        2363904.0,
        Fraction(2_363_904),
        Decimal(2_363_904),
        torch.tensor(2_363_904),
        lambda: np.int32(2_363_904),
        lambda: sum(p.numel() for p in CrossAttention(C, 12).parameters()) + 2 * C,
        lambda: (4 * C + 6) * C,
    ],
    "23.2": [
        prefix_mask,
        filled_block,
        in_lists,
        np_mask,
        greater_of,
        by_triu,
        of_lengths(lambda n: n.clamp(min=1)),
        reshaped(lambda m: m.clone().to_sparse().to_dense().bool()),
        seen(lambda q, k, n: ~((k > q) & (k >= n))),
        seen(lambda q, k, n: k < torch.maximum(n, q + 1)),
    ],
    "23.3": [hide_spans, walked, from_the_end, np_spans, generated_spans],
    "23.4": [
        beam_search,
        stops_when_the_best_ended,
        never_stops_early,
        with_heap,
        in_numpy,
        recursive,
        few_of_each,
    ],
    "23.5": [
        alignment,
        as_loops,
        as_numpy,
        as_floats,
        by_attention,
        padding_left_out,
        renormalized,
        of_the_chapter,
        aligned(mean=lambda w: w.sum(1)),
        aligned(hide=lambda s, real: s.masked_fill(~real[:, None, None], -1e9)),
        aligned(place=lambda w: w.topk(1, dim=-1).indices[..., 0]),
    ],
}
