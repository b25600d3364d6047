"""The checks of chapter 15, Classification."""

import math
import random
import re
from collections import Counter, defaultdict
from itertools import pairwise

import torch

from companion.exercises.normalize import Record, as_number, normalize
from companion.exercises.notation import Chapter

chapter = Chapter()

# -- 15.1 ------------------------------------------------------------------
# Of 10,000 letters 100 are spam, of which 90 are found; of the 9,900 honest ones, 495 are called spam.
chapter.number(
    "15.1 A rare class ★",
    wants="precision_of_the_filter()",
    answer=90 / (90 + 495),
    tolerance=0.001,
    mistakes="""
        0.9
            That is the recall: of the spam, how much is found. Of what is called spam, how much is?
        0.95
            That is the share that it calls rightly, of the honest letters or of all.
        0.05
            That is the share of the honest letters that are called spam.
        0.01
            That is the share of spam in all letters, before anybody looked.
        0.9 / 0.95
            That would be so if half of the letters were spam. Here 1 in 100 is. Among
            those called spam are the spam that was found and the letters that were called so by mistake.
        90 / (90 + 500)
            Nearly: 5 % are of the 99 in 100 that are honest, not of all.
        100 * 90 / (90 + 495) || 15 || 15.3 || 15.38 || 15.385 || 15.4
            Is that in percent? As a share, 40 % is 0.4.
        0.15
            Rounded? The share is wanted to within a thousandth.
    """,
    right="Of thirteen letters that it holds back, eleven are honest, though it is right in 95 of 100 cases: "
    "for a rare class the mistakes on the frequent one outnumber the finds.",
)


# -- 15.2 ------------------------------------------------------------------
def padded_cases(seed):
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    for B, T, C, side in [
        (1, 1, 1, "right"),
        (1, 3, 2, "right"),
        (1, 3, 2, "left"),
        (2, 4, 3, "right"),
        (2, 4, 3, "left"),
        (3, 5, 2, "both"),
        (4, 7, 3, "both"),
        (5, 6, 4, "right"),
        (6, 3, 5, "left"),
    ]:
        mask = torch.zeros(B, T, dtype=torch.bool)
        for row in range(B):
            n = T if row == B - 1 and side != "both" else rng.randint(1, T)
            start = {"right": 0, "left": T - n, "both": rng.randint(0, T - n)}[side]
            mask[row, start : start + n] = True
        yield torch.randn(B, T, C, generator=generator), mask


def long_row(T, start, end):
    """States that are their own places, and a mask in which those from start up to end are real."""
    places = torch.arange(T)[None]
    return places[..., None].float(), (places >= start) & (places < end)


@chapter.function(
    "15.2 Padding on either side ★",
    inputs="""
        # a place above 127 is no int8, one above 256 not always a bfloat16, one above 2048 no float16
        *long_row(200, 0, 200) || *long_row(400, 3, 298) || *long_row(2300, 100, 2250)
    """,
    cases=padded_cases,
    mistakes="""
        (places * mask).amax(1) => mask.sum(1) - 1
            With padding on the left, the number of real tokens is not where the last one stands.
        = hidden[:, -1]
            That is the batch's last position: padding, where rows are filled up on the right.
        (places * mask).amax(1) => mask.long().argmax(1)
            `argmax` of the mask finds the first real token. The last is wanted.
        (places * mask).amax(1) => (~mask).int().argmax(1) - 1
            You looked for the first padding. It may stand left of the tokens, and more right of them.
        = hidden[:, mask.sum(1) - 1]
            That takes all rows' positions from each row: (B, B, C). Pair row 0 with its own.
        = (hidden * mask[..., None])[:, -1]
            Multiplying by the mask makes padding 0. It moves no state to the end.
    """,
    right="The mask says where the last token is, whichever side was filled up: many models for chat are "
    "padded on the left, so that all rows end together.",
)
def last_states(hidden, mask):
    rows, places = torch.arange(mask.shape[0]), torch.arange(mask.shape[1])
    last = (places * mask).amax(1)
    return hidden[rows, last]


