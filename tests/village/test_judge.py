"""The judge: what is false in a text, what is only out of place, and what the rest is judged by."""

from random import Random

import pytest
from support.cases import cases

from companion.village import VILLAGE, bits, judge, story
from companion.village.judge import MANNERS, PACE, Reading
from companion.village.rules import RULES
from companion.village.words import KINDS

TOLD = [story(Random(seed)) for seed in range(300)]
PARSED = [VILLAGE.parse(example.text) for example in TOLD]
SENTENCES = [[step.pattern.fill(step.words) for step in steps] for steps in PARSED]
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
BROKEN = TWO + "Crack! The red lantern Mara had broke, and somebody said a very short word. "
BOTH = TWO + "The blue key Bram found at the mill was as good as new. "
TWO_PLUMS = FOOD + "Bram ate three of the plums. That left two. "
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
SUNDAY = "It was Sunday, and the baker Mara was at the mill. One day Mara met the fox Bram at the mill. "
IS_THIS_THE_MILL = '"Is this the mill?" asked Mara. "Yes, this is the mill," said Bram.'
LONG = TWO + 4 * f'{IS_THIS_THE_MILL} "Who has the lantern?" "Mara," said Bram. '


BEFORE = {name: text for name, text in globals().items() if name.isupper() and isinstance(text, str)}


def before_it(table):
    """A table's cases; what was told before is one of the texts above, by its name, or a text of its own."""
    rows = cases(__file__)[table]
    return [(BEFORE.get(before, before), sentence, reason) for before, sentence, reason in rows]


def each(rows):
    """A test for each (what was told before, a sentence, what the judge says of it)."""
    ids = [sentence for _, sentence, _ in rows]
    return pytest.mark.parametrize(("before", "sentence", "reason"), rows, ids=ids)


CONTRADICTIONS = before_it("contradictions")


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


MISPLACED = before_it("misplaced")


@each(MISPLACED)
def test_the_judge_finds_what_is_misplaced(before, sentence, reason):
    verdicts = judge(before + sentence)
    assert all(verdict.kind == "ok" for verdict in verdicts[:-1])
    assert (verdicts[-1].sentence, verdicts[-1].kind) == (sentence, "misplaced")
    assert reason in verdicts[-1].reason
    assert bits(before + sentence) is None


def test_there_is_an_example_of_every_rule_whose_breach_may_be_true():
    """For each rule, above, where it makes a sentence misplaced."""
    given = {verdict.reason for before, sentence, _ in MISPLACED for verdict in judge(before + sentence)}
    for name, (_, reason) in MANNERS.items():
        assert (name if isinstance(name, str) else name[0]) in RULES
        front, _, end = reason.partition("{word}")
        shown = any(said.startswith(front) and said.endswith(end) for said in given)
        assert shown or name == "new_name", name


@each(before_it("false and badly placed"))
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


def test_a_quotation_mark_belongs_to_the_sentence_that_it_closes():
    found = [verdict.sentence for verdict in judge('"Hm!" Mara left. "No." said Tom')]
    assert found == ['"Hm!"', "Mara left.", '"No." said Tom']


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


SECOND_FOX = TWO + "The fox Nell came to the mill to feed the swans. "
ALL_BUT_ONE = FOOD + "Bram ate four of the plums. That left one. "
SECOND_WISH = KITE + '"Is there a drum Bram could have?" asked Mara. There was none. '


@pytest.mark.parametrize(("before", "sentence", "kind"), [
    (SECOND_FOX, "The fox Nell winked. You could never tell with Nell.", "ok"),
    (SECOND_FOX, "The fox Bram winked. You could never tell with Bram.", "ok"),
    (SECOND_FOX, "The baker Nell winked. You could never tell with Nell.", "contradiction"),
    (ALL_BUT_ONE, "Bram counted the plums again. There were still one.", "ok"),
    (ALL_BUT_ONE, "Bram counted the plums again. There were still five.", "contradiction"),
    (SECOND_WISH, "There was still no sign of the kite Bram wanted.", "ok"),
    (SECOND_WISH, "There was still no sign of the drum Bram wanted.", "ok"),
])  # fmt: skip
def test_what_is_misplaced_is_believed(before, sentence, kind):
    """From now on there are two foxes; Bram has one plum left; and two wishes."""
    assert kinds(before + sentence)[-2:] == ["misplaced", kind]


