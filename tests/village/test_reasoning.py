"""Questions that need several steps: companion.village.reasoning, and its judge: companion.village.steps."""

import re
from collections import Counter
from functools import cache

import pytest

from companion.village.judge import Reading, cut
from companion.village.machine import VILLAGE
from companion.village.reasoning import (
    NUMBER_WORDS,
    QUESTION_KINDS,
    Fact,
    StepQuestion,
    step_questions,
    trace,
)
from companion.village.rules import holding
from companion.village.steps import judge_trace, read_step
from companion.village.words import KINDS

CELLS = [(kind, k) for kind in QUESTION_KINDS for k in range(1, 7)]


@cache
def asked(kind: str, k: int, seed: int = 1, n: int = 15) -> list[StepQuestion]:
    return step_questions(n, seed, [kind], [k])


@cache
def every() -> list[StepQuestion]:
    """Questions of all kinds and numbers of steps."""
    return [question for cell in CELLS for question in asked(*cell)]


def thought(steps: list[str], answer: str) -> str:
    return f"<think> {' '.join(steps)}</think> {answer}."


def wordings(question: StepQuestion) -> list[str]:
    return [fact.text for fact in question.steps]


def kinds_of(question: StepQuestion, text: str) -> list[str]:
    return [step.kind for step in judge_trace(question, text).steps]


def by_hand() -> StepQuestion:
    """A question of whose steps we know everything: Tom had 5, lost 2, got 3; Mara had 4; Ned had 9."""
    five = Fact(1, ("count", "Tom"), 5, 5)
    four = Fact(2, ("count", "Mara"), 4, 4)
    three = Fact(3, ("count", "Tom"), 3, -2, (five,))
    nine = Fact(4, ("count", "Ned"), 9, 9)
    six = Fact(5, ("count", "Tom"), 6, 3, (three,))
    ten = Fact(6, ("sum", ""), 10, premises=(six, four))
    steps = (five, four, three, six, ten)
    return StepQuestion("count", "", "", "ten", steps, (five, four, three, nine, six, ten), "")


TRUE_STEPS = [
    "Tom has five.",
    "Mara has four.",
    "Tom lost two: three.",
    "Tom got three: six.",
    "Together ten.",
]


# -- questions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, k", CELLS)
def test_a_question_takes_exactly_so_many_steps_in_stories_of_one_length(kind, k):
    for question in asked(kind, k):
        assert question.kind == kind and len(question.steps) == k == len(set(question.steps))
        full = " ".join(question.full.split())
        assert len(list(cut(full, VILLAGE))) == 12
        assert [fact.time for fact in question.steps] == sorted(fact.time for fact in question.steps)
        assert all(question.steps.index(p) < i for i, f in enumerate(question.steps) for p in f.premises)


def test_the_answer_is_what_the_village_believes_at_the_end_of_the_full_story():
    """The village's own judge reads the full sentences, and knows nothing of steps."""
    for question in every():
        reading = Reading(VILLAGE)
        for start, end, matched in cut(question.full, VILLAGE):
            step = VILLAGE.read(reading.state, *matched)
            assert reading.verdict(step, question.full[start:end]).kind != "contradiction"
        state = reading.state
        if question.kind == "count":
            people = re.search(r"do(?:es)? (.*) have (?:now|together)", question.question)[1]
            counts = [state.goods[name] for name in re.split(", | and ", people)]
            assert question.answer == NUMBER_WORDS[sum(count for count, _ in counts) - 1]
            assert all(goods in question.question for _, goods in counts)
            continue
        subject = re.search(r"(\w+)(?: now)?\?$", question.question)[1]
        name = subject if subject in state.role else holding(state, subject)
        assert question.answer == (name if question.kind == "holder" else state.place[name])


