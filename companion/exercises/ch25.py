"""The checks of chapter 25, Reasoning."""

import random
import re  # noqa: F401, a mistake uses it
import statistics
from collections import Counter  # noqa: F401, a mistake uses it
from math import comb

from companion.exercises.notation import Chapter

chapter = Chapter()


# -- 25.1 -----------------------------------------------------------------
def vote_cases(seed):
    rng = random.Random(seed)
    for length in (3, 4, 5, 6, 8, 12, 31):
        yield (rng.choices(["six", "seven", "two", "ten", ""], k=length),)


@chapter.function(
    "25.1 Majority vote ★",
    inputs="""
        ["six", "two", "six"] || ["two", "six"] || ["six", "two"] || [] || [""] || ["six"]
        ["", "", "six"]
        ["two", "six", "six", "two", "ten"] || ["ten", "six", "six", "two", "two"]
        ["Six", "six", "six."] || ["", "two", "", "six", "six", ""]
        ["ten", "ten", "six", "six", "six", "two"]
    """,
    cases=vote_cases,
    mistakes="""
        - votes = [answer for answer in answers if answer != ""]
        + votes = answers
            You let the empty string vote. A text that was cut off has no answer, so it has no vote.
        , default="" => , default=None
            Where nobody voted, return the empty string.
        , default="" =>
            Where nobody voted there is nothing to choose from. Return the empty string there.
        = Counter(a for a in answers if a != "").most_common(1)[0][0]
            Where nobody voted, `most_common` gives an empty list. Return the empty string there.
        max(votes, => max(reversed(votes),
            Of several answers with equally many votes, you return the one that came last.
        max(votes, => max(sorted(votes),
            Of several answers with equally many votes, you return the first of the alphabet. Return the one
            that came first in the list.
        = it if it and 2 * answers.count(it) > sum(a != "" for a in answers) else ""
            You want more than half of the votes. The most frequent answer wins even with fewer.
        = next((answer for answer in answers if answer != ""), "")
            You return the first answer. How often does each occur?
    """,
    right="The vote finds the right answer wherever it is the most frequent one, and it needs no judge.",
)
def majority(answers):
    votes = [answer for answer in answers if answer != ""]
    return max(votes, key=votes.count, default="")


# -- 25.2 -----------------------------------------------------------------
def right_cases(seed):
    rng = random.Random(seed)
    for sizes, k in [((4, 5), 2), ((6, 3, 8), 3), ((16, 16, 9, 12), 5), ((64, 40, 32), 16)]:
        yield [[rng.random() < rng.choice([0.1, 0.3, 0.6]) for _ in range(n)] for n in sizes], k


@chapter.function(
    "25.2 pass@k without bias ★★",
    inputs="""
        [[True]], 1 || [[False]], 1 || [[True, False]], 1 || [[False, True]], 2 || [[False, False]], 2
        [[True, False, False, False]], 2 || [[False, False, False, True]], 2 || [[True, True, False]], 2
        [[True, False, False, False], [True, True]], 1
        [[True, False, False, False], [False, False]], 2
        [[True, True, False, False, True, False], [False] * 5, [False, True, False, False]], 3
        [[False] * 63 + [True]], 32 || [[True] * 8, [False] * 9], 8
    """,
    cases=right_cases,
    mistakes="""
        = sum(any(drawn[:k]) for drawn in right) / len(right)
            You look at the first k texts only. The other n - k say something about the question, too: take
            the mean over all choices of k texts.
        comb(n - sum(drawn), k) / comb(n, k) => 1 - statistics.mean(map(any, zip(*[iter(drawn)] * k)))
            You cut the texts into parts of k. Those are some of the choices of k texts. Take the mean over
            all.
        none_right = comb(n - sum(drawn), k) / comb(n, k) => none_right = (1 - sum(drawn) / n) ** k
            That draws the k texts with replacement: one text may come twice, and then it finds nothing new.
            So the result is too low on average.
        = mean_pass_at_k([sum(right, [])], k)
            You pool the texts of all questions. Compute pass@k for each question, then take the mean.
        found.append(1 - none_right) => found += [1 - none_right] * n
            A question with more texts weighs more in your mean. Each question counts once.
        comb(n - sum(drawn), k) / comb(n, k) => 1 - comb(sum(drawn), k) / comb(n, k)
            You count the choices in which all k texts are right. One right text is enough.
        = sum(map(any, right)) / len(right)
            That is pass@n: whether any of all texts is right. With k texts fewer questions are solved.
        = mean_pass_at_k(right, 1)
            That is pass@1, the share of right texts. Where is k?
        = sum(min(1, k * sum(drawn) / len(drawn)) for drawn in right) / len(right)
            Chances that can come together must not be added.
        return sum(found) / len(found) => return sum(found)
            That is the sum over the questions. Take the mean.
    """,
    right="It uses all n texts, and on average it is exactly the chance that k new texts would have.",
)
def mean_pass_at_k(right, k):
    found = []
    for drawn in right:
        n = len(drawn)
        none_right = comb(n - sum(drawn), k) / comb(n, k)
        found.append(1 - none_right)
    return sum(found) / len(found)


