"""A trained model's parts at work on a sentence, in the terminal: `companion demo`.

Each part takes a Subject, a model with the sentence that it reads, and yields lines. Nothing is worked
out here that a chapter works out: rows, streams and logits are those of the model's own modules, and the
attention map is the one that `companion.show.measures` takes from CausalSelfAttention.project.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import exp, log, log2
from typing import Any

import regex
import torch
from torch.nn import functional as F

from companion.show.columns import LABEL, bar, fit, grid, places, shape, spell
from companion.show.measures import attention_layers, attention_weights, recorded_calls
from companion.village.reader import token_distributions

ODDS = 8
"""Next tokens whose odds are shown."""


@dataclass
class Subject:
    """What is shown, and how.

    Attributes:
        model: A GPT.
        tokenizer: The model's tokenizer.
        text: The text that the model reads.
        tokens: <|endoftext|> and the tokens of the text, (1, T) int64.
        width: Columns of the terminal.
        layer: Layer of the attention map. None lets the model choose.
        head: Head of the attention map. None lets the model choose.
    """

    model: Any
    tokenizer: Any
    text: str
    tokens: Any
    width: int = 80
    layer: int | None = None
    head: int | None = None

    @cached_property
    def ids(self) -> list[int]:
        """The T tokens' ids."""
        return self.tokens[0].tolist()

    @cached_property
    def logits(self):
        """What the model makes of the text, (T, V)."""
        with torch.no_grad():
            return self.model.eval()(self.tokens)[0].float().cpu()

    def spell(self, token: int) -> str:
        """A token as text that can be printed in a line."""
        if token == self.tokenizer.end:
            return "<end>"
        if token not in self.tokenizer.vocab:  # a row to spare, as many public models have
            return f"<{token}>"
        return spell(self.tokenizer.vocab[token])

    def quote(self, token: int) -> str:
        """A token in quotes, which show a space before a word."""
        word = self.spell(token)
        return word if word.startswith("<") else f"'{word}'"


# The parts, one a chapter


def tokenization(subject: Subject) -> Iterator[str]:
    """The pieces into which the text is cut, its tokens, and their bytes."""
    tokenizer = subject.tokenizer
    text = subject.text
    n = len(subject.ids) - len(tokenizer.encode(text))
    before = subject.ids[:n]  # what begins every text
    ids = subject.ids[n:]
    size = len(text.encode())
    yield f"text: {spell(text)}"
    yield f"{len(text):,} characters, {size:,} bytes → {len(ids):,} tokens, {size / len(ids):.2f} bytes each"
    yield f"vocabulary: {tokenizer.vocab_size:,} tokens, {type(tokenizer).__name__}"
    yield ""
    begun = pieces(tokenizer, text, ids)
    yield f"   at  {fit('piece', LABEL) + '  ' if begun else ''}{'token':{LABEL + 2}}     id  bytes"
    for at, token in enumerate(ids, start=n):
        piece = f"{fit(begun[at - n], LABEL)}  " if begun else ""
        raw = tokenizer.vocab[token]
        raw = raw.encode() if isinstance(raw, str) else raw
        yield f"{at:5}  {piece}{fit(subject.quote(token), LABEL + 2)}  {token:5}  {raw.hex(' ')}"
    yield ""
    yield f"back to text: {spell(tokenizer.decode(ids))}"
    for at, token in enumerate(before):
        name = spell(tokenizer.vocab[token])
        yield f"Before them, at position {at}, the model reads {name}, id {token}: T = {len(subject.ids)}."


def pieces(tokenizer, text: str, ids: Sequence[int]) -> list[str]:
    """For each token the piece of text that begins with it, "" inside of one; [] for a tokenizer without."""
    if not tokenizer.merges:
        return []
    starts = {}
    place = 0
    for piece in regex.findall(tokenizer.pattern, text):
        starts[place] = f"'{spell(piece)}'"
        place += len(piece.encode())
    begun = []
    place = 0
    for token in ids:
        begun.append(starts.get(place, ""))
        place += len(tokenizer.vocab[token])
    return begun


