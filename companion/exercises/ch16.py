"""The checks of chapter 16, Instructions."""

import random
import string
from collections import Counter

import torch

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter

chapter = Chapter()

# -- 16.1 -----------------------------------------------------------------

# The answers have 12 * 35 = 420 targets, and the stories 4 * 120 = 480.
chapter.number(
    "16.1 What the answers count ★",
    wants="share_of_the_answers()",
    answer=420 / 900,
    tolerance=0.001,
    mistakes="""
        0.75
            That is the share of the rows. The mean is over targets, and a story has more of them.
        0.25
            That is the share of the rows that are stories.
        480 / 900
            That is the stories' share. The answers' is wanted.
        420 / 480
            That is answers for each target of a story: compare with all targets.
        480 / 420
            That is targets of stories for each of an answer.
        35 / 155
            That would be so with as many conversations as stories. Here they are 12 and 4.
        35 / 190
            Of a conversation's tokens that is the share that is learned. The rest is no target.
        12 * 190 / (12 * 190 + 480)
            Of a conversation only the 35 tokens of answers are targets.
        420 / (12 * 190 + 480)
            What is not learned is no target: it counts in no mean.
        2 / 3
            That is the example's share. Here other numbers are given.
        46.7 || 46.67 || 100 * 420 / 900
            Is that in percent? As a share, 40 % is 0.4.
        420
            That is how many targets the answers have. What share of all is it?
        0.47
            Rounded? The share is wanted to within a thousandth.
        0.5
            That would be a guess. Count the targets of both kinds.
    """,
    right="The stories are a quarter of the rows and more than half of the loss, because the mean is over "
    "targets.",
)

# -- 16.2 -----------------------------------------------------------------


def marks_cases(seed):
    rng = random.Random(seed)
    for _ in range(5):
        user, assistant, end, ids = 90, 91, 92, [0]
        for _ in range(rng.randint(1, 4)):
            ids += [user, *rng.choices(range(1, 9), k=rng.randint(1, 4)), end]
            ids += [assistant, *rng.choices(range(1, 9), k=rng.randint(0, 4)), end]
        yield ids, assistant, end


@chapter.function(
    "16.2 Marks from the row alone ★",
    inputs="""
        [0, 8, 7, 10, 9, 3, 10], 9, 10 || [], 9, 10 || [9], 9, 10 || [9, 10], 9, 10 || [10, 10], 9, 10
        [1, 2, 3], 9, 10 || [9, 3], 9, 10 || [9, 3, 4, 10, 5], 9, 10
        [8, 5, 10, 9, 6, 10, 8, 7, 10, 9, 4, 10], 9, 10
        [8, 5, 10, 9, 6, 6, 10, 8, 7, 10, 9, 4, 4, 4], 9, 10
        [8, 5, 10, 9, 6, 10, 0, 8, 7, 10], 9, 10
        [3, 1, 5, 3, 2, 0, 5], 3, 5 || [8, 0, 3, 10], 0, 10 || [9, 3, 0, 4], 9, 0 || [137, 5, 10], 9, 10
        [9, 1, 10] * 4, 9, 10 || [9, 1, 10] * 12, 9, 10 || [9, *range(20, 40)], 9, 10
        [8, 5, 10, 9, *range(100, 400), 10, 8], 9, 10
        # Equal numbers, each an object of its own: `is` says no where `==` says yes.
        [int(i) for i in "1000 300 1001 5 1000 6".split()], int("1000"), int("1001")
    """,
    cases=marks_cases,
    mistakes="""
        found.append(inside) => found.append(inside or i == assistant)
            The token that begins the answer is given, not said: it has no mark.
        found.append(inside) => found.append(inside and i != end)
            The answer's end is learned, too: else the model would never stop.
        inside = False => pass
            Behind the answer's end the user speaks again, without a mark.
        - inside = False
        + if inside:
        +     return found + [False] * (len(ids) - len(found))
            Only the first answer is marked. A conversation may have several.
        = [mark and assistant not in ids[k:] for k, mark in enumerate(it)]
            Only the last answer is marked. Each is learned.
        = [not mark for mark in it]
            True and False have changed places.
        found.append(inside) => found.append(inside and i != end or i == assistant)
            The token that begins the answer is marked, and the one that ends it is not.
        = [*it[1:], False][: len(ids)]
            Those are marks for `y`, one place earlier. They belong to the ids themselves.
    """,
    right="The row alone tells who spoke, because no user can type these tokens. So the marks need not be "
    "stored with it.",
)
def marks(ids, assistant, end):
    found, inside = [], False
    for i in ids:
        found.append(inside)
        if i == end:
            inside = False
        elif i == assistant:
            inside = True
    return found