# -- 25.3 -----------------------------------------------------------------
SWITCHES = ("grpo", "dr_grpo", "dapo", "gspo")


def group_cases(seed):
    rng = random.Random(seed)
    for switch in SWITCHES:
        for size in (3, 4, 8):
            lengths = [rng.randint(1, 90) for _ in range(size)]
            yield [rng.choice([0, 0.5, 1.0, -2]) for _ in range(size)], lengths, switch, 100 + seed


@chapter.function(
    "25.3 Four switches ★★",
    inputs="""
        [1, 0], [10, 20], "grpo", 50 || [1, 0], [10, 20], "dr_grpo", 50
        [1, 0], [10, 20], "dapo", 50 || [1, 0], [10, 20], "gspo", 50
        [1, 1], [5, 9], "grpo", 20 || [0, 0], [5, 9], "dr_grpo", 20
        [1, 1], [5, 9], "dapo", 20 || [0, 0], [5, 9], "gspo", 20
        [1, 0, 0, 0], [4, 4, 8, 40], "grpo", 64 || [1, 0, 0, 0], [4, 4, 8, 40], "dr_grpo", 64
        [1, 0, 0, 0], [4, 4, 8, 40], "dapo", 64 || [1, 0, 0, 0], [4, 4, 8, 40], "gspo", 64
        [1, 1, 0], [7, 1, 3], "grpo", 7 || [1, 1, 0], [7, 1, 3], "dr_grpo", 7
    """,
    cases=group_cases,
    tolerance=1e-6,
    mistakes="""
        pstdev(rewards) => stdev(rewards)
            Your standard deviation divides by G - 1. Divide by G here, as in chapter 18.
        if spread > 0 else 0.0 =>
            Where all rewards are equal, the standard deviation is 0, and you divide by it. All weights are
            0 there.
        = [x if s else float("nan") for s in [statistics.pstdev(rewards) or switch == "dr_grpo"] for x in it]
            Where all rewards are equal, the standard deviation is 0, and 0 / 0 is NaN. All weights are 0
            there.
        above[i] / spread if => above[i] / (spread + 1e-4) if
            You add a small number to the standard deviation. Here nothing is added.
        [above[i] / (G * limit) => [A[i] / (G * limit)
            Dr. GRPO does not divide by the standard deviation.
        (G * limit) => (G * lengths[i])
            Dr. GRPO does not divide by the length of the text, but by the same number for all texts.
        (G * limit) => (G * max(lengths))
            You divide by the longest length of this group. The longest possible length is `limit`.
        (G * limit) => sum(lengths)
            That is DAPO's divisor. Dr. GRPO divides by the same number in each group: G times `limit`.
        (G * limit) => limit
        (G * limit) => G
            The divisor of Dr. GRPO has two factors: the number of texts, and `limit`.
        [A[i] / sum(lengths) => [above[i] / sum(lengths)
            DAPO divides by the standard deviation, as GRPO does. Only Dr. GRPO leaves it out.
        sum(lengths) => (G * sum(lengths))
            DAPO averages over the tokens of the group. The number of all tokens contains the number of
            texts, so it needs no further G.
        sum(lengths) => (G * lengths[i])
            DAPO does not average within each text first. Each token of the group weighs the same.
        (G * lengths[i]) => lengths[i]
            The mean over the G texts is missing.
        (G * lengths[i]) => G
            That is the weight of a whole text. Its tokens share it equally.
        (G * lengths[i]) => (G * (1 if switch == "gspo" else lengths[i]))
            The ratio of GSPO is the length-th root of the ratio of the whole text. What does the root do to
            the derivative with respect to one token's log-probability?
        (G * lengths[i]) => (sum(lengths) if switch == "gspo" else G * lengths[i])
            GSPO takes the mean over the texts, not over all tokens.
    """,
    right="Divided by its own length, a long wrong text is punished less per token than a short one.",
)
def token_weights(rewards, lengths, switch, limit):
    G = len(rewards)
    spread = statistics.pstdev(rewards)
    above = [reward - sum(rewards) / G for reward in rewards]
    A = [above[i] / spread if spread > 0 else 0.0 for i in range(G)]
    if switch == "dr_grpo":
        return [above[i] / (G * limit) for i in range(G)]
    if switch == "dapo":
        return [A[i] / sum(lengths) for i in range(G)]
    return [A[i] / (G * lengths[i]) for i in range(G)]


