"""The checks of chapter 16, Instructions."""

import random
import string
from collections import Counter

import torch

from companion.exercises.notation import Chapter, Problem

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
            That is the share of the rows. The mean is over targets, and a story has more
            targets than a conversation.
        0.25
            That is the share of the rows that are stories. The mean is over targets, not over rows.
        420 / 480
            That compares the answers' targets with those of the stories. Divide by the number of all targets.
        35 / 155
            That would be right for as many conversations as stories. Here there are 12
            conversations and 4 stories.
        35 / 190
            That is the share of a conversation's tokens that are learned. The others are not
            targets, so they do not count. What share of all targets is in answers?
        420 / (12 * 190 + 480)
            You divided by all tokens of the conversations. A token that is not learned is not a
            target, so it does not count in the mean.
        2 / 3
            That is the share in the example. The exercise has other numbers.
        46.7 || 46.67 || 100 * 420 / 900
            Is this in percent? A share lies between 0 and 1, so 40 % is 0.4.
        0.47
            Did you round? The share must be right to within a thousandth.
    """,
    right="The stories are a quarter of the rows and more than half of the loss, because the mean is over "
    "targets.",
)


# -- 16.2 -----------------------------------------------------------------
def marks_cases(seed):
    rng = random.Random(seed)
    for _ in range(5):
        user = 90
        assistant = 91
        end = 92
        ids = [0]
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
            You marked the token that begins the answer. The program writes this token, so the
            model does not learn it.
        found.append(inside) => found.append(inside and i != end)
            The token that ends the answer has no mark. The model must learn it, because
            otherwise it would never stop.
        inside = False => pass
            You marked tokens after the end of an answer. What follows is the user's next
            message, which is not learned.
        - inside = False
        + if inside:
        +     return found + [False] * (len(ids) - len(found))
            Only the first answer is marked. A conversation may have several answers.
        = [mark and assistant not in ids[k:] for k, mark in enumerate(it)]
            Only the last answer is marked. Every answer is learned.
        found.append(inside) => found.append(inside and i != end or i == assistant)
            The marks are one token too early. The token that begins the answer has a mark, and
            the token that ends it has none.
        = [*it[1:], False][: len(ids)]
            These marks are one place too early. They would fit the targets `y`, but each mark
            must stand at its own token in `ids`.
    """,
    right="The row alone tells which tokens belong to answers, because no user can type the special tokens. "
    "So the marks need not be stored with the row.",
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
            That is the precision, the share of the said words that are right. F1 also needs the recall.
        2 * precision * recall / (precision + recall) => recall
            That is the recall, the share of the true words that were said. F1 also needs the precision.
        2 * precision * recall / (precision + recall) => (precision + recall) / 2
            That is the ordinary mean of precision and recall. F1 is 2pr / (p + r).
        a, b = words(said), words(truth) => a, b = set(words(said)), set(words(truth))
            You counted different words. A word that occurs three times counts as three words,
            in the precision and in the recall.
        sum((Counter(a) & Counter(b)).values()) => len(set(a) & set(b))
            A word that occurs twice in both texts is in common twice. Take the smaller of its two counts.
        sum((Counter(a) & Counter(b)).values()) => sum(word in b for word in a)
            If a word was said three times and occurs once in the truth, it is in common once,
            not three times.
        c for c in text.lower() if c not in marks => c if c.isalnum() or c == "_" else " " for c in text.lower()
            You replaced each punctuation mark by a space. Delete the marks instead, so that a
            word such as "well-known" stays one word.
        kept.split() => [word.strip(marks) for word in text.lower().split()]
            You removed punctuation only at the ends of words. Delete it inside words, too, and
            a mark that stands alone must not leave an empty word.
        kept.split() => kept.split(" ")
            `split(' ')` gives empty words where two spaces meet. `split()` gives none.
        kept.split() => text.lower().split()
            Punctuation must not matter. Delete it first.
        in text.lower() => in text
            Capital letters must not matter. Use `lower()` first.
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
            The first exchange is missing. It always stays, because it contains the story.
        range(len(lengths) - 1, 0, -1) => range(1, len(lengths)) ; reversed(kept) => kept
            You kept the oldest exchanges that fit. After the first one, keep the newest ones.
        break => continue
            There is a gap. If an exchange does not fit, no older one may stay except the first.
        lengths[i] > left => lengths[i] >= left
            An exchange that fills the room exactly still fits.
        reversed(kept) => kept
            The indices must be in the order of the conversation, with the oldest exchange first.
        raise ValueError("the first exchange does not fit") => return []
            If the first exchange does not fit, raise a ValueError, so that the story is not lost silently.
        left = room - lengths[0] => left = room
            You did not subtract the first exchange. It takes room as well.
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
    """Return the answer's tensor of places. Raise Problem if its dtype is not an integer that can index."""
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
            That is the index in `logits`. The wrong token stands one place later in `tokens`.
        & learned[:, 1:] =>
            You counted a token that is not learned. The model need not predict what the user writes.
        first, -1) => first, 1)
            A row without a mistake must give −1. `argmax` gives 0 if all values are False, so
            you must handle this case separately.
        first, -1) => first, 0)
            A row without a mistake must give −1, because 0 is an index.
        tokens[:, 1:] => tokens[:, :-1] ; learned[:, 1:] => learned[:, :-1]
            The scores at position `t` predict the token at `t + 1`. You compared them with the
            token at `t`, which the model has just read.
        learned[:, 1:] => learned[:, :-1]
            You used the marks of the tokens that the model reads. Use the marks of the tokens
            that it predicts, one place later.
        return torch.where(wrong.any(1), first, -1) => return wrong.sum(1)
            That is the number of mistakes. Return the index of the first one.
    """,
    right="Now you can see where an answer goes wrong: at its first word, in its form, or only at the word "
    "that was asked for.",
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
            The mask is causal, but a token may still look at earlier conversations.
        return same & causal => return same
            A token may look at later tokens of its own conversation. It may only look at itself
            and at what comes before.
        (ids == begin).cumsum(0) => (ids == begin).cumsum(0) - (ids == begin).long()
            The token `begin` belongs to the conversation that it begins, not to the one before it.
        return same & causal => return same & causal & (conversation > 0)[:, None]
            The tokens before the first `begin` may look at nothing. They are a conversation as well.
        .tril() => .tril(-1)
            A token may also look at itself.
        return same & causal => return (same | (ids == begin)) & causal
            A token may look at the `begin` tokens of other conversations. These must be hidden as well.
        = it & (ids != begin)
            The token `begin` is part of its conversation, so the tokens of this conversation may look at it.
    """,
    right="With this mask, and positions that start again in each block, a packed row gives the same "
    "predictions as its conversations one by one.",
)
def may_look(ids, begin):
    conversation = (ids == begin).cumsum(0)
    same = conversation[:, None] == conversation
    causal = torch.ones_like(same).tril()
    return same & causal
