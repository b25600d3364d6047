"""The village: exact bits, one reading for every text, and the shipped data."""

import functools
import re
from collections import Counter
from math import log2
from random import Random

import pytest

from companion import village
from companion.village import VILLAGE, Village, bits, judge, load_split, recalls, story
from companion.village.__main__ import main
from companion.village.facts import State
from companion.village.judge import state_of
from companion.village.rules import RULES
from companion.village.words import KINDS, PATTERNS


@functools.cache
def example_stories():
    """A thousand."""
    return [story(Random(seed)) for seed in range(1000)]


@functools.cache
def parsed_stories():
    """The steps of each."""
    return [[step for _, step in VILLAGE.moments(example.text)] for example in example_stories()]


# ---- telling and reading agree ----------------------------------------------------------------------------


@pytest.mark.gate
def test_bits_of_a_text_are_what_the_simulator_counted():
    rng = Random(2024)
    for _ in range(500):
        example = story(rng)
        assert bits(example.text) == pytest.approx(example.bits, abs=1e-9)


def test_the_same_seed_tells_the_same_story_and_another_does_not():
    assert story(Random(5)) == story(Random(5))
    assert len({example.text for example in example_stories()}) == len(example_stories())


# ---- every text has one reading ---------------------------------------------------------------------------


def test_no_word_of_a_kind_begins_another():
    for kind, words in KINDS.items():
        assert len(set(words)) == len(words) > 1, kind
        for one in words:
            assert not any(two != one and re.match(re.escape(one) + r"(?!\w)", two) for two in words), one


def test_a_sentence_is_read_as_one_pattern_alone():
    for example, steps in zip(example_stories()[:60], parsed_stories()[:60], strict=True):
        for step in steps:
            assert [p for p in VILLAGE.patterns if p.regex.match(example.text, step.start)] == [step.pattern]


# ---- the proof by enumeration -----------------------------------------------------------------------------

KEEP = ("name", "pronoun", "role", "thing", "place", "mood", "number")
SMALL = {kind: words if kind == "number" else words[:2] for kind, words in KINDS.items()}
TINY = SMALL | {kind: KINDS[kind][:1] for kind in KINDS if kind not in KEEP}


def small_village(choose, kinds):
    """A village of two names, things and places; its stories may end as soon as two are in them."""
    return Village(kinds, [line for line in PATTERNS if choose(line)], shortest=0, longest=60)


def key(state):
    """A state as a value that can be compared."""
    return repr([value.text if name == "last" and value else value for name, value in vars(state).items()])


def continuations(small, state):
    """Every sentence that can come next, with its probability and the state after it."""
    menu, options = small.menu(state)
    for pattern, weight in menu.items():
        fillings = [([], {}, weight / sum(menu.values()))]
        for slot in pattern.slots:
            fillings = [
                ([*words, word], said | {slot.letter: word}, chance / len(allowed))
                for words, said, chance in fillings
                for allowed in [small.allowed(state, slot, said, options)]
                for word in allowed
            ]
        for words, said, chance in fillings:
            after, text = state.copy(), pattern.fill(words)
            small.advance(after, pattern, said, text)
            yield text, chance, after


def check_continuations(small, state):
    """All that can follow: chances that sum to 1, and no text that is, or begins, another."""
    following = list(continuations(small, state))
    assert sum(chance for _, chance, _ in following) == pytest.approx(1, abs=1e-12)
    texts = sorted(text for text, _, _ in following)
    for one, two in zip(texts, texts[1:], strict=False):
        assert one != two and not two.startswith(one + " ")
    return following


def one_for_each_effect():
    chosen = {}
    for line in PATTERNS:
        chosen[line.part, line.effects] = line
    return set(chosen.values())


@pytest.mark.gate
def test_all_stories_up_to_four_sentences_have_probabilities_that_sum_to_one():
    """A sentence for each effect; equal states are counted together, so that 4 sentences can be exhausted."""
    chosen = one_for_each_effect()
    more = (), (("takes", "B", "n", "c"),), (("enters", "B", "q", "p"),)
    small = small_village(
        lambda line: (
            line in chosen and (line.part in ("event", "scene", "closing") or line.effects[1:] in more)
        ),
        TINY,
    )
    layer, finished, unfinished = {key(State()): (State(), 1.0)}, 0.0, 0.0
    for depth in range(4):
        following = {}
        for state, chance in layer.values():
            for _, share, after in check_continuations(small, state):
                if after.over:
                    finished += chance * share
                elif depth == 3:
                    unfinished += chance * share
                else:
                    name = key(after)
                    following[name] = (after, following.get(name, (None, 0.0))[1] + chance * share)
        layer = following
    assert finished > 0.01 and unfinished > 0.01
    assert finished + unfinished == pytest.approx(1, abs=1e-9)


def test_every_sentence_of_the_table_can_be_followed_by_something():
    """From states of true stories of the small village, with the whole table: no dead end, no text twice."""
    small, rng, example = small_village(lambda line: True, SMALL), Random(0), Counter()
    for _ in range(12):
        state = State()
        while not state.over:
            following = check_continuations(small, state)
            example.update(after.last.text for _, _, after in following)
            state = following[rng.randrange(len(following))][2]
    assert len(example) > 0.8 * len(PATTERNS)


# ---- what is no story -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "Once there was", "." * 99])
def test_what_is_no_story_has_no_bits(text):
    assert bits(text) is None
    assert all(verdict.kind == "unknown" for verdict in judge(text))


# ---- what stories are like --------------------------------------------------------------------------------


