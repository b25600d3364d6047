"""The checks of chapter 23, Encoders."""

import math
from random import Random

import torch

from companion.exercises.normalize import Record, as_list, type_name
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

# -- 23.1 -----------------------------------------------------------------
C = 768
MATRICES = 4 * C * C
BIASES = 4 * C
NORM = 2 * C
MLP = 8 * C * C + 5 * C

chapter.number(
    "23.1 What a second text costs ★",
    wants="extra_parameters()",
    answer=MATRICES + BIASES + NORM,
    tolerance=0.5,
    mistakes=f"""
        {MATRICES}
            That counts only the four matrices. Each projection also has a bias, and there is a third norm.
        {MATRICES + BIASES}
            That is the cross-attention alone. There is also a norm before it, as before each part.
        {MATRICES + NORM}
            You left out the biases of the four projections. Each has C numbers.
        {MATRICES + BIASES + C}
            You counted only half of the norm. A norm has a weight and a bias, together 2 C numbers.
        {3 * (C * C + C) + NORM}
            You counted three projections, for q, k and v. A fourth one, `o_proj`, mixes the heads.
        {12 * (MATRICES + BIASES + NORM)}
            That is for twelve blocks. The question is about a single `DecoderBlock`.
        {2 * (MATRICES + BIASES) + NORM} || {2 * (MATRICES + BIASES + NORM)}
            You counted two attention layers. A `Block` already has one, so only one is added, with its norm.
        {2 * (MATRICES + BIASES) + 3 * NORM + MLP}
            That is a whole `DecoderBlock`. How many more parameters does it have than a `Block`?
    """,
    right="A `Block` has 7.1 million parameters. To read a second text costs a third more.",
)


# -- 23.2 -----------------------------------------------------------------
def random_lengths(seed):
    generator = torch.Generator().manual_seed(seed)
    for b, t in ((3, 6), (2, 7), (5, 4)):
        yield torch.randint(0, t + 1, (b,), generator=generator), t


@chapter.function(
    "23.2 Both in one mask ★★",
    inputs="""
        torch.tensor([2]), 3 || torch.tensor([1]), 3 || torch.tensor([0]), 1 || torch.tensor([0, 3]), 3
        torch.tensor([2, 4]), 5
    """,
    cases=random_lengths,
    mistakes="""
        before | question => before.expand_as(question)
            That is the causal mask. The question must be read in both directions.
        before | question => question
            Your tokens see only the question. A token of the answer must also see itself and the answer
            before it.
        before | question => before & question
            You joined the two conditions by `and`. It is enough if one of them holds.
        place < lengths => place <= lengths
            Your question is one token too long. The token at position `lengths[b]` already belongs to the
            answer.
        place < lengths => place + 1 < lengths
            Your question is one token too short. Its last token stands at position `lengths[b]` − 1.
        before | question => (before & ~question) | (question & question.mT)
            In your mask the answer does not see the question. It must, or else it cannot answer it.
        = it[:, 0]
            Your mask is (B, T, T). The second dimension must have size 1, for the heads.
        place <= place => place < place
            In your mask, a token of the answer does not see itself. It must.
        before | question => before | question.mT
            The tokens of your question see the answer, too. The second condition is about the key, not the
            query.
        = prefix_mask(lengths.max().expand_as(lengths), T)
            You used the longest question for all rows. Each row of the batch has a question of its own
            length.
        = torch.zeros(it.shape).masked_fill(~it, -torch.inf)
            This is a mask to add to the scores. Return a bool tensor that is True where a query may look.
    """,
    right="The mask alone decides whether the same weights act as an encoder, a decoder, or both.",
)
def prefix_mask(lengths, T):
    place = torch.arange(T)
    before = place <= place[:, None]
    question = (place < lengths[:, None])[:, None].expand(-1, T, -1)
    mask = before | question
    return mask[:, None]