# -- 25.4 -----------------------------------------------------------------
def token_cases(seed):
    rng = random.Random(seed)
    for length in (3, 5, 8, 13, 40):
        yield [rng.choice([3, 4, 5, 6, 7]) for _ in range(length)], 4, 6
    yield [rng.choice([0, 1, 2, 9]) for _ in range(20)], 1, 0


def start_of_open(tokens, mask, begin, end):
    """Where a result begins that never closes; where there is none, the end of the tokens."""
    if not tokens or mask[-1] or tokens[-1] == end:
        return len(tokens)
    starts = [i for i in range(len(tokens)) if i == 0 or mask[i - 1] or tokens[i - 1] == end]
    return max(i for i in starts if tokens[i] == begin)


@chapter.function(
    "25.4 The mask of a tool's result ★",
    inputs="""
        [5, 6, 8, 7, 9, 6], 8, 9 || [5, 6], 8, 9 || [], 8, 9 || [8, 9], 8, 9 || [8, 7, 9], 8, 9
        [5, 8, 7, 7], 8, 9 || [5, 8], 8, 9 || [5, 9, 6], 8, 9 || [5, 9, 8, 7, 9, 9, 6], 8, 9
        [5, 8, 7, 9, 6, 8, 7, 7, 9, 5], 8, 9 || [5, 8, 7, 9, 6, 8, 7], 8, 9 || [8, 8, 7, 9, 5, 9, 6], 8, 9
        [8, 9, 8, 9, 5], 8, 9 || [0, 2, 3, 1, 0], 2, 1
    """,
    cases=token_cases,
    mistakes="""
        = [t == begin or one for t, one in zip(tokens, it)]
        - if token == begin:
        - inside = True
        - found.append(not inside)
        + found.append(not inside)
        + if token == begin:
        +     inside = True
            The opening mark is learned in yours. The program wrote it, not the model.
        = [t == end or one for t, one in zip(tokens, it)]
            The closing mark is learned in yours. The program wrote it, not the model.
        = [t != end and one for t, one in zip(tokens, it)]
            A closing mark outside any result was written by the model, so it is learned.
        = [*it[: start_of_open(tokens, it, begin, end)], *[True] * len(tokens)][: len(tokens)]
            A result that is never closed goes to the end of the text. Nothing of it is learned.
        - if token == end:
        - inside = False
        + pass
            Nothing after the first result is learned in yours. A result ends at its closing mark.
        = it[: tokens.index(end) + 1] + [True] * (len(tokens) - tokens.index(end) - 1) if end in tokens else it
            Only the first result is masked in yours. There may be several.
        = [t for t, one in zip(tokens, it) if one]
            Those are the learned tokens themselves. Return True or False for each token.
    """,
    right="The loss is taken on what the model wrote. It reads the result, and does not learn to invent it.",
)
def learned(tokens, begin, end):
    found = []
    inside = False
    for token in tokens:
        if token == begin:
            inside = True
        found.append(not inside)
        if token == end:
            inside = False
    return found


# -- 25.5 -----------------------------------------------------------------
CALLS = [
    f"{a} {sign} {b}" for a in ("two", "ten", "twelve") for sign in ("plus", "minus") for b in ("two", "six")
]
PIECES = ["t", "tw", "two", "two p", "o", " ", " p", "plus", " plus ten", "ten", "six", "", "elve"]
PIECES += [" minus", "x", "s"]