def embeddings(subject: Subject) -> Iterator[str]:
    """The embedding of each token: its first numbers, its length, and the most similar embeddings."""
    model = subject.model
    ids = subject.ids
    table = model.embed.token.weight.detach().float().cpu()  # (V, C)
    with torch.no_grad():
        x = model.eval().embed(subject.tokens, start=0)[0].float().cpu()  # (T, C)
    rows = table[ids]  # (T, C)
    alike = F.normalize(rows, dim=1) @ F.normalize(table, dim=1).T  # (T, V)
    alike[range(len(ids)), ids] = -2.0  # below any cosine: a row is not its own neighbour
    cosines, nearest = alike.topk(min(3, len(table) - 1))
    T = len(ids)
    V, C = table.shape
    yield f"token ids {shape(T)} → rows of the table {shape(V, C)} → {shape(T, C)}"
    if hasattr(model.embed, "position"):
        P = len(model.embed.position.weight)
        yield f"positions 0 to {T - 1} → rows of a table {shape(P, C)}, added → {shape(T, C)}"
    yield ""
    numbers = f"first 3 of {C}"
    yield f"   at  {'token':{LABEL}}     id  {numbers:17}  length  most similar rows (cosine)"
    for at, token in enumerate(ids):
        first = " ".join(f"{value:5.2f}" for value in rows[at, :3].tolist())
        line = f"{at:5}  {fit(subject.quote(token), LABEL)}  {token:5}  {first:17}  {rows[at].norm():6.2f}"
        for n, (cosine, other) in enumerate(zip(cosines[at].tolist(), nearest[at].tolist(), strict=True)):
            more = f"  {subject.spell(other).strip() or '␣'} {cosine:.2f}"
            if n == 0 or places(line + more) <= subject.width:  # as many as fit, one at least
                line += more
        yield line
    yield ""
    last = " ".join(f"{value:5.2f}" for value in x[-1, :3].tolist())
    yield f"What enters the first block at position {T - 1}: {last} …, length {x[-1].norm():.2f}."


def attention(subject: Subject) -> Iterator[str]:
    """The attention weights of one head as a map: a row for each query, a column for each key."""
    maps = attention_weights(subject.model, subject.tokens)  # (H, T, T) for each layer
    layer, head, why = pick_head(subject, maps)
    weights = maps[layer][head].tolist()
    heads = maps[layer].shape[0]
    T = len(weights)
    C = subject.model.config.d_model
    part = attention_layers(subject.model)[layer]
    yield f"layer {layer} of 0 to {len(maps) - 1}, head {head} of 0 to {heads - 1}: {type(part).__name__}"
    yield why
    shapes = f"x {shape(T, C)} → {queries_and_keys(subject)} → weights {shape(heads, T, T)}"
    yield f"{shapes}; one head's:"
    yield ""
    yield from grid(weights, [subject.spell(token) for token in subject.ids], subject.width)
    yield ""
    row = weights[-1]
    most = sorted(range(T), key=lambda j: -row[j])[:3]
    seen = ", ".join(f"{row[j]:.0%} to {subject.quote(subject.ids[j])} at {j}" for j in most)
    yield f"{subject.quote(subject.ids[-1])} attends {seen}."


