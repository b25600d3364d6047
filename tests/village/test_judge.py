"""The judge: what is false in a text, what is only out of place, and what the rest is judged by."""

from random import Random

import pytest

from companion.village import VILLAGE, bits, judge, story
from companion.village.words import KINDS

TOLD = [story(Random(seed)) for seed in range(300)]
PARSED = [[step for _, step in VILLAGE.moments(example.text)] for example in TOLD]
SENTENCES = [[step.text for step in steps] for steps in PARSED]
BEETLE = "A beetle crossed the road without looking."


def kinds(text):
    return [verdict.kind for verdict in judge(text)]


def test_the_judge_accepts_true_stories():
    for example in TOLD:
        verdicts = judge(example.text)
        assert all(verdict.kind == "ok" and not verdict.reason for verdict in verdicts)
        assert " ".join(verdict.sentence for verdict in verdicts) == example.text


FOUND = "Once the baker Mara sat at the mill and admired the red lantern Mara had found. "
TWO = FOUND + "One day Mara met the fox Bram at the mill. "
FOOD = TWO + "An old woman gave Bram five plums and a wink. "
MONDAY = TWO + "It was Monday, as everybody could tell from the soup. "
AWAY = TWO + "The fox Bram walked from the mill to the inn. "
LAID = TWO + "The red lantern Mara put down stayed at the mill. " + AWAY.removeprefix(TWO)
BORROWED = TWO + "The lantern Mara lent at the mill was now the lantern Bram had to bring back. "
THREE_PLUMS = FOOD + "Bram ate two of the plums. That left three. " + BEETLE + " "
EIGHTEEN = (
    TWO + "An old woman gave Bram nine plums and a wink. "
    'Bram found five more plums. "Now I have fourteen," he said. '
    "Bram had fourteen plums and got four more. That made eighteen. "
)
FULL = (
    TWO + "Then the goat Nell came to the mill, and everybody saw the blue key Nell brought. "
    "Nell waved to the crow Pip and liked the pink kite Pip brought to the mill. "
)
KITE = TWO + "Bram stood at the mill and thought of a kite Bram would love to have. "
KITE_FOUND = (
    KITE + "The red lantern Mara put down stayed at the mill. "
    "The pink kite Mara found at the mill was as good as new. "
)
SUNDAY = "It was Sunday, and the baker Mara was at the mill. One day Mara met the fox Bram at the mill. "
IS_THIS_THE_MILL = '"Is this the mill?" asked Mara. "Yes, this is the mill," said Bram.'
LONG = TWO + 4 * f'{IS_THIS_THE_MILL} "Who has the lantern?" "Mara," said Bram. '


def each(rows):
    """A test for each (what was told before, a sentence, what the judge says of it)."""
    ids = [sentence for _, sentence, _ in rows]
    return pytest.mark.parametrize(("before", "sentence", "reason"), rows, ids=ids)


CONTRADICTIONS = [
    (TWO, '"Who has the lantern?" "Bram," said Bram.', "expected the one who holds it, Mara"),
    (TWO, "The blue lantern Mara gave away was now the lantern Bram had.", "be given to a neighbor, red"),
    (TWO, '"Take it!" So the lantern Mara had was now the lantern Nell had.', "Nell is in this story"),
    (TWO, '"Where is the lantern?" asked Bram. It was at the pond.', "expected where it is, mill"),
    (
        TWO,
        "Then the goat Nell came to the inn, and everybody saw the blue key Nell brought.",
        "a place where",
    ),
    (TWO, "The fox Mara winked. You could never tell with Mara.", "the one who has that role, Bram"),
    (TWO, "Bram was still happy.", "expected somebody whose mood was told, but there is none"),
    (TWO, "Bram ate two of the plums. That left three.", "expected somebody with at least four"),
    (TWO, '"Who broke the lantern?" It was Bram, but nobody was angry.', "expected a broken thing"),
    (TWO, '"To the inn!" cried Mara. "To the gate!" cried Bram, and off they all went.', "the same word"),
    (TWO, "A kind aunt sent the pink kite Bram had asked for.", "what somebody with empty hands wished"),
    (BORROWED, "The lantern Bram borrowed still belonged to Bram.", "the one to whom it belongs, Mara"),
    (FOOD, "Bram ate two of the plums. That left four.", "expected what is left, three"),
    (MONDAY, "They slept well, and when they woke up it was Friday.", "expected the day after, Tuesday"),
    (AWAY, '"Where can Bram be?" asked Mara, went to the inn, and there she was.', "expected"),
    (LAID, "The lantern Bram picked up had lain at the mill for a while.", "hands where it lies, Mara"),
    (TWO, "Once upon a time, the goat Mara lived by the mill.", "Mara is the baker"),
    (FOOD, "The fox Bram stopped at the mill with six figs.", "Bram has five plums"),
    (MONDAY, "It was Tuesday, as everybody could tell from the soup.", "expected a day, the first"),
]