def test_a_misplaced_sentence_is_no_step_of_the_story():
    """Too early an end does not end it, and no story gets long enough for one by repeating."""
    end = "They all lived happily ever after, the baker Mara most of all. "
    greeting = '"Good morning, Mara," said Bram. "Good morning, Bram," said Mara. '
    assert kinds(TWO + end + greeting + end)[2:] == ["misplaced", "ok", "misplaced"]
    assert kinds(TWO + greeting * 20 + end)[3:] == ["misplaced"] * 20


def facts_of(state):
    """The facts of a state, one by one, with the words that name each."""
    for name, thing in state.thing.items():
        yield (name, thing.noun), ("thing", name, thing)
    for noun, there in state.lying.items():
        yield (noun,), ("lying", noun, there)
    for of in ("role", "place", "goods", "mood"):
        for name, value in getattr(state, of).items():
            yield (name,), (of, name, value)
    for of in ("owner", "hider", "broken"):
        for noun, name in getattr(state, of).items():
            yield (noun,), (of, noun, name)
    for name, noun in state.wish:
        yield (noun,), ("wish", name, noun)


@pytest.mark.gate
def test_no_sentence_out_of_order_corrupts_what_is_true():
    """Sentences of two stories in any order. One thing of a noun; roles stay; a contradiction changes
    nothing; a misplaced sentence changes nothing that it does not name (places aside: all may go)."""
    rng, seen = Random(12), {"ok": 0, "misplaced": 0, "contradiction": 0}
    for _ in range(400):
        sentences = sum(rng.sample(SENTENCES, 2), [])
        if rng.random() < 0.5:
            tail = sentences[2:]
            rng.shuffle(tail)
            sentences[2:] = tail
        reading = Reading(VILLAGE)
        for sentence in sentences * 2:
            before = reading.state.copy()
            verdict = reading.verdict(VILLAGE.read(reading.state, *VILLAGE.match(sentence, 0)), sentence)
            after = reading.state
            seen[verdict.kind] += 1
            nouns = [thing.noun for thing in after.thing.values()] + list(after.lying)
            assert len(set(nouns)) == len(nouns) and set(nouns) <= set(after.nouns)
            wishing = {name for name, _ in after.wish}
            assert {*after.thing, *after.goods, *after.mood, *after.place, *wishing} <= set(after.role)
            assert before.role.items() <= after.role.items()
            if verdict.kind == "contradiction" or verdict.reason == "said already":
                assert vars(after) == vars(before)
            elif verdict.kind == "misplaced":
                assert all(getattr(after, name) == getattr(before, name) for name in PACE)
                for names, fact in facts_of(before):
                    kept = fact in [other for _, other in facts_of(after)] or fact[0] == "place"
                    assert kept or any(name in sentence for name in names), (sentence, fact)
    assert min(seen.values()) > 400, seen


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
        slots = [i for i, options in enumerate(steps[at].options) if len(options) == 1]
        if not slots:
            continue
        i = rng.choice(slots)
        a, b = steps[at].spans[i]
        others = [word for word in KINDS[steps[at].pattern.slots[i].kind] if word != example.text[a:b]]
        verdicts = judge(example.text[:a] + rng.choice(others) + example.text[b:])
        assert all(verdict.kind == "ok" for verdict in verdicts[:at])
        assert verdicts[at].kind == "contradiction" and verdicts[at].reason
        caught += 1
    assert caught > 100