def test_stories_have_60_to_200_words_and_one_paragraph():
    for example in example_stories():
        assert 60 <= len(example.text.split()) <= 200
        assert "\n" not in example.text and "  " not in example.text


def test_every_pattern_is_told_and_every_rule_is_used():
    rules = {rule for line in PATTERNS for rule in re.findall(r":(\w+)", line.text)}
    assert {name for name in RULES if not name.startswith("any_")} <= rules
    example = {step.pattern for steps in parsed_stories() for step in steps}
    assert len(example) > 0.95 * len(VILLAGE.patterns)


def test_facts_hold_what_was_told():
    for example in example_stories()[:200]:
        state = state_of(example.text)
        assert {*state.thing} <= {*state.role}
        for thing in state.thing.values():
            assert thing.noun in example.text and thing.color in KINDS["color"]
        for name, (n, goods) in state.goods.items():
            assert name in state.role and 1 <= n <= 20 and goods in KINDS["goods"]


# ---- the two readers --------------------------------------------------------------------------------------


def test_the_forgetful_reader_pays_for_every_slot_and_never_gains():
    for example, steps in zip(example_stories()[:200], parsed_stories()[:200], strict=True):
        choices = [choice for step in steps for choice in step.choices]
        extra = sum(log2(len(KINDS[choice.slot.kind]) / len(choice.options)) for choice in choices)
        assert bits(example.text, forget=True) == pytest.approx(example.bits + extra, abs=1e-9)
        assert extra > 0


def test_recalls_are_the_slots_with_one_option():
    for example, steps in zip(example_stories()[:200], parsed_stories()[:200], strict=True):
        spans = recalls(example.text)
        assert all(a < b for a, b in spans) and spans == sorted(spans)
        known = [choice.word for step in steps for choice in step.choices if len(choice.options) == 1]
        assert [example.text[a:b] for a, b in spans] == known
    with pytest.raises(ValueError, match="no story of this village"):
        recalls("Once there was nothing.")


# ---- the shipped data -------------------------------------------------------------------------------------


@pytest.mark.gate
def test_splits_are_what_the_command_writes(tmp_path, capsys):
    assert main(["--out", str(tmp_path)]) == 0
    capsys.readouterr()
    shipped = village.DATA / "village"
    for name in [f"{split}.txt" for split in village.SPLITS] + ["SHA256SUMS"]:
        assert (tmp_path / name).read_bytes() == (shipped / name).read_bytes(), name


def test_no_story_is_in_two_splits():
    splits = {split: load_split(split) for split in village.SPLITS}
    stories = [text for texts in splits.values() for text in texts]
    assert len(set(stories)) == len(stories)
    for split, (_, count) in village.SPLITS.items():
        assert len(splits[split]) == count
    assert all(bits(text) for text in splits["test"])
    with pytest.raises(ValueError, match="split='dev' must be one of train, val, test"):
        load_split("dev")


@pytest.mark.gate
def test_more_stories_on_request(tmp_path, capsys):
    assert main(["--stories", "5", "--seed", "9", "--out", str(tmp_path)]) == 0
    assert "5 stories" in capsys.readouterr().out
    few = village.read_stories(tmp_path / "stories.txt")
    assert len(few) == 5 and few == list(village.tell(9, 7))[:5]
    assert main(["--stories", "2", "--out", str(tmp_path)]) == 0
    assert village.read_stories(tmp_path / "stories.txt") == list(village.tell(4, 2))
    capsys.readouterr()
    assert main(["--stories", "0"]) == 2
    assert "--stories 0" in capsys.readouterr().err


def three_letters_a_token(texts):
    """(tokens of the texts, each behind an <|endoftext|>, which has no letters; where each begins)."""
    tokens, starts = [], []
    for text in texts:
        starts.append(len(tokens))
        tokens += ["", *(text[i : i + 3] for i in range(0, len(text), 3))]
    return tokens, starts


def test_the_tokens_of_recalled_words_are_marked():
    texts = load_split("val")[:5]
    tokens, starts = three_letters_a_token(texts)
    flags, words = village.recalled_tokens(texts, starts, tokens, "".join)
    spans = [recalls(text) for text in texts]
    assert words == sum(map(len, spans)) > 5 and flags.shape == (len(tokens),) and flags.dtype == "uint8"
    for start, text, found in zip(starts, texts, spans, strict=True):
        assert flags[start] == 0
        for i in range(0, len(text), 3):
            assert flags[start + 1 + i // 3] == any(a < i + 3 and i < b for a, b in found)


def test_the_places_of_recalled_words_that_were_said_before():
    texts = load_split("val")[:30]
    tokens, starts = three_letters_a_token(texts)
    places = village.recalled_places(texts, starts, tokens, "".join)
    spans = [(n, *span) for n, text in enumerate(texts) for span in recalls(text)]
    assert 30 < len(places) < len(spans)  # some were never said
    found = {(story, first): (last, back) for story, first, last, back in places}
    for n, a, b in spans:
        word, said = texts[n][a:b], re.findall(r"\w+|\W", texts[n][:a])
        last, back = found.pop((n, a // 3 + 1), (None, None))
        if word not in said:
            assert last is None
            continue
        before = sum(map(len, said[: len(said) - 1 - said[::-1].index(word)]))
        assert (last, back) == ((b - 1) // 3 + 1, a // 3 - before // 3)
    assert not found


@pytest.mark.parametrize("recalled", [village.recalled_tokens, village.recalled_places])
def test_what_is_no_story_recalls_no_tokens(recalled):
    with pytest.raises(ValueError, match="is no story of this village"):
        recalled(["No story."], [0], ["", "No story."], "".join)