@each(CONTRADICTIONS)
def test_the_judge_catches_a_planted_contradiction(before, sentence, reason):
    """At the right sentence, for the right reason, and the sentences around it are judged as before."""
    sentences = [verdict.sentence for verdict in judge(before)]
    verdicts = judge(f"{before}{sentence} {BEETLE}")
    assert [verdict.sentence for verdict in verdicts[:-1]] == [*sentences, sentence]
    assert all(verdict.kind == "ok" for verdict in verdicts[: len(sentences)])
    assert verdicts[len(sentences)].kind == "contradiction"
    assert reason in verdicts[len(sentences)].reason
    assert verdicts[-1].kind == "ok"
    assert bits(before + sentence) is None


MISPLACED = [
    (
        FOUND,
        "Once the baker Mara sat at the mill and admired the red lantern Mara had found.",
        "said already",
    ),
    (AWAY, "One day Mara met the fox Bram at the mill.", "somebody is a fox already"),
    ("", "A beetle crossed the road without looking.", "the story has not begun: nobody is in it"),
    (
        TWO + "A beetle crossed the road without looking. ",
        "An owl asked a question, and no one replied.",
        "must happen first",
    ),
    (TWO, "And that is how the baker Mara came to love the mill.", "it is too early to end"),
    (TWO, "Once upon a time, the goat Nell lived by the inn.", "the story has begun already"),
    (FOOD, "An old woman gave Mara four figs and a wink.", "a sentence of this kind stood just before"),
    (FULL, "The duck Ivy stopped at the mill with four figs.", "nobody else fits into this story"),
    (LONG, '"Is this the mill?" asked Mara. "Yes, this is the mill," said Bram.', "should have ended"),
    ("", "Once the goat Mara and the goat Bram met at the mill.", "two are a goat"),
    (TWO, '"Who has the lantern?" "Mara," said Mara.', "Mara would be alone in this"),
    (TWO, "The baker Mara walked from the mill to the mill.", "at the mill already"),
    (TWO, "There was fog at the inn now.", "nobody is at the inn"),
    (TWO, "They slept well, and when they woke up it was Friday.", "no day was told"),
    (SUNDAY, "It was Sunday, as everybody could tell from the soup.", "the day was told already"),
    (KITE, '"Is there a drum Bram could have?" asked Mara. There was none.', "Bram has a wish already"),
    (KITE, "The pink kite Bram found at the mill was as good as new.", "a kite was mentioned already"),
    (FOOD, "Mara bought four plums near the mill.", "somebody has plums already"),
    (THREE_PLUMS, "Bram ate two of the plums. That left one.", "Bram has fewer than four things to eat"),
    (FOOD, "Bram ate four of the plums. That left one.", "four would leave fewer than two"),
    (EIGHTEEN, 'Bram found two more plums. "Now I have twenty," he said.', "more than fifteen"),
]


@each(MISPLACED)
def test_the_judge_finds_what_is_misplaced(before, sentence, reason):
    verdicts = judge(before + sentence)
    assert all(verdict.kind == "ok" for verdict in verdicts[:-1])
    assert (verdicts[-1].sentence, verdicts[-1].kind) == (sentence, "misplaced")
    assert reason in verdicts[-1].reason
    assert bits(before + sentence) is None


FALSE_AND_MISPLACED = [
    (TWO, "One day Bram met the goat Mara at the mill.", "Mara is the baker"),
    (AWAY, '"Hello, Mara!" It was the goat Bram, coming to the mill.', "Bram is the fox"),
    ("", "The red key Mara found at the mill was as good as new.", "introduced nobody; begin with"),
    (FOUND, "The blue drum Mara found at the mill was as good as new.", "with empty hands"),
    (TWO, "And that was the end of Monday.", "expected this day, but there is none"),
    (TWO, "And that is how the fox Mara came to love the mill.", "expected the one who has that role"),
    (
        TWO + "A beetle crossed the road without looking. ",
        "At the mill, Nell was counting clouds.",
        "nobody named Nell",
    ),
    (KITE, "And there it lay, the red kite Mara wanted, right at the mill.", "wished for it, Bram"),
    (KITE_FOUND, "A kind aunt sent the red kite Bram had asked for.", ""),
]


@each(FALSE_AND_MISPLACED)
def test_what_is_false_is_a_contradiction_however_badly_placed(before, sentence, reason):
    verdict = judge(before + sentence)[-1]
    assert (verdict.sentence, verdict.kind) == (sentence, "contradiction")
    assert reason in verdict.reason


def test_the_story_has_an_end():
    example = TOLD[0].text
    after = judge(f"{example} {BEETLE} The key Nobody had was gone. {example}")
    steps = len(PARSED[0])
    assert [verdict.kind for verdict in after[: steps + 2]] == ["ok"] * steps + ["misplaced", "unknown"]
    assert after[steps].reason == "the story is over"
    assert not any(verdict.kind == "ok" for verdict in after[steps:])