def grammar_cases(seed):
    rng = random.Random(seed)
    for size in (2, 4, 8):
        valid = rng.sample(CALLS, size)
        text = rng.choice(valid)
        cut = rng.randint(0, len(text) - 1)
        later = [text[cut : cut + n] for n in (1, 2, 5, 30)] + [text[cut : cut + 2] + "?", text]
        yield text[:cut], valid, rng.sample(later + rng.sample(PIECES, 6), 12)
        yield text, valid, rng.sample(PIECES, 5)


@chapter.function(
    "25.5 A grammar's token mask ★★",
    inputs="""
        "", ["ab"], ["a", "b", "ab", ""] || "a", ["ab"], ["a", "b", "ab", ""] || "ab", ["ab"], ["a", "b", ""]
        "", ["ab"], ["abc", "ac"] || "a", ["ab"], [] || "b", ["ab"], ["b", "a", ""] || "a", [], ["a"]
        "tw", ["two", "ten"], ["o", "e", "en", "n"] || "ab", ["ab", "abc"], ["c", "", "cc", "b"]
        "a", ["ab", "xc"], ["c", "b"] || "a", ["aba", "bab"], ["b", "a", "ba", "ab", "bab"]
        "two p", CALLS[:4], ["l", "lus", "lus two", "lus ten", "lus two.", "minus", "lus "]
    """,
    cases=grammar_cases,
    shown="{f}({0}, valid, vocabulary), valid = {1}, vocabulary = {2}",
    mistakes="""
        token != "" and =>
            You allow the empty token. It writes nothing, so the model could go on for ever.
        text.startswith(longer) => text.startswith(token)
            You look at the token only. What counts is the text so far and the token together.
        text.startswith(longer) => token in text
            That the token occurs somewhere in a valid text is not enough. It must come next.
        text.startswith(longer) => text == longer
            You allow only what completes a text. A beginning of a valid text is allowed, too.
        text.startswith(longer) => longer.startswith(text)
            Turned round: the valid text must begin with what is written, not the other way.
        text.startswith(longer) => text.startswith(longer) or longer.startswith(text)
            You allow tokens that write on after the end of a valid text.
        text.startswith(longer) => text.startswith(longer[: len(written) + 1])
            You compare the token's first letter only. All its letters must fit.
        text.startswith(longer) => text[len(written) :].startswith(token)
            You do not check that the valid text begins with what is written. Another text may fit the token
            and not what stands before it.
        any(text.startswith(longer) for text in valid) => all(text.startswith(longer) for text in valid)
            It is enough that one valid text begins like this.
        = [token for token, one in zip(vocabulary, it) if one]
            Those are the allowed tokens themselves. Return True or False for each token of the vocabulary.
    """,
    right="Every other logit becomes -inf, so whatever the model is, the text stays in the grammar.",
)
def allowed(written, valid, vocabulary):
    found = []
    for token in vocabulary:
        longer = written + token
        found.append(token != "" and any(text.startswith(longer) for text in valid))
    return found


# -- 25.6 -----------------------------------------------------------------
TRUE = "<think> Tom has five. Tom lost one: four.</think>"


def trace_cases(seed):
    rng = random.Random(seed)
    words = ["two", "six", "seven", "ten", "sixteen"]
    for _ in range(4):
        answer, other = rng.sample(words, 2)
        thought = f"<think> Mara has {other}. Mara got two: {answer}.</think>"
        yield f"{thought} {answer}.", answer
        yield f"{thought} {other}.", answer
        yield f"{thought} {answer}. {other}.", answer
        yield f"{thought} {other}.</think> {answer}.", answer