# -- 23.3 -----------------------------------------------------------------
def random_spans(seed):
    rng = Random(seed)
    for n in (9, 13, 20):
        cuts = sorted(rng.sample(range(n), 6))
        tokens = [rng.randrange(40) for _ in range(n)]
        yield tokens, list(zip(cuts[::2], cuts[1::2], strict=True)), 60 + seed


def source_and_target(answer, tokens, spans, first):
    found = answer(tokens, spans, first)
    both = as_list(found)
    if found is None:
        return found
    if both is None or len(both) != 2:
        raise Problem(f"Return two lists, (source, target); yours is one {type_name(found)}.")
    return Record("", {"source": both[0], "target": both[1]})


@chapter.function(
    "23.3 Spans, as T5 hides them ★★",
    inputs="""
        [5, 6, 7, 8, 9], [(1, 3), (4, 5)], 100
        [5, 6, 7, 8, 9], [(0, 2)], 50 || [5, 6, 7], [], 50
        [5, 6, 7, 8], [(0, 1), (2, 3)], 30
        [5, 6], [(0, 2)], 30
        [7, 7, 0, 7], [(1, 2), (3, 4)], 40
    """,
    cases=random_spans,
    call=source_and_target,
    mistakes="""
        target += [first + len(spans)] =>
            The last sentinel of the target is missing. It says that nothing else was hidden.
        first + number => first
        first + number => first ; first + len(spans) => first
            You used the same sentinel for all spans. Each span has its own: `first`, `first + 1`, and so on.
        [*tokens[done:start], sentinel] => tokens[done:start] + [sentinel] * (end - start)
            A span becomes a single sentinel, however long it is. Otherwise the source would show how much is
            missing.
        first + len(spans) => first || first + len(spans) - 1 || first + len(spans) + 1
            The last sentinel of the target is wrong. It is `first` plus the number of spans.
        [first + len(spans)] => [first + len(spans)] if spans else []
            If there is no span, the target still has one sentinel, which is then `first`.
        done = end => done = start + end ; tokens[start:end] => tokens[start : start + end]
            You treated a span as (start, length). It is (start, end).
        - source, target = [], []
        + source, target = list(tokens), []
        - source += [*tokens[done:start], sentinel]
        + source[start:end] = [sentinel]
        - source += tokens[done:]
            When you replace a span, the tokens after it move, so the next span is no longer at its position.
        source += tokens[done:] => source += [*tokens[done:], first + len(spans)]
            The last sentinel belongs only in the target, because it hides nothing.
        [sentinel, *tokens[start:end]] => [*tokens[start:end], sentinel]
            In the target, a sentinel must stand before the tokens that it hides.
        = hide_spans(tokens, [(start, end + 1) for start, end in spans], first)
            You hid one token too many. The end is not included: (1, 3) hides tokens 1 and 2.
    """,
    right="A gap may now have any length, and the decoder writes only what is missing.",
)
def hide_spans(tokens, spans, first):
    source, target = [], []
    done = 0
    for number, (start, end) in enumerate(spans):
        sentinel = first + number
        source += [*tokens[done:start], sentinel]
        target += [sentinel, *tokens[start:end]]
        done = end
    source += tokens[done:]
    target += [first + len(spans)]
    return source, target


# -- 23.4 -----------------------------------------------------------------
class Table:
    """Log-probabilities of each token after a text: those given, or drawn from the text and a seed."""

    def __init__(self, given):
        self.size = given.get("tokens", 3)
        self.seed = given.get("seed", 0)
        self.given = given

    def __call__(self, tokens):
        key = tuple(int(token) for token in tokens)
        if key in self.given:
            return [math.log(p) for p in self.given[key]]
        rng = Random(f"{self.seed} {key}")
        weights = [rng.random() ** 3 + 1e-3 for _ in range(self.size)]
        return [math.log(w / sum(weights)) for w in weights]