# -- 15.3 ------------------------------------------------------------------
def leaked_cases(seed):
    rng = random.Random(seed)
    words = "key map hat Mara Bram has gave the to sings".split()
    for _ in range(5):
        train = [" ".join(rng.choices(words, k=rng.randint(2, 6))) for _ in range(rng.randint(3, 8))]
        test = [" ".join(rng.choices(words, k=rng.randint(2, 6))) + "." for _ in range(rng.randint(2, 7))]
        for text in rng.sample(train, 2):
            again = text.split()
            rng.shuffle(again)
            test.insert(rng.randint(0, len(test)), " ".join(again).capitalize() + rng.choice(".!?"))
        yield train, test


def bag(text):
    words = re.findall(r"\w+", text.lower())
    return Counter(words)


@chapter.function(
    "15.3 Known by their words ★",
    inputs="""
        [], ["a"] || ["a"], [] || ["a b"], ["b a"] || ["a b"], ["a b"] || ["a b"], ["b A"]
        ["a b"], ["b A!"] || ["a b"], ["a b b"] || ["a b b"], ["a a b"] || ["a b b"], ["b a b", "a b"]
        ["a b", "c"], ["c", "d", "b, a"]
        ["ab c"], ["a bc"] || ["don't"], ["t, don"] || ["abc"], ["cab"]
        ["Mara has the key. Bram sings.", "Bram sings."],
            ["Bram has the key. Mara sings.", "Mara sings.", "Sings Bram?"]
        ["a b c"], ["a b", "c b a"] || ["a b"], ["a b c", "b a"]
        ["2 plums"], ["two plums", "Plums: 2"]
        ["2 plums"], ["3 plums"] || ["Zoë"], ["Zo", "zoë"] || [""], ["...", "a"] || ["a"], ["a", "a"]
        ["a"], ["b", "b"] || ["a", "A"], ["a"] || ["a b"], ["a b", "b a"] || ["a"], ["...", "a"]
        ["a_b"], ["a b", "b a_"]
        ["a b", "c_"], ["a_b", "c", "C_"]
        ["well-known"], ["known, well", "wellknown"]
        ["known, well"], ["well-known"]
        ["Straße"], ["STRASSE", "STRAẞE"]
        ["a a"], ["a a a", "a"] || ["a a a"], ["a a"]
        ["a b c d e f g h i j k"], ["a b c d e f g h i j l", "k j i h g f e d c b a"]
        ["pot"], ["pots"]
        ["the pot has it"], ["pot", "pot it", "it pot has the"]
        ["bus"], ["bu"]
    """,
    cases=leaked_cases,
    helpers=(bag,),
    mistakes=r"""
        Counter(words) => text
            Those are the texts that are there word for word. Twins have another order.
        re.findall(r"\w+", text.lower()) => text.lower().split()
            Marks are no part of a word: `\w+` finds words.
        text.lower() => text
            Capitals count as small letters.
        Counter(words) => set(words)
            How often a word stands there counts, too, not only whether.
        Counter(words) => words
            The order of the words should not matter.
        if bag(text) in seen => if any(bag(text) <= other for other in seen)
            It must have the training text's words exactly, not a part of them.
    """,
    right="What a count of words cannot tell from a training text, it has learned by heart. Whoever shuffles "
    "rows looks for such first.",
)
def leaked(train, test):
    seen = [bag(text) for text in train]
    return [i for i, text in enumerate(test) if bag(text) in seen]


# -- 15.4 ------------------------------------------------------------------
def names_cases(seed):
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(4):
        B = rng.randint(2, 4)
        V = rng.randint(9, 14)
        K = rng.randint(2, 3)
        ids = rng.sample(range(V), rng.randint(K + 2, V - 1))
        cuts = [0, *sorted(rng.sample(range(1, len(ids)), K - 1)), len(ids)]
        groups = [ids[a:b] for a, b in pairwise(cuts)]
        yield 3 * torch.randn(B, V, generator=generator), groups