def test_an_independent_reader_of_the_told_story_finds_the_same_counts():
    """The told sentences suffice: regular expressions alone keep count."""
    number = "(" + "|".join(KINDS["number"]) + ")"
    begins = [
        rf"(\w+) bought {number} ",
        rf"gave (\w+) {number} \w+ and a wink",
        rf"(\w+) stopped at .* with {number} ",
    ]
    for question in [q for q in every() if q.kind == "count"]:
        counts: Counter[str] = Counter()
        for sentence in re.split(r"(?<=\.) (?=[A-Z\"])", question.story):
            amount = next(
                (NUMBER_WORDS.index(w) + 1 for w in re.findall(r"\w+", sentence) if w in KINDS["number"]), 0
            )
            if found := next(filter(None, (re.search(begin, sentence) for begin in begins)), None):
                counts[found[1]] = amount
            elif found := re.match(rf"(\w+) (?:got|found) {number} more", sentence):
                counts[found[1]] += amount
            elif found := re.match(rf"(\w+) ate {number} of", sentence):
                counts[found[1]] -= amount
            elif found := re.match(r"Some ducklings ate .* the \w+ (\w+) had", sentence):
                counts[found[1]] -= amount
            elif found := re.match(rf"(\w+) gave {number} \w+ to (\w+)", sentence):
                counts.update({found[1]: -amount, found[3]: amount})
            elif found := re.match(r"\"Fair is fair,\" said (\w+)\.", sentence):
                giver = found[1]
            elif found := re.match(rf"(\w+) got {number} \w+\.", sentence):
                counts.update({giver: -amount, found[1]: amount})
        people = re.search(r"do(?:es)? (.*) have (?:now|together)", question.question)[1]
        assert NUMBER_WORDS[sum(counts[n] for n in re.split(", | and ", people)) - 1] == question.answer


def test_no_told_sentence_gives_a_result_away():
    story = " ".join(question.story for question in every())
    for words in ("That made", "That left", ", leaving", r"and kept \w+[.]", "Now I have", "soon it was the"):
        assert not re.search(words, story), words
    for question in every():
        if question.kind != "count":  # after its finding, no sentence names a thing
            assert all(
                question.story.count(f" {noun} ") < 2
                for noun in KINDS["thing"]
                if noun not in ("saw", "book")
            )


def test_the_same_seed_asks_the_same_and_more_of_them_begin_alike():
    assert step_questions(8, 5) == step_questions(12, 5)[:8]
    assert not {q.story for q in step_questions(8, 6)} & {q.story for q in step_questions(8, 5)}
    cells = [(q.kind, len(q.steps)) for q in step_questions(9, 5, ["holder", "count"], [2, 4])]
    assert cells == ([("holder", 2), ("holder", 4), ("count", 2), ("count", 4)] * 3)[:9]


def test_numbers_stay_within_twenty_or_go_beyond():
    counted = [fact.value for q in every() for fact in q.steps if fact.about[0] in ("count", "sum")]
    assert 1 <= min(counted) and max(counted) <= 20
    for question in step_questions(24, 3, ["count"], [3, 4, 5, 6], large=True):
        total = question.steps[-1]
        assert (
            total.about == ("sum", "")
            and 20 < total.value
            and question.answer == NUMBER_WORDS[total.value - 1]
        )
        assert all(fact.value <= 20 for fact in question.facts if fact.about[0] == "count")
        assert judge_trace(question, trace(question)).sound


def test_answers_vary_and_cannot_be_guessed_from_the_last_name():
    last_names = Counter()
    for k in (3, 4, 5, 6):
        for question in asked("holder", k):
            names = [word for word in re.findall(r"\w+", question.story) if word in KINDS["name"]]
            last_names[names[-1] == question.answer] += 1
    assert last_names[True] < 0.5 * last_names.total()
    assert len({q.answer for q in every() if q.kind == "count"}) > 12