@chapter.function(
    "25.6 The checker's loophole ★★★",
    inputs="""
        TRUE + " four.", "four" || TRUE + " five.", "four" || TRUE + "four.", "four"
        TRUE, "four" || "", "four"
        "</think> six.", "six" || " six.", "six" || "six.</think>", "six" || "</think>", "six" || "six", "six"
        "</think> six", "six" || "</think> six..", "six" || "</think> six .", "six" || "</think> six!", "six"
        "</think>\\n six. \\n", "six" || "</think> Six.", "six" || "</think> sixty.", "six"
        "</think> .", "six"
        "</think> six. seven.", "six" || "</think> seven. six.", "six" || "</think> six. six.", "six"
        "</think> six or seven.", "six" || "</think> seven or six.", "six" || "</think> not six.", "six"
        "</think> six.</think> six.", "six" || "</think></think> six.", "six"
        "</think> six.</think>", "six"
        "</think> one.</think> six.", "six" || "</think> six.</think> one.", "six"
        "six.</think> one.", "six" || "<think> It is six.", "six" || "<think> six.</think> ", "six"
        "</think> 3.5.", "3.5" || "</think> 315.", "3.5" || "</think> (six).", "(six)"
        "</think> The answer is six.", "six" || "</think><think> six.", "six" || "</think> six.\\nsix.", "six"
        "<think> one<think> six</think> six.", "six" || "</thinking> six.", "six"
        "<think> six. </think> six.", "six"
    """,
    cases=trace_cases,
    mistakes="""
        = float(answer in text)
            That is the checker that was hacked: any text that mentions the answer is rewarded.
        = float(answer + "." in text) || float(text.strip().endswith(answer + "."))
            You do not separate the thought from what follows it. Look at what stands behind `</think>`
            only.
        = float("</think>" in text and answer in text.split("</think>")[-1])
        = float(text.count("</think>") == 1 and answer in text.split("</think>")[-1])
            A text that lists several answers passes. What follows `</think>` must be the answer and nothing
            else.
        parts[1].strip() == answer + "." => parts[1].strip().startswith(answer + ".")
            Something may follow the answer in yours, such as a second answer.
        parts[1].strip() == answer + "." => parts[1].strip().endswith(answer + ".")
            Something may stand before the answer in yours, such as another answer.
        len(parts) == 2 and parts[1] => len(parts) >= 2 and parts[-1]
        - parts = text.split("</think>")
        + parts = text.rsplit("</think>", 1)
            A text that writes `</think>` twice passes: you look behind the last one only. Count them.
        - return float(len(parts) == 2 and parts[1].strip() == answer + ".")
        + return float(len(parts) >= 2 and parts[1].strip() == answer + ".")
            A text that writes `</think>` twice passes: you look at what follows the first one only. Count
            them.
        len(parts) == 2 and parts[1] => parts[-1]
        len(parts) == 2 and parts[1] => len(parts) <= 2 and parts[-1]
            A text without `</think>` passes.
        parts[1].strip() == answer + "." => parts[1].strip().rstrip(".") == answer
        parts[1].strip() == answer + "." => parts[1].strip().removesuffix(".") == answer
        parts[1].strip() == answer + "." => parts[1].strip(" .\\n") == answer
            The full stop is missing, or there are several, and yours accepts it. Exactly one is required:
            without it the text may have been cut off.
        parts[1].strip() == answer + "." => parts[1].strip() == answer
            The answer is followed by a full stop.
        parts[1].strip() == answer + "." => parts[1] == " " + answer + "."
        parts[1].strip() == answer + "." => parts[1] == answer + "."
        parts[1].strip() == answer + "." => parts[1].lstrip() == answer + "."
            White space before and after the answer does not matter.
        parts[1].strip() == answer + "." => re.fullmatch(answer + "[.]", parts[1].strip())
        parts[1].strip() == answer + "." => re.fullmatch(answer + "[.]", parts[1].strip()) is not None
            In a regular expression, some letters of the answer mean something else: "3.5" fits 315. Compare
            the texts themselves, or use `re.escape`.
        = it == 1.0
            That is True or False. A reward is a number, 1.0 or 0.0.
    """,
    right="What a checker accepts beyond the right answer is what training on its rewards finds.",
)
def strict(text, answer):
    parts = text.split("</think>")
    return float(len(parts) == 2 and parts[1].strip() == answer + ".")


chapter.number(
    "25.7 Three votes ★",
    wants="right_by_vote()",
    answer=0.424,
    tolerance=0.001,
    mistakes="""
        0.352
            You count the cases in which two or three texts are right. If all three answers differ, the
            first wins, and in a third of these cases the first is the right one.
        0.4
            That is the chance of a single text. Which cases does the vote win, and which does it lose?
        0.568
            If all three answers differ, the first wins. It is the right one in a third of these cases only.
        0.46
            If all three answers differ, the first wins. How often is the first of the three the right one?
        0.784
            That is pass@3: one right text among three. The vote has to choose it.
        0.064
            That is how often all three are right. Two are enough.
        0.288
            That is how often exactly two are right. Three right ones win, too.
        0.072
            That is only the case in which all three answers differ and the first is right.
        0.36
            You left out that all three may be right.
    """,
    right="The vote helps though most texts are wrong: no wrong answer is as frequent as the right one.",
)