REGRET = {(): (0.55, 0.44, 0.01), (0,): (0.31, 0.36, 0.33), (1,): (0.05, 0.05, 0.9)}
SHORT = {(): (0.5, 0.1, 0.4), (0,): (0.6, 0.3, 0.1), (0, 0): (0.2, 0.1, 0.7)}
CLOSE = {(): (0.4331, 0.43314, 0.13376)}
FALLEN = {
    (): (0.8, 0.05, 0.15),  # [2] has ended, with 0.15
    (0,): (0.45, 0.5, 0.05),  # 0.36 and 0.4: both are before it, so it falls out
    (0, 0): (0.34, 0.35, 0.31),
    (0, 1): (0.3, 0.36, 0.34),  # 0.144 at most: it would be the best again
}


def drawn_tables(seed):
    for number, (size, width, longest) in enumerate(((4, 2, 5), (5, 3, 6), (3, 4, 4), (6, 5, 7), (4, 1, 6))):
        yield {"tokens": size, "seed": 100 * seed + number}, number % size, width, longest


def with_table(answer, given, end, width, longest):
    return answer(Table(given), end, width, longest)


@chapter.function(
    "23.4 Beam search ★★★",
    inputs="""
        REGRET, 2, 2, 0 || CLOSE, 2, 1, 1 || SHORT, 2, 2, 1 || REGRET, 2, 1, 2 || REGRET, 2, 2, 2
        SHORT, 2, 2, 3 || SHORT, 2, 1, 3 || FALLEN, 2, 2, 3
        {"tokens": 2, "seed": 2}, 1, 3, 1
    """,
    cases=drawn_tables,
    call=with_table,
    order=lambda args: ("seed" in args[0], args[3], args[2]),  # those worked by hand first, then few rounds
    shown="{f}(step, {1}, {2}, {3}), where exp of step's numbers is {0}",
    mistakes="""
        ranked[:width] => ranked[:1]
            You keep only one beginning. Keep `width` of them in each round.
        total + p => p
            You compare only the last tokens. Add up the log-probabilities of all tokens.
        in open_ for => in kept for ; closed + grown => grown
        if beam not in closed => ; closed + grown => grown
            You continue a text that has ended. A text whose last token is `end` stays as it is.
        closed + grown => grown
            You lose the texts that have ended. They stay in the list and compete with the others.
        if not open_ => if closed
            You stop as soon as one text has ended. Stop when all the texts that you keep have ended.
        kept[0] => (closed or kept)[0]
            At the end you prefer a text that has ended. Return the one with the highest sum, whether it has
            ended or not.
        closed + grown => grown ; closed = [beam => closed += [beam ; kept[0] => max(closed + kept)
            You set texts aside when they end. Here they compete with all others for the `width` places in
            each round. A text that does not get a place is forgotten, even if it has ended.
        key=lambda beam: beam[0] => key=lambda beam: beam[0] / len(beam[1])
            You divide by the length. This exercise compares the sums themselves.
        , reverse=True =>
            You keep the least likely beginnings. Log-probabilities are negative, and the highest sum is the
            best.
        range(longest) => range(max(longest, 1))
            If `longest` is 0, there is no round, and the result is the empty list.
    """,
    right="A less likely first token can begin a better text, which greedy decoding cannot find.",
)
def beam_search(step, end, width, longest):
    kept, closed = [(0.0, [])], []
    for _ in range(longest):
        open_ = [beam for beam in kept if beam not in closed]
        if not open_:
            break
        grown = [(total + p, [*text, i]) for total, text in open_ for i, p in enumerate(step(text))]
        candidates = closed + grown
        ranked = sorted(candidates, key=lambda beam: beam[0], reverse=True)
        kept = ranked[:width]
        closed = [beam for beam in kept if beam[1][-1] == end]
    total, text = kept[0]
    return text