@chapter.function(
    "15.4 A classifier without labels ★★",
    inputs="""
        torch.tensor([[0.6, 0.1, 0.2, 0.1]]).log(), [[0], [1, 2]]
        torch.tensor([[0.25, 0.25, 0.25, 0.25]]).log(), [[0], [1, 2, 3]]
        torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]]).log(), [[3, 0], [1], [2]]
        torch.tensor([[200.0, 199.0, 0.0]]), [[0], [1]]
        torch.tensor([[-300.0, -301.0, 0.0]]), [[0], [1]]
    """,
    cases=names_cases,
    mistakes="""
        sums / sums.sum(1, keepdim=True) => sums
            Those are shares of the whole vocabulary. Divide, so that each row sums to 1.
        sums / sums.sum(1, keepdim=True) => sums.softmax(1)
            Probabilities went through softmax a second time: divide by sums.
        = torch.stack([logits[:, group].sum(1) for group in groups], 1).softmax(1)
            Logits were added. Add probabilities: to add logits multiplies them.
        = torch.stack([logits[:, group].mean(1) for group in groups], 1).softmax(1)
            A group's mean logit is no measure of its probability: add the probabilities.
        shares[:, group].sum(1) => shares[:, group].amax(1)
            The likeliest of a group stood for all of it. Add the probabilities.
        shares[:, group].sum(1) => shares[:, group].mean(1)
            You took each group's mean probability. A class with more tokens may have more of it: add them.
        logits.double().softmax(1) => logits.exp()
            Large logits overflow in `exp`, small ones become 0. Take softmax first, or `logsumexp`.
        .double() =>
            Where all listed tokens are very unlikely, their shares of the vocabulary round to 0, and 0 / 0 is
            no number. Leave the other tokens out before softmax, or take `logsumexp`.
    """,
    right="Where the classes have names that the model may say next, its own head is a classifier, before "
    "the first label.",
)
def by_names(logits, groups):
    shares = logits.double().softmax(1)
    sums = torch.stack([shares[:, group].sum(1) for group in groups], 1)
    return sums / sums.sum(1, keepdim=True)


# -- 15.5 ------------------------------------------------------------------
def twins_cases(seed):
    rng = random.Random(seed)
    for _ in range(4):
        n = rng.randint(8, 30)
        yield [rng.randint(0, 1) for _ in range(n)], [rng.choice("pqrstuv") + str(n) for _ in range(n)]


def by_group(right, groups):
    found = defaultdict(list)
    for i, group in enumerate(groups):
        found[group].append(right[i])
    return list(found.values())


@chapter.function(
    "15.5 Twins are not two ★★",
    inputs="""
        [1, 0, 1, 1], [0, 0, 1, 1] || [1, 0, 1, 1], [0, 1, 2, 3] || [1, 1, 0, 0], [0, 0, 1, 1]
        [1, 0, 1, 0], [0, 0, 1, 1] || [1, 0, 1, 0], [0, 1, 0, 1] || [1, 1, 1], ["a", "b", "b"]
        [1, 0, 0, 1, 1], ["a", "a", "a", "b", "c"]
        [1, 0, 0, 1, 1], ["b", "a", "c", "a", "b"]
        [1, 0, 1, 1], ["Mara", "Mona", "Ivy", "Ivy"]
        [1, 0, 1, 1], ["a", "A", "b", "b"]
        [1, 0, 1], ["a", "a", "a"]
    """,
    cases=twins_cases,
    helpers=(by_group,),
    mistakes="""
        = grouped_error(right, range(len(right)))
            That is the error of answers that are all independent: the groups were not used.
        - parts = by_group(right, groups)
        + right = [sum(part) / len(part) for part in by_group(right, groups)]
        + parts = [[share] for share in right]
            That is the error of the mean of the groups' means. Groups may be of unequal sizes, and the mean
            is over all answers: add up what a group's deviate.
        r - mean => r
            The mean was not taken off: sums of right answers are large even where nothing varies.
        - found[group].append(right[i])
        + begin = begin if i and group == groups[i - 1] else i
        + found[begin].append(right[i])
            The members of a group need not stand side by side.
        len(right) ** 2 => len(parts) ** 2
            You divided by the number of groups. Sums over groups are divided by the number of answers.
        = it * math.sqrt(len(right))
            Divide by N, outside the root: that shrinks with more groups.
        = 0.0
            From a group's own mean its answers deviate by 0 in sum, and so do all answers in one group: take
            the mean of all answers, and the sum of each group.
        - sums = [sum(r - mean for r in part) for part in parts]
        + sums = [r - sum(part) / len(part) for part in parts for r in part]
            Those are deviations from the group's own mean, squared one by one. Take the mean of all answers,
            and square each group's sum.
    """,
    right="What counts is how many independent things were asked, not how many rows a file has.",
)
def grouped_error(right, groups):
    parts = by_group(right, groups)
    mean = sum(right) / len(right)
    sums = [sum(r - mean for r in part) for part in parts]
    variance = sum(s**2 for s in sums) / len(right) ** 2
    return math.sqrt(variance)