def queries_and_keys(subject: Subject, keys: str = "k") -> str:
    """The shapes of queries and of keys: (H, T, D) each, where keys are not shared by several heads."""
    c = subject.model.config
    T = len(subject.ids)
    D = getattr(c, "head_width", c.d_model // c.n_heads)
    n_keys = getattr(c, "n_kv_heads", c.n_heads)
    if n_keys == c.n_heads:
        return f"q, {keys} {shape(c.n_heads, T, D)}{' each' if ',' in keys else ''}"
    return f"q {shape(c.n_heads, T, D)}, {keys} {shape(n_keys, T, D)}"


def pick_head(subject: Subject, maps: Sequence) -> tuple[int, int, str]:
    """The map to draw, and why: of the heads that were asked for, the one that looks back the hardest."""
    found = subject.logits[-1].argmax().item()
    here = [at for at, token in enumerate(subject.ids) if token == found]
    last = subject.quote(subject.ids[-1])
    name = subject.quote(found)
    if not here:  # not <end> and not the one before, at which some heads always look
        here = list(range(1, len(subject.ids) - 2))
    if subject.layer is not None and subject.head is not None:
        return subject.layer, subject.head, f"the most probable next token is {name}"
    layers = range(len(maps)) if subject.layer is None else [subject.layer]
    heads = range(maps[0].shape[0]) if subject.head is None else [subject.head]
    ranked = []
    for i, j in product(layers, heads):
        row = maps[i][j, -1].tolist()
        ranked.append((sum(row[at] for at in here), i, j))
    share, layer, head = max(ranked, key=lambda entry: entry[0])
    where = "further back than one token, <end> aside"
    if found in subject.ids:
        where = f"to {name}, the most probable next token"
    return layer, head, f"in this head {last} attends most {where}: {share:.0%}"


def blocks(subject: Subject) -> Iterator[str]:
    """The residual stream through the blocks: its length, what each part adds, the next token so far."""
    model = subject.model
    T = len(subject.ids)
    C = model.config.d_model
    d_ff = model.config.d_ff
    yield f"stream {shape(T, C)} through {len(model.blocks)} blocks"
    yield f"x + attn(norm_1(x)): {queries_and_keys(subject, 'k, v')} → {shape(T, C)}"
    yield f"x + mlp(norm_2(x)):  {shape(T, C)} → {shape(T, d_ff)} → {shape(T, C)}"
    yield ""
    last = subject.quote(subject.ids[-1])
    yield f"Lengths: means over the {T} tokens. Next: the most probable token after {last},"
    yield "if the last norm and the head read the stream at this block."
    yield ""
    yield "          stream  + attention  + MLP  next"
    for name, x, attended, computed in stream(subject):
        added = f"{length(attended):11.2f}  {length(computed):5.2f}" if attended is not None else " " * 18
        token, share = read_off(model, x)
        yield f"{name:8}  {length(x):6.2f}  {added}  {subject.quote(token)} {share:.0%}"


def length(x) -> float:
    """The mean length of the vectors in x (T, C)."""
    return x.norm(dim=-1).mean().item()


def read_off(model, x) -> tuple[int, float]:
    """The likeliest next token and its probability, if the last norm and the head read x (T, C)."""
    with torch.no_grad():
        share, token = model.logits(model.norm(x[-1:])).float().softmax(-1)[0].max(-1)
    return token.item(), share.item()


def stream(subject: Subject) -> list[tuple]:
    """(name, x, what attention added, what the MLP added) for what enters and leaves each block, x (T, C)."""
    model = subject.model
    with recorded_calls(model) as calls:
        model(subject.tokens)
    output = {part: out for part, _, out in calls}
    found = [("embed", output[model.embed][0], None, None)]
    for i, block in enumerate(model.blocks):
        found.append((f"block {i}", output[block][0], output[block.attn][0], output[block.mlp][0]))
    return found


def gpt(subject: Subject) -> Iterator[str]:
    """The parameters of each part, and the five most probable next tokens."""
    model = subject.model
    config = model.config
    T = len(subject.ids)
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        names = name.split(".")[:-1]
        key = f"blocks.{names[2]}" if names[0] == "blocks" else ".".join(names[:2])
        counts[key] = counts.get(key, 0) + parameter.numel()
    total = sum(counts.values())
    yield f"{type(model).__name__}, {total:,} parameters: {config.n_layers} blocks, {config.d_model} wide"
    yield ""
    for name, count in counts.items():
        each = f"{config.n_layers} x {count // config.n_layers:,}" if name.startswith("blocks.") else ""
        share = count / total
        yield f"{name:16} {count:>12,} {share:7.1%}  {bar(share, 20):20}  {each}".rstrip()
    if getattr(model, "head", None) is None:
        rows = next(name for name, part in model.named_modules() if part is model.embed.token)
        yield f"{'head':16} {0:>12,} {0:7.1%}  {rows} is used again"
    yield ""
    V = config.vocab_size
    C = config.d_model
    yield f"tokens {shape(T)} → stream {shape(T, C)} → logits {shape(T, V)}; its last row:"
    yield ""
    yield f"{spell(subject.text)} …"
    shares, tokens = subject.logits[-1].softmax(-1).topk(min(5, V))
    for share, token in zip(shares.tolist(), tokens.tolist(), strict=True):
        yield f"  {fit(subject.quote(token), LABEL + 2)} {share:7.2%}  {bar(share, 40)}".rstrip()
    yield f"  {f'the other {V - len(tokens):,}':{LABEL + 2}} {max(0.0, 1 - sum(shares.tolist())):7.2%}"


def next_odds(subject: Subject) -> tuple[list[tuple[int, float, float | None]], str]:
    """The likeliest next tokens: (token, the model's probability, the true one, which the village knows).

    The true one is None where the village could not have told the text. A sentence says who knows it, or at
    which word the truth ends.
    """
    shares = dict(enumerate(subject.logits[-1].softmax(-1).tolist()))
    truths, note = true_odds(subject.text, subject.tokenizer)
    truth = truths[-1] if len(truths) == len(subject.ids) else {}
    most = sorted(shares, key=lambda token: -max(shares[token], truth.get(token, 0)))[:ODDS]
    rows = []
    for token in most:
        rows.append((token, shares[token], truth.get(token, 0.0) if truth else None))
    return rows, note


def odds(subject: Subject) -> Iterator[str]:
    """The odds of the next token: the model's beside the true ones, which the village knows."""
    rows, note = next_odds(subject)
    has_truth = rows[0][2] is not None
    yield from textwrap.wrap(f"{spell(subject.text)} …", 80)
    yield ""
    yield f"  {'next token':{LABEL + 2}} {'model':28} {'truth' if has_truth else ''}".rstrip()
    for token, share, truth in rows:
        yield odds_line(subject.quote(token), share, truth)
    yield ""
    yield from textwrap.wrap(note, 80)


def odds_line(name: str, share: float, truth: float | None) -> str:
    """A line with a token's odds: the model's, and the true ones unless they are None."""
    line = f"  {fit(name, LABEL + 2)} {share:7.2%} {bar(share, 20):20}"
    if truth is not None:
        line += f" {truth:7.2%} {bar(truth, 20)}"
    return line.rstrip()


def true_odds(text: str, tokenizer) -> tuple[list[dict[int, float]], str]:
    """The true distribution at each token of a text, as far as the village could have told the text.

    Returns:
        The distributions, and a sentence that says who knows them, or at which word they end.
    """
    truths = []
    try:
        for truth in token_distributions(text, tokenizer):
            truths.append(truth)
    except ValueError as error:
        return truths, f"The truth ends where the village could not have told the text: {error}."
    return truths, "The truth is what the perfect reader expects, who knows the village's rules."


def odds_of_tokens(subject: Subject) -> Iterator[str]:
    """The odds of each token of the text: the model's beside the true ones; and what the tokens cost."""
    nats = -subject.logits.log_softmax(-1)
    truths, note = true_odds(subject.text, subject.tokenizer)
    yield f"  {'token':{LABEL + 2}} {'model':28} truth"
    paid = 0.0  # bits, at the n_known tokens that could come
    must_pay = 0.0
    n_known = 0
    for t, token in enumerate(subject.ids[1:]):
        surprise = nats[t, token].item()
        truth = truths[t].get(token, 0.0) if t < len(truths) else None
        yield odds_line(subject.quote(token), exp(-surprise), truth)
        if truth:
            paid += surprise / log(2)
            must_pay -= log2(truth)
            n_known += 1
    cost = f"For {n_known} tokens the model pays {paid:.1f} bits and the perfect reader {must_pay:.1f}."
    yield ""
    yield from textwrap.wrap(f"{note} {cost}", 80)