def test_number_words():
    assert len(NUMBER_WORDS) == 99 == len(set(NUMBER_WORDS))
    assert [NUMBER_WORDS[n - 1] for n in (1, 19, 20, 21, 40, 99)] == [
        *("one", "nineteen", "twenty"),
        *("twenty-one", "forty", "ninety-nine"),
    ]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"kinds": ["sum"]}, "kind 'sum' is none"),
        ({"steps": [0, 1]}, "must be from 1 to 6"),
        ({"steps": [7]}, "must be from 1 to 6"),
        ({"steps": []}, "must be from 1 to 6"),
        ({"sentences": 5}, "at least 8"),
        ({"kinds": ["count"], "steps": [2], "large": True}, "must be from 3 to 6"),
        ({"steps": [3], "large": True}, "for counts"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        step_questions(1, 1, **options)


# -- the judge ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, k", CELLS)
def test_the_simulator_s_own_trace_is_sound(kind, k):
    for question in asked(kind, k):
        verdict = judge_trace(question, trace(question))
        assert [step.kind for step in verdict.steps] == ["true"] * k
        assert [step.step for step in verdict.steps] == wordings(question)
        assert verdict.right and verdict.sound and not verdict.lucky


@pytest.mark.gate
def test_the_simulator_s_own_traces_are_sound_over_thousands_of_stories():
    for question in step_questions(3600, 7):
        verdict = judge_trace(question, trace(question))
        assert verdict.right and verdict.sound
        assert {step.kind for step in verdict.steps} == {"true"}


def test_a_changed_number_is_false():
    for question in [q for q in every() if q.kind == "count"]:
        for i, step in enumerate(wordings(question)):
            numbers = [m for m in re.finditer(r"[a-z-]+", step) if m[0] in NUMBER_WORDS]
            for found in numbers:
                other = NUMBER_WORDS[(NUMBER_WORDS.index(found[0]) + 1) % 20]
                changed = wordings(question)
                changed[i] = step[: found.start()] + other + step[found.end() :]
                verdict = judge_trace(question, thought(changed, question.answer))
                assert verdict.steps[i].kind == "false" and verdict.steps[i].fact == question.steps[i]
                assert verdict.right and verdict.lucky and not verdict.all_true and not verdict.complete


def test_a_changed_name_or_place_is_caught():
    """It is false, or true of somebody else and then irrelevant; the trace is sound in no case."""
    counted = Counter()
    for question in every()[::2]:
        people = sorted({n for n in re.findall(r"\w+", question.story) if n in KINDS["name"]})
        for i, step in enumerate(wordings(question)):
            kind = "place" if " is at the " in step else "name"
            options = KINDS["place"] if kind == "place" else [*people, "Zoe"]
            found = next(
                (w for w in re.findall(r"\w+", step)[:: -1 if kind == "place" else 1] if w in KINDS[kind]),
                None,
            )
            for other in [w for w in options if found and w != found]:
                changed = wordings(question)
                changed[i] = re.sub(rf"\b{found}\b", other, step)
                verdict = judge_trace(question, thought(changed, question.answer))
                assert not verdict.sound and not verdict.complete and verdict.lucky
                counted[verdict.steps[i].kind] += 1
                assert other != "Zoe" or verdict.steps[i].kind == "unreadable"
    assert set(counted) == {"false", "irrelevant", "repeated", "unreadable", "true"}  # true: it comes again
    assert counted["false"] > 0.7 * counted.total()


def test_a_changed_order_is_caught_where_it_matters():
    for question in every():
        for i, (one, two) in enumerate(zip(question.steps, question.steps[1:], strict=False)):
            swapped = wordings(question)
            swapped[i : i + 2] = two.text, one.text
            verdict = judge_trace(question, thought(swapped, question.answer))
            matters = one.about == two.about or one in two.premises
            assert verdict.sound != matters, (swapped, question.prompt)
            if one.about == two.about:
                assert verdict.steps[i].kind in ("false", "repeated")
            elif matters:
                assert verdict.steps[i].leap or verdict.steps[i].kind == "repeated"


def test_a_missing_step_is_noticed():
    for question in every():
        for i in range(len(question.steps)):
            fewer = wordings(question)
            del fewer[i]
            verdict = judge_trace(question, thought(fewer, question.answer))
            assert not verdict.complete and verdict.lucky


def test_verdicts_by_hand():
    question = by_hand()
    assert wordings(question) == TRUE_STEPS
    assert judge_trace(question, thought(TRUE_STEPS, "ten")).sound
    cases = {
        "Tom has five. Ned has nine. Tom has five. Tom ate a lot. Tom lost two: four.": [
            *("true", "irrelevant", "repeated", "unreadable", "false")
        ],
        "Tom has five. Tom got two: three.": ["true", "false"],  # got for lost
        "Tom has five. Tom has three. Tom has five.": ["true", "true", "false"],  # no way back
        "Tom has five. Tom got three: six.": ["true", "false"],  # skips a needed fact
        "Tom has five. Tom lost two: four. Tom got three: six.": ["true", "false", "true"],
        "Tom has five. Tom lost two: four. Tom lost two: three.": ["true", "false", "true"],
        "Sam has five. Vera is at the mill. Mara has the key.": ["false", "false", "false"],
        "Tom has five.Mara has four. tom has three.": ["unreadable", "unreadable"],
        "Together ten.": ["true"],
        "Together nine. Together ten. Together ten": ["false", "true", "unreadable"],
    }
    for steps, expected in cases.items():
        assert kinds_of(question, f"<think> {steps}</think> ten.") == expected, steps


def test_a_place_that_comes_again_counts_after_its_premise():
    """Vera is at the tower, leaves, and follows Emil there: only then it is the step that is asked for."""
    first = Fact(1, ("place", "Vera"), "tower")
    emil = Fact(2, ("place", "Emil"), "tower")
    inn = Fact(3, ("place", "Vera"), "inn")
    again = Fact(4, ("place", "Vera"), "tower", premises=(emil,))
    question = StepQuestion("place", "", "", "tower", (emil, again), (first, emil, inn, again), "")
    assert judge_trace(question, trace(question)).sound
    vera, at_inn, emil_there = first.text, inn.text, emil.text
    assert kinds_of(question, thought([vera, emil_there], "tower")) == ["true", "true"]
    assert not judge_trace(question, thought([vera, emil_there], "tower")).sound
    steps = [emil_there, at_inn, vera, at_inn]
    assert kinds_of(question, thought(steps, "tower")) == ["true", "irrelevant", "true", "false"]


def test_repairs_by_hand():
    question = by_hand()

    def repaired(*steps: str) -> list[bool]:
        return [
            s.repaired for s in judge_trace(question, thought(list(steps), "ten")).steps if s.kind == "false"
        ]

    assert repaired("Tom has five.", "Tom lost two: four.", "Tom lost two: three.") == [True]
    assert repaired("Tom has five.", "Tom lost two: four.", "Tom got three: six.") == [True]
    assert repaired("Tom has five.", "Tom lost two: four.", "Mara has four.") == [False]
    assert repaired("Tom has five.", "Tom lost two: four.", "Tom got three: seven.") == [False, False]
    assert repaired("Ned has five.", *TRUE_STEPS) == [True]
    assert repaired("Ned has five.", *TRUE_STEPS[:-1]) == [False]
    assert repaired(*TRUE_STEPS, "Tom has five.") == [False]


def test_leaps_by_hand():
    question = by_hand()
    verdict = judge_trace(question, thought(["Together ten.", *TRUE_STEPS[:4]], "ten"))
    assert verdict.steps[0].leap and verdict.all_true and verdict.complete and not verdict.sound


def test_answers_are_read_exactly():
    question = by_hand()
    for text in (" ten.", "ten", "<think></think> ten.", "<think> Tom has five.</think>\nten"):
        assert judge_trace(question, text).right, text
    for text in (
        "",
        "eleven.",
        "ten ten.",
        "<think> Together ten.",
        "<think> ten.",
        " ten.</think>",
        "Ten.",
        "ten or nine.",
    ):
        assert not judge_trace(question, text).right, text
    assert judge_trace(question, "<think> Together ten.").answer == ""
    assert judge_trace(question, " ten.").steps == () and judge_trace(question, " ten.").lucky


def test_places_of_steps_are_places_in_the_text():
    for question in every()[::7]:
        text = trace(question)
        for step in judge_trace(question, text).steps:
            assert text[step.start : step.end] == step.step


def test_every_wording_of_a_fact_is_read_as_that_fact():
    for question in every():
        for fact in question.facts:
            claim = read_step(fact.text)
            assert claim.about == fact.about and claim.agrees(fact)
            assert claim.change is None or claim.change == fact.change


# -- rewards ------------------------------------------------------------------------------------------------