# -- 15.6 ------------------------------------------------------------------
def sure(gap, rows=4):
    """Rows of the scores gap and 0, of which the last one is wrong. T is gap / log(rows - 1)."""
    return torch.tensor([[gap, 0.0]] * rows), torch.tensor([0] * (rows - 1) + [1])


def temperature_cases(seed):
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    for n, k, truth in ((60, 2, 4.0), (80, 3, 0.4), (90, 4, 1.7)):
        scores = torch.randn(n, k, generator=generator, dtype=torch.float64) * rng.uniform(1.5, 3)
        yield scores, torch.multinomial((scores / truth).softmax(-1), 1, generator=generator)[:, 0]


def relatively(answer, scores, labels):
    """Its T, and as a share of the right one: for a T below 1 the tolerance is one of the share, too."""
    right = best_temperature(scores, labels)
    found = normalize(answer(scores, labels))
    number = as_number(found)
    if number is None:
        return Record("", {"": found, "your T over the right one": 1.0})
    return Record("", {"": number, "your T over the right one": number / right})


def mean_surprise(scores, labels, t):
    logs = (scores.double() / t).log_softmax(-1)
    return -logs[torch.arange(len(labels)), labels].mean().item()


def far_off(got, scores, labels):
    found = got.value.parts[""] if got.error is None else None
    number = as_number(found)
    right = best_temperature(scores, labels)
    if number is None or not 0 < number < math.inf:
        return ""
    if number < 0.06 < right:
        return (
            "So low? The surprise at the label is wanted, not at the class with the highest score. And where "
            "a probability became 0, its log is −∞: take `log_softmax`, of float64."
        )
    if abs(number - right) < 0.06 or 0.9 < number / right < 1.1:
        return "Nearly. T is to be found to within a thousandth of itself, also where it is 0.02."
    if not 0.15 < right < 6:
        return "T may be anywhere between 0.01 and 100, and scores of any size, in float64, too."
    return ""


@chapter.function(
    "15.6 One number for confidence ★★★",
    inputs="""
        *sure(2.0) || *sure(0.5, rows=10) || *sure(0.02) || *sure(0.05) || *sure(40.0) || *sure(100.0)
        torch.tensor([[60.0, 0.0, 0.0]] * 4), torch.tensor([0, 0, 0, 2])
        torch.tensor([[1000.3, 1000.0]] * 4, dtype=torch.float64), torch.tensor([0, 0, 0, 1])
        # a share of exp(-500 / T) is 0 in float32
        *sure(500.0, rows=1000)
        # and of exp(-4000 / T) in float64
        torch.tensor([[100.0, 0.0]] * 300 + [[4000.0, 0.0]]).double(), torch.tensor([0] * 300 + [1])
    """,
    cases=temperature_cases,
    call=relatively,
    hint=far_off,
    tolerance=1.01e-3,
    mistakes="""
        = 1 / it
            That is what to multiply the scores by. T is what they are divided by.
        = round(it, 1) || round(it, 2) || round(it, 3) || float(f"{it:.1g}") || float(f"{it:.2g}")
            Rounded? T is to be found to within a thousandth of itself, also where it is 0.02.
        = min([0.5, 1, 1.5, 2, 3, 5], key=lambda t: mean_surprise(scores, labels, t))
            It should lie closer: go on between the best ones.
        = best_temperature(scores, scores.argmax(-1))
            The surprise at the label is wanted, not at the class with the highest score.
    """,
    right="One number, found on texts that were held out, mends most of a classifier's confidence; and as it "
    "changes no order of the scores, not one answer.",
)
def best_temperature(scores, labels):
    # The mean surprise is least where the mean score, as softmax weighs it, is that of the labels.
    scores = scores.double()
    wanted = scores.gather(1, labels[:, None]).mean()
    low, high = 0.01, 100
    for _ in range(50):
        t = math.sqrt(low * high)
        weighed = ((scores / t).softmax(1) * scores).sum(1).mean()
        if weighed < wanted:
            high = t
        else:
            low = t
    return t