# -- 16.3 -----------------------------------------------------------------


def words(text):
    marks = string.punctuation
    kept = "".join(c for c in text.lower() if c not in marks)
    return kept.split()


def f1_cases(seed):
    rng = random.Random(seed)
    vocabulary = "Mara Otto has the key is at mill five plums".split()
    for _ in range(5):
        yield tuple(" ".join(rng.choices(vocabulary, k=rng.randint(1, 7))) + "." for _ in range(2))


@chapter.function(
    "16.3 Half right ★★",
    helpers=(words,),
    inputs=r"""
        "Mara has it.", "Mara has the key."
        "Mara.", "Mara has the key." || "Mara has the key.", "Mara." || "Mara", "mara!"
        "Mara has it", "mara has it" || "Mara!", "Mara" || "", "Mara." || "...", "Mara." || "Otto.", "Mara."
        "the the the", "the key" || "the key", "the the the"
        "key the has Mara", "Mara has the key."
        "It's Mara's.", "Its Maras" || "a b c d", "a b" || "a b", "a b c d" || "well-known", "wellknown"
        "", "" || "...", "..." || "...", "!?" || "Mara - no", "Mara no" || "-", "!"
        "Mara  has it", "Mara has it" || "Mara\nhas it", "Mara has it" || "Mara\thas it", "Mara has it"
        " Mara has it\n", "mara  HAS\r\nit"
        "five\u00a0plums", "five plums"
        "the_key", "thekey" || "a\\b", "ab" || "[a]^b", "ab"
        "100% (or $5) @ #1 <a> {b} ~c `d` |e| =f +g *h &i /j", "100 or 5 1 a b c d e f g h i j"
        "5 plums", "6 plums" || "K\u00e4se", "Kse" || "\u00c4PFEL", "\u00e4pfel" || "\u201cMara\u201d", "Mara"
        "plums", "plum" || "he has it", "the mill has it"
        "the key the mill", "the key the mill"
        "the the the", "the the the"
        "a b c d e f g h i", "a b c d e f g h x"
        "a b c d e f g h i j k l m n o p q r s t", "a b c d e f g h i j k l m n o p q r s x"
        "so " * 9, "so " * 11
    """,
    cases=f1_cases,
    mistakes="""
        2 * precision * recall / (precision + recall) => precision
            That is the precision: how much of what was said is right.
        2 * precision * recall / (precision + recall) => recall
            That is the recall: of the truth, how much was said.
        2 * precision * recall / (precision + recall) => (precision + recall) / 2
            That is the plain mean. F1 is 2pr / (p + r).
        2 * precision * recall / (precision + recall) => common / (len(a) + len(b) - common)
            That is the overlap over the union, not F1.
        a, b = words(said), words(truth) => a, b = set(words(said)), set(words(truth))
            Words count, not kinds of words: three times 'the' are three words, in p and in r.
        sum((Counter(a) & Counter(b)).values()) => len(set(a) & set(b))
            A word that stands twice in both texts is twice in common.
        sum((Counter(a) & Counter(b)).values()) => sum(word in b for word in a)
            A word that was said three times and is true once has one in common, not three.
        sum((Counter(a) & Counter(b)).values()) => sum(word in a for word in b)
            A word that is true three times and was said once is once in common, not three times.
        c for c in text.lower() if c not in marks => " " if c in marks else c for c in text.lower()
        c for c in text.lower() if c not in marks => c if c.isalnum() or c == "_" else " " for c in text.lower()
            Marks are taken out, and what is left and right of one stays together: it cuts no word in
            two.
        kept.split() => [word.strip(marks) for word in text.lower().split()]
            Marks go from inside a word, too, and one that stands alone leaves no word behind.
        kept.split() => kept.split(" ")
            `split(' ')` leaves empty words; `split()` none.
        = float(words(said) == words(truth))
            That is right or wrong. Half right is wanted.
        kept.split() => text.split()
            Marks and capitals count for nothing: take them out first.
        kept.split() => text.lower().split()
            Marks count for nothing: take them out first.
        in text.lower() => in text
            Capitals count for nothing.
    """,
    right="The reading test SQuAD uses this score, without the words *a*, *an* and *the*. F1 forgives a "
    "missing word, but it also gives 0.75 to the right sentence with the wrong name. So in the village, "
    "where every answer has one form, judging word for word is fairer.",
)
def f1(said, truth):
    a, b = words(said), words(truth)
    common = sum((Counter(a) & Counter(b)).values())
    if not common:
        return 0.0
    precision, recall = common / len(a), common / len(b)
    return 2 * precision * recall / (precision + recall)


