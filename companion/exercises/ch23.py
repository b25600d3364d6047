"""The checks of chapter 23, Encoders."""

import math
from random import Random

import torch

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter
from companion.exercises.settle import Record, as_list, type_name

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
            Those are the four matrices. Each projection has a bias, and there is a third norm.
        {MATRICES + BIASES}
            That is the cross-attention. It has a norm before it, as each part has.
        {MATRICES + NORM}
            The four projections have biases, C numbers each.
        {MATRICES + BIASES + C}
            A norm has a weight and a bias: 2 C numbers.
        {3 * (C * C + C) + NORM}
            Three projections make q, k and v; a fourth mixes the heads.
        {MATRICES + BIASES + 2 * NORM}
            There is one norm more, that before the cross-attention, and no second.
        {12 * (MATRICES + BIASES + NORM)}
            That is for twelve blocks. One `DecoderBlock` is asked for.
        {2 * (MATRICES + BIASES) + NORM} || {2 * (MATRICES + BIASES + NORM)}
            A `Block` has one attention already; a `DecoderBlock` has one more, with one norm.
        {3 * (C * C + C)}
            Three projections make q, k and v; a fourth mixes the heads. And where is the norm?
        {12 * (MATRICES + BIASES) + NORM}
            The heads share these matrices: each takes some of the columns.
        {2 * (MATRICES + BIASES) + 3 * NORM + MLP}
            That is a whole `DecoderBlock`. How many has it more than a `Block`?
        {MATRICES + BIASES + 2 * NORM + MLP}
            That is a whole `Block`. How many has a `DecoderBlock` more?
    """,
    right="A third more than the 7.1 million of a `Block`: to read a second text has its price.",
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
            That is the causal mask: the question should be seen in both directions.
        before | question => question
            Only the question is seen. A token of the answer sees itself and those before it.
        before | question => before & question
            You joined the two conditions by `and`; either is enough.
        place < lengths => place <= lengths
            The token at place `lengths[b]` is the first of the answer, no more the question.
        place < lengths => place + 1 < lengths
            The last token of the question is at place `lengths[b]` − 1, and belongs to it.
        = it.mT
            Queries and keys are exchanged: the query is the third dimension, the key the fourth.
        = ~it
            True is where a query may look; yours is True where it may not.
        before | question => (before & ~question) | (question & question.mT)
            The answer does not see the question in yours. It is what it should answer from.
        = torch.ones_like(it)
            Here a query sees keys after it that are not of the question.
        = it[:, 0]
            Your mask is (B, T, T). A dimension of size 1 for the heads belongs second.
        = it.float()
            The mask should be bool, as `attend` wants it; yours holds numbers.
        place <= place => place < place
            A token of the answer does not see itself in yours.
        before | question => before | question.mT
            Your question's tokens see everything. The question is what may be seen: ask it of the key.
        before | question => question & question.mT
            The answer's rows are empty. Its tokens see the question, themselves and those before.
        = prefix_mask(lengths.max().expand_as(lengths), T)
            Each row of the batch has a question of its own length; you took the longest for all.
        = prefix_mask(lengths[:1].expand_as(lengths), T)
            Each row of the batch has a question of its own length; you took the first's for all.
        place < lengths[:, None] => place >= T - lengths[:, None]
            The question stands at the beginning: its places are 0 to `lengths[b]` − 1.
        = torch.zeros(it.shape).masked_fill(~it, -torch.inf)
            That is to be added to scores. The mask should be bool, True where a query may look.
        = it.squeeze()
            `squeeze` takes the dimension of the batch away, too, where that is 1.
    """,
    right="The same weights are encoder, decoder or both; the mask alone decides.",
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
        raise Problem(f"Give two lists, (source, target); yours is one {type_name(found)}.")
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
            The target ends with one sentinel more, which says that nothing else is missing.
        first + number => first
        first + number => first ; first + len(spans) => first
            Each span has a sentinel of its own: `first`, `first + 1`, and so on.
        [*tokens[done:start], sentinel] => tokens[done:start] + [sentinel] * (end - start)
            A span becomes one sentinel, however long it is; else the source tells how much is missing.
        first + number => first + start
            The sentinels are counted, the second span's is `first + 1`, wherever it begins.
        = hide_spans(tokens, spans, first + 1)
            The first sentinel is `first`.
        first + number => first - number ; first + len(spans) => first - len(spans)
            The sentinels go up: `first`, `first + 1`.
        first + len(spans) => first || first + len(spans) - 1 || first + len(spans) + 1
            The last sentinel is the one after the last span's: `first` and the number of spans.
        [first + len(spans)] => [first + len(spans)] if spans else []
            Without a span the target is the last sentinel alone, which is then `first`.
        done = 0 => done = spans[0][0] if spans else 0
            What stands before the first span belongs into the source.
        done = end => done = start + end ; tokens[start:end] => tokens[start : start + end]
            You read a span as (start, length). It is (start, end).
        - source, target = [], []
        + source, target = list(tokens), []
        - source += [*tokens[done:start], sentinel]
        + source[start:end] = [sentinel]
        - source += tokens[done:]
            Each cut moves the tokens after it, so the next span is no more where it was.
        source += tokens[done:] => source += [*tokens[done:], first + len(spans)]
            The last sentinel stands in the target only: it hides nothing in the source.
        [*tokens[done:start], sentinel] => tokens[done:start]
            The source needs the sentinels: they say where something is missing.
        [sentinel, *tokens[start:end]] => [*tokens[start:end], sentinel]
            In the target a sentinel stands before what it hid.
        = hide_spans(tokens, [(start, end + 1) for start, end in spans], first)
            The end of a span is not hidden: (1, 3) hides the tokens 1 and 2.
        = hide_spans(tokens, [(start, end - 1) for start, end in spans], first)
            The end of a span is not included already: (1, 3) hides the tokens 1 and 2.
        source += tokens[done:] =>
            What stands after the last span belongs into the source.
        return source, target => return source, tokens
            The target has only what was hidden, each part behind its sentinel.
        return source, target => return target, source
            Source and target are exchanged.
        [sentinel, *tokens[start:end]] => [*tokens[start:end], sentinel] ; target += [first + len(spans)] =>
            In the target a sentinel stands before what it hid, and one more at the end.
        [sentinel, *tokens[start:end]] => tokens[start:end] ; target += [first + len(spans)] =>
            The target needs the sentinels: they say which gap the tokens fill.
    """,
    right="One pass fills gaps of any length, and the decoder writes only what is missing.",
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
        self.size, self.seed = given.get("tokens", 3), given.get("seed", 0)
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
            Only one beginning is kept. Keep `width` of them from round to round.
        total + p => p
            You compare the last tokens alone. Add up the log-probabilities of all.
        in open_ for => in kept for ; closed + grown => grown
        if beam not in closed => ; closed + grown => grown
            A text whose last token is `end` has ended: it stays as it is, and is not continued.
        closed + grown => grown
            Texts that have ended are gone in the next round. They stay, and compete.
        if not open_ => if closed ; kept[0] => (closed or kept)[0]
            You stop as soon as one text ends. Others may still overtake it.
        if not open_ => if closed
            You stop as soon as one text ends. All that are kept must have.
        kept[0] => (closed or kept)[0]
            At the end you prefer a text that has ended. The highest sum is the best.
        closed + grown => grown ; closed = [beam => closed += [beam ; kept[0] => max(closed + kept)
        closed + grown => grown ; [:width] => [: width - len(closed)] ; closed = [beam => closed += [beam ; kept[0] => max(closed + kept)
        - candidates = closed + grown
        + candidates = grown
        - kept = ranked[:width]
        - closed = [beam for beam in kept if beam[1][-1] == end]
        + kept = [beam for beam in ranked if beam[1][-1] != end][:width]
        + closed += [beam for beam in ranked[:width] if beam[1][-1] == end]
        - total, text = kept[0]
        + total, text = max(closed + kept)
        or
        - if not open_:
        + if not open_ or len(closed) >= width:
        - candidates = closed + grown
        + candidates = grown
        - kept = ranked[:width]
        - closed = [beam for beam in kept if beam[1][-1] == end]
        + kept = [beam for beam in ranked if beam[1][-1] != end][:width]
        + closed += [beam for beam in ranked[:width] if beam[1][-1] == end]
        - total, text = kept[0]
        + total, text = max(closed + kept)
        or
        - kept, closed = [(0.0, [])], []
        + kept, closed, done = [(0.0, [])], [], []
        - kept = ranked[:width]
        + done += closed
        + kept = ranked[:width]
        - total, text = kept[0]
        + total, text = max(done + kept)
            You set texts aside when they end. Here they compete with all others for the `width` places
            in each round, and one that falls out is gone.
        = it[:-1] if it[-1:] == [end] else it
            `end` is a token of the text, and belongs to it.
        key=lambda beam: beam[0] => key=lambda beam: beam[0] / len(beam[1])
            You divide by the length. Here the sums themselves are compared.
        , reverse=True =>
            You keep the least likely. The highest sum is the best; log-probabilities are negative.
        kept[0] => kept[-1]
            You give the last of the beams. The best has the highest sum.
        (0.0, []) => (1.0, []) ; total + p => total * p
            You multiply log-probabilities. The logarithm of a product is a sum.
        ranked[:width] => ranked[: width + 1]
            You keep one beginning more than `width`.
        ranked[:width] => ranked[: max(width - 1, 1)]
            You keep one beginning less than `width`.
        ranked[:width] => ranked[: 2 * width]
            You keep more beginnings than `width`.
        range(longest) => range(longest + 1)
            You go one round too many; `longest` rounds are the most.
        range(longest) => range(longest - 1)
            You stop one round before `longest`.
        range(longest) => range(max(longest, 1))
            With `longest` 0 there is no round: the best is the empty list.
    """,
    right="A worse first word can begin a better text; greedy search cannot find it.",
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
            Padding is looked at in yours. Hide it before the softmax.
        weights.mean(dim=1) => weights[:, 0]
            That is the first head. Take the mean over all of them.
        hidden.softmax(dim=-1) => hidden
            You compare means of scores, or products of weights, which is the same. First make weights of
            each head's scores, then the mean.
        / q.shape[-1] ** 0.5 =>
            The scores are to be divided by the root of D; else each head is surer than it is.
        mean.argmax(dim=-1) => mean.argmax(dim=1)
            For each key you give a query. The source's tokens lie along the last dimension.
        mean.argmax => weights.argmax
            You give one place for each head. First the mean over the heads, then the place.
        ~real => real
            `real` is True where a token is, not where padding is.
        -torch.inf => 0.0
            A score of 0 is no hiding: its weight is not 0. Put −∞ where padding is.
        hidden.softmax(dim=-1) => scores.softmax(dim=-1) * real[:, None, None]
            You hide padding after the softmax: it has taken its share then, and more of one head than of
            another.
        = alignment(q, k, torch.arange(k.shape[2]) < real.sum(1)[:, None])
            You take the first keys for the real ones. `real` may be False before them, too.
        = (real.cumsum(1) - 1).gather(1, it)
            You count the places without padding. The place is that in the whole row of `k`.
        hidden.softmax(dim=-1) => hidden.exp() / hidden.exp().sum(-1, keepdim=True)
            `exp` of a score of 200 is infinite, and ∞ / ∞ is NaN. `softmax` takes the largest score off
            first.
        hidden.softmax(dim=-1) => hidden.double().exp() || hidden.exp()
            Each head's weights sum to 1: divide by their sum before the mean.
        softmax(dim=-1) => softmax(dim=-2)
            You took the softmax along the queries. For each query the weights of the keys sum to 1.
        weights.mean => weights.amax
            You take the largest over the heads. The mean is wanted.
        mean.argmax(dim=-1) => weights.argmax(dim=-1).mode(dim=1).values
            You let the heads vote. First the mean of their weights, then the place.
        mean.argmax => mean.amax
            You give the largest weight. Where does it stand?
        = it + 1
            Places are counted from 0.
        q.shape[-1] ** 0.5 => q.shape[-1]
            The scores are to be divided by the root of D, not by D.
        ~real[:, None => ~real[:1, None
            You use the first row's `real` for all rows of the batch.
    """,
    right="This is how an alignment of two texts is read off a translator that was never shown one.",
)
def alignment(q, k, real):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    hidden = scores.masked_fill(~real[:, None, None], -torch.inf)
    weights = hidden.softmax(dim=-1)
    mean = weights.mean(dim=1)
    return mean.argmax(dim=-1)