# ---- what the rest is judged by ---------------------------------------------------------------------------


def test_a_contradiction_changes_nothing_and_what_is_no_sentence_is_skipped():
    verdicts = judge(
        TWO + "The blue lantern Mara gave away was now the lantern Bram had. The end? No. \n"
        '"Who has the lantern?" "Mara," said Bram. '
        '"May I see the lantern Bram has?" asked Mara. "Yes, but do not drop it." Once ther'
    )
    expected = ["ok", "ok", "contradiction", "unknown", "unknown", "ok", "contradiction", "unknown"]
    assert [verdict.kind for verdict in verdicts] == expected
    assert [verdict.sentence for verdict in verdicts][3:5] == ["The end?", "No."]
    assert verdicts[-1].sentence == "Once ther"


def test_nothing_false_or_strange_changes_the_other_verdicts():
    """Sentences of other stories, put into a story: those that are false or cut change no other verdict."""
    rng, planted = Random(4), 0
    for sentences in SENTENCES[:100]:
        others, text = rng.choice(SENTENCES), [*sentences]
        for place in sorted(rng.choices(range(len(text) + 1), k=4), reverse=True):
            text.insert(place, rng.choice(others)[: rng.choice([None, -1, 9])])
        verdicts = judge(" ".join(text))
        left = [verdict for verdict in verdicts if verdict.kind in ("ok", "misplaced")]
        planted += len(verdicts) - len(left)
        alone = judge(" ".join(verdict.sentence for verdict in left))
        for one, other in zip(left, alone, strict=True):
            assert (one.sentence, one.kind, one.reason) == (other.sentence, other.kind, other.reason)
    assert planted > 200


def test_a_sentence_said_twice_is_misplaced_and_changes_no_other_verdict():
    """Any sentence of a true story, said again at once."""
    rng, seen = Random(6), set()
    for sentences, steps in zip(SENTENCES, PARSED, strict=True):
        at = rng.randrange(len(steps))
        verdicts = judge(" ".join([*sentences[: at + 1], *sentences[at:]]))
        again = verdicts.pop(at + 1)
        assert (again.kind, again.recalls) == ("misplaced", ())
        assert [verdict.kind for verdict in verdicts] == ["ok"] * len(steps)
        seen.add(steps[at].pattern.text)
    assert len(seen) > 70


def test_a_misplaced_sentence_is_no_step_of_the_story():
    """Too early an end does not end it, and no story gets long enough for one by repeating."""
    end = "They all lived happily ever after, the baker Mara most of all. "
    greeting = '"Good morning, Mara," said Bram. "Good morning, Bram," said Mara. '
    assert kinds(TWO + end + greeting + end)[2:] == ["misplaced", "ok", "misplaced"]
    assert kinds(TWO + greeting * 20 + end)[3:] == ["misplaced"] * 20


@pytest.mark.parametrize("space", [" ", "\n", "\t", "  ", " \n\n ", "\r\n", "\u00a0"])
def test_white_space_changes_no_verdict(space):
    """At the beginning, at the end, between sentences, and so in those of two parts: "Take it!" So …"""
    contradictions = [before + sentence for before, sentence, _ in CONTRADICTIONS[:9] + MISPLACED[:9]]
    for text in [example.text for example in TOLD[:20]] + contradictions:
        verdicts = judge(text)
        assert judge(text + space) == judge(space + text) == verdicts
        assert judge(text.replace(" ", space)) == verdicts
        assert judge(text.replace(". ", f".{space}")) == verdicts
    assert judge(space) == []


# ---- nothing is missed ------------------------------------------------------------------------------------


def test_every_changed_word_of_a_recall_is_caught():
    """A recalled word of a true story, replaced by another of its kind, is a contradiction there."""
    rng, caught = Random(3), 0
    for example, steps in zip(TOLD[:150], PARSED[:150], strict=True):
        at = rng.randrange(len(steps))
        known = [choice for choice in steps[at].choices if len(choice.options) == 1]
        if not known:
            continue
        choice = rng.choice(known)
        a, b = choice.span
        others = [word for word in KINDS[choice.slot.kind] if word != choice.word]
        verdicts = judge(example.text[:a] + rng.choice(others) + example.text[b:])
        assert all(verdict.kind == "ok" for verdict in verdicts[:at])
        assert verdicts[at].kind == "contradiction" and verdicts[at].reason
        caught += 1
    assert caught > 100


def test_a_text_that_introduces_nobody_hears_once_how_a_story_begins():
    found = [f"The {color} key Mara found at the mill was as good as new." for color in ("red", "blue")]
    verdicts = judge(" ".join(found))
    assert [verdict.reason for verdict in verdicts] == [
        "the story introduced nobody; begin with 'Once the baker Mara'",
        "the story introduced nobody",
    ]
    assert all(verdict.of_nobody for verdict in verdicts) and not judge(TWO + found[0])[-1].of_nobody