# -- 16.4 -----------------------------------------------------------------


def keep_cases(seed):
    rng = random.Random(seed)
    for _ in range(6):
        lengths = [rng.randint(1, 9) for _ in range(rng.randint(2, 8))]
        yield lengths, rng.randint(lengths[0], sum(lengths) + 2)


@chapter.function(
    "16.4 Which exchanges stay ★★",
    inputs="""
        [5], 5 || [5], 4 || [5, 3], 8 || [5, 3], 7 || [5, 3, 4], 9 || [5, 3, 4], 12 || [5, 9, 1, 1], 7
        [5, 1, 9, 1], 8 || [2, 1, 1, 1, 1], 4 || [1, 2, 3, 4], 100 || [4, 4, 1], 5 || [9, 1, 1], 3
        [3, 2, 2, 2], 7 || [5, 3, 0, 4], 9 || [0, 1], 0 || [0], 0 || [5], 0 || [5, 3, 0, 4], 12
        [1, 100, 100, 100], 150 || [1] * 12, 12 || [1] * 40, 39 || [120, 35, 40, 31, 38], 200
    """,
    cases=keep_cases,
    mistakes="""
        = [i for i in range(len(lengths)) if sum(lengths[i:]) <= room]
            The first exchange always stays: in it is the story.
        range(len(lengths) - 1, 0, -1) => range(1, len(lengths)) ; reversed(kept) => kept
            Those are the oldest that fit. After the first, the newest count.
        break => continue
            Once an exchange does not fit, no older one may stay: there would be a hole.
        lengths[i] > left => lengths[i] >= left
            What fits exactly fits.
        reversed(kept) => kept
            The order of the conversation is wanted, oldest first.
        raise ValueError("the first exchange does not fit") => return []
            Where the first does not fit, a ValueError is wanted: the story is not to be lost.
        = [lengths[i] for i in it]
            The indices are wanted, not the lengths.
        = len(it)
            That is how many. Which are they?
        left = room - lengths[0] => left = room
            The first exchange takes room, too.
    """,
    right="Many chat programs do this. They keep the beginning, which is often a system message, and drop "
    "the middle.",
)
def keep(lengths, room):
    if lengths[0] > room:
        raise ValueError("the first exchange does not fit")
    left = room - lengths[0]
    kept = []
    for i in range(len(lengths) - 1, 0, -1):
        if lengths[i] > left:
            break
        left -= lengths[i]
        kept.append(i)
    return [0, *reversed(kept)]


# -- 16.5 -----------------------------------------------------------------


def first_mistakes_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(1, 1, 3), (1, 2, 3), (2, 3, 4), (3, 5, 4), (5, 7, 3), (4, 6, 5)]
    for number, (B, T, V) in enumerate(shapes if seed == 0 else shapes[2:]):
        logits = torch.randn(B, T, V, generator=generator)
        tokens = torch.randint(V, (B, T + 1), generator=generator)
        agree = torch.rand(B, T, generator=generator) < 0.75
        tokens[:, 1:] = torch.where(agree, logits.argmax(-1), tokens[:, 1:])
        learned = torch.rand(B, T + 1, generator=generator) < 0.6
        learned[0] = number % 2 == 0
        yield logits, tokens, learned
    if seed == 0:
        yield from extremes()


def extremes():
    """Scores that are large, or nearly equal; a long row with a mistake far behind, and one of mistakes."""
    for pair in ([100.0, 200.0], [1e5, 2e5], [10.0, 10.01], [1.001, 1.002], [-2e5, -1e5], [-1.002, -1.001]):
        for token in (0, 1):
            yield torch.tensor([[pair]]), torch.tensor([[0, token]]), torch.ones(1, 2).bool()
    few = torch.tensor([[[-torch.inf, 0.5, -torch.inf], [-torch.inf, -torch.inf, -1.0]]])
    for token in (1, 2):
        yield few, torch.tensor([[0, 1, token]]), torch.tensor([[False, True, True]])
    many = torch.eye(12)[None].repeat(6, 1, 1)  # (6, 12, 12): at place t the likeliest is t
    tokens = torch.cat([torch.zeros(6, 1, dtype=torch.int64), many.argmax(-1)], 1)
    tokens[1, 10] = tokens[5, 12] = 1
    yield many, tokens, torch.ones(6, 13).bool()
    logits = torch.tensor([0.0, 1.0, 0.5]).expand(2, 300, 3).contiguous()
    learned = torch.ones(2, 301).bool()
    for place in (40, 150, 299):
        tokens = torch.ones(2, 301, dtype=torch.int64)
        tokens[0, place] = tokens[1, place + 1 :] = 2
        yield logits, tokens, learned
    yield logits, torch.zeros(2, 301, dtype=torch.int64), learned