# -- 23.5 -----------------------------------------------------------------
def by_hand(scores, real):
    """q and k (1, H, …, 1) with these scores, (H, Tk): one query, which is 1."""
    k = torch.tensor(scores)[None, :, :, None]
    return torch.ones(1, len(scores), 1, 1), k, torch.tensor([real])


def random_heads(seed):
    generator = torch.Generator().manual_seed(seed)
    for b, h, tq, tk, d in ((1, 1, 2, 3, 4), (2, 3, 4, 5, 2), (3, 2, 5, 7, 6), (2, 4, 3, 6, 16)):
        q = 2 * torch.randn(b, h, tq, d, generator=generator)
        k = 2 * torch.randn(b, h, tk, d, generator=generator)
        real = torch.rand(b, tk, generator=generator) < 0.6
        real[:, seed % tk] = True
        yield q, k, real
        padded_right = torch.arange(tk) < torch.randint(1, tk + 1, (b, 1), generator=generator)
        yield q.flip(0), k, padded_right


@chapter.function(
    "23.5 Who looks where ★★",
    inputs="""
        *by_hand([[0.0, 2.0]], [True, True])
        *by_hand([[3.0, 1.0]], [False, True])  # padding on the left
        *by_hand([[-3.0, -2.0, 5.0]], [True, True, False])
        *by_hand([[5.0, 1.0, 4.0, 2.0]], [False, True, False, True])
        *by_hand([[3.0, 0.0, 2.5], [0.0, 2.0, 0.0]], [True, True, True])  # the mean of the scores says 0
        *by_hand([[198.0, 200.0, 0.0]], [True, True, True])  # exp of these is infinite in float32
    """,
    cases=random_heads,
    mistakes="""
        hidden.softmax => scores.softmax
            Your queries look at padding. Hide it before the softmax.
        weights.mean(dim=1) => weights[:, 0]
            You used only the first head. Take the mean over all heads.
        hidden.softmax(dim=-1) => hidden
            You compare means of scores, or products of weights, which gives the same order. First apply the
            softmax to each head's scores, then take the mean.
        / q.shape[-1] ** 0.5 =>
            You did not divide the scores by the square root of D. Without it, each head's weights are too
            extreme.
        mean.argmax(dim=-1) => mean.argmax(dim=1)
            You found a query for each key. Find a key for each query: the keys lie along the last dimension.
        -torch.inf => 0.0
            A score of 0 does not hide padding, because its weight is not 0. Set the score to −∞ there.
        hidden.softmax(dim=-1) => scores.softmax(dim=-1) * real[:, None, None]
            You hide padding after the softmax. By then it has already taken a share of the weight, which is
            larger in one head than in another.
        = alignment(q, k, torch.arange(k.shape[2]) < real.sum(1)[:, None])
            You assume that the real tokens come first. Padding may also stand before them.
        = (real.cumsum(1) - 1).gather(1, it)
            You counted positions without the padding. Return positions in the whole row of `k`.
        hidden.softmax(dim=-1) => hidden.exp() / hidden.exp().sum(-1, keepdim=True)
            `exp` of a score of 200 is infinite, and ∞ / ∞ is NaN. `softmax` avoids this by subtracting the
            largest score first.
        hidden.softmax(dim=-1) => hidden.double().exp() || hidden.exp()
            The weights of each head must sum to 1. Divide by their sum before you take the mean.
        softmax(dim=-1) => softmax(dim=-2)
            You took the softmax over the queries. Take it over the keys, so that each query's weights sum to
            1.
        q.shape[-1] ** 0.5 => q.shape[-1]
            You divided the scores by D. Divide them by the square root of D.
    """,
    right="In this way you can read an alignment off a translator that was never trained to align.",
)
def alignment(q, k, real):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    hidden = scores.masked_fill(~real[:, None, None], -torch.inf)
    weights = hidden.softmax(dim=-1)
    mean = weights.mean(dim=1)
    return mean.argmax(dim=-1)