def in_integers(answer, *args):
    """The answer's tensor of places; one of another kind of number is none, for nothing is found with it."""
    found = answer(*args)
    if isinstance(found, torch.Tensor) and found.dtype not in (torch.int64, torch.bool):
        kind = str(found.dtype).removeprefix("torch.")
        raise Problem(f"It must be int64, as an index is; this is {kind}. `.long()` makes it so.")
    return found


@chapter.function(
    "16.5 Where it goes wrong ★★",
    cases=first_mistakes_cases,
    call=in_integers,
    mistakes="""
        argmax(1) + 1 => argmax(1)
            That is the place in `logits`. The token that is wrong stands one later in `tokens`.
        & learned[:, 1:] =>
            What is not learned is no mistake: the model need not foresee the user.
        first, -1) => first, 1)
            A row without a mistake has −1. `argmax` of only False is 0.
        first, -1) => first, 0)
            A row without a mistake has −1.
        tokens[:, 1:] => tokens[:, :-1] ; learned[:, 1:] => learned[:, :-1]
        tokens[:, 1:] => tokens[:, :-1] ; learned[:, 1:] => learned[:, :-1] ; argmax(1) + 1 => argmax(1)
            The scores at `t` are for the token at `t + 1`; you compared them with the one that was read.
        learned[:, 1:] => learned[:, :-1]
            The marks belong to the tokens that are predicted, not to those that are read.
        likeliest != tokens => likeliest == tokens
            That is the first token that is right.
        return torch.where(wrong.any(1), first, -1) => return wrong.sum(1)
            That is how many are wrong. Where is the first?
        return torch.where(wrong.any(1), first, -1) => return ~wrong.any(1)
            That is whether all is right, as `says` tells. Where is the first mistake?
    """,
    right="Now you can see where an answer fails: at its first word, in its form, or at the one word that "
    "matters.",
)
def first_mistakes(logits, tokens, learned):
    likeliest = logits.argmax(-1)
    wrong = (likeliest != tokens[:, 1:]) & learned[:, 1:]
    first = wrong.long().argmax(1) + 1
    return torch.where(wrong.any(1), first, -1)


# -- 16.6 -----------------------------------------------------------------


def may_look_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for n in (5, 8, 11):
        yield torch.randint(0, 4, (n,), generator=generator), 2


@chapter.function(
    "16.6 Packed, and apart ★★★",
    inputs="""
        torch.tensor([0]), 0 || torch.tensor([5]), 0 || torch.tensor([0, 3]), 0 || torch.tensor([0, 0]), 0
        torch.tensor([3, 0]), 0 || torch.tensor([0, 3, 0, 4]), 0
        torch.tensor([0, 3, 4, 0, 5, 6]), 0
        torch.tensor([2, 3, 0, 4]), 0 || torch.tensor([0, 0, 3]), 0 || torch.tensor([4, 4, 4]), 0
        torch.tensor([7, 1, 2, 7, 3]), 7
        torch.tensor([1000, 3, 1000]), 1000
        torch.tensor([3, 300, 44, 300, 2]), 300
        torch.tensor([2, 5, 1] * 4), 2 || torch.tensor([2, 5, 1] * 8), 2
        torch.tensor([2, 5, 1] * 12), 2
        torch.arange(20), 0 || torch.arange(100), 0
        torch.zeros(300, dtype=torch.int64), 0
    """,
    cases=may_look_cases,
    mistakes="""
        return same & causal => return causal
            That is causal, but it looks into the conversation before.
        return same & causal => return same
            A token may not look at what comes after it, in its own conversation either.
        (ids == begin).cumsum(0) => (ids == begin).cumsum(0) - (ids == begin).long()
            The token `begin` belongs to the conversation that it begins, not to the one before.
        return same & causal => return same & causal & (conversation > 0)[:, None]
            What stands before the first `begin` is a conversation, too.
        = it.T
            Rows and columns have changed places: a row is the token that looks.
        .tril() => .tril(-1)
            A token may look at itself, too.
        = ~it
            True and False have changed places: True where a token may look.
        return same & causal => return (same | (ids == begin)) & causal
            The beginnings of other conversations may not be seen either.
        = it & (ids != begin)
            The token `begin` is part of its conversation, and may be looked at.
    """,
    right="With this mask, and positions that start again in each block, a packed row gives the same "
    "predictions as its conversations one by one.",
)
def may_look(ids, begin):
    conversation = (ids == begin).cumsum(0)
    same = conversation[:, None] == conversation
    causal = torch.ones_like(same).tril()
    return same & causal
