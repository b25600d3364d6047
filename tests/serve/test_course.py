"""Questions about the course: frequent ones, terms of the glossary, and others that are left to the model."""

import re
from pathlib import Path

import pytest
from support.paraphrases import ASKED, OTHERS, halves

from companion.serve import course, course_lists
from companion.serve.course_lists import FAQ, SMALL_TALK, TERM_QUESTIONS, read_glossary, read_questions
from companion.serve.course_question import LIMITS, Nearness
from companion.serve.kinds import NO_ENTRY, SAID, kind_of
from companion.serve.lists import Lists
from companion.serve.message import Question
from companion.serve.village_words import content_words

ROWS = read_questions(FAQ)
COURSE = Lists()
FINDER = COURSE.course.finder


def test_the_rows_are_whole_and_no_question_is_there_twice():
    wordings = [wording for row in ROWS for wording in row.all_wordings]
    assert 80 <= len(ROWS) <= 1200 and len({wording.lower() for wording in wordings}) == len(wordings)
    assert all(wording.strip() for wording in wordings) and all(len(row.answer) > 20 for row in ROWS)
    assert {meant for _, meant in ASKED} <= set(wordings)
    listed = {row.question for row in [*ROWS, *QUESTIONS, *read_questions(TERM_QUESTIONS)]}
    assert course_lists.other_wordings().keys() <= listed


def test_each_question_finds_its_own_row_and_is_as_near_as_can_be():
    for row in ROWS:
        for wording in row.wordings:
            found, probability = FINDER.find(wording)
            assert found == row and probability == 1, wording
            assert FINDER.find(f"  {wording.upper()}!?")[0] == row
        for wording in row.more:
            assert FINDER.find(wording)[0] == row, wording


def test_questions_in_other_words_are_found_and_none_wrongly():
    """Of those on which nothing was chosen, 20 of 23 are right."""
    asked = halves(ASKED)[1]
    found = [(FINDER.find(question), meant) for question, meant in asked]
    limit = LIMITS[Nearness.POSSIBLE]
    right = sum(probability >= limit and meant in row.all_wordings for (row, probability), meant in found)
    wrong = sum(probability >= limit and meant not in row.all_wordings for (row, probability), meant in found)
    assert right >= 20 and wrong <= 1, (right, wrong, len(asked))


def test_questions_made_of_the_words_of_others_are_not_answered_from_the_lists():
    """One of 39 is: "What is the best laptop for students?"."""
    found = [COURSE.find(question) for question in OTHERS]
    assert sum(bool(one) and one.source != SMALL_TALK for one in found) <= 1


@pytest.mark.gate
def test_the_villages_own_questions_go_to_the_model():
    from companion.village.dialogues import asked

    for one in asked(60, seed=20):
        questions = [message["content"] for message in one.messages if message["role"] == "user"]
        assert not any(COURSE.find(question) for question in questions), questions


@pytest.mark.parametrize(
    "question, name",
    [
        ("What is self-attention?", "self-attention"),
        ("What is meant by the KV cache?", "kv cache"),
    ],
)
def test_a_term_of_the_glossary_is_explained_and_its_chapter_is_named(question, name):
    found = COURSE.find(question)
    [entry] = [one for one in read_glossary() if name in [name.lower() for name in one.names]]
    assert found.answer == entry.line and re.search(r"^the glossary, chapter \d+: \w", found.source)
    assert found.answer.endswith(".") and name in found.answer.lower() and "$" not in found.answer


def test_frequent_questions_are_answered_and_their_source_is_said():
    found = COURSE.find("How long does it take?")
    assert " hours for the main paths" in found.answer and "the list of frequent questions" in found.source
    assert "companion chat --model smollm2" in COURSE.find("is there a general assistant").answer


@pytest.mark.parametrize(
    "question, first, second",
    [
        ("What is attention?", "chapter 4: Attention", "chapter 4: Attention"),
        ("Do I need a GPU?", "the list of frequent questions", "the list of frequent questions"),
    ],
)
def test_tell_me_more_goes_on_with_the_next_question_each_time(question, first, second):
    before = COURSE.find(question)
    more = COURSE.find("tell me more", before)
    again = COURSE.find("And then?", more)
    assert more.source.endswith(first) and again.source.endswith(second)
    assert len({before.answer, more.answer, again.answer}) == 3


def test_it_is_the_last_term_but_not_in_a_question_about_the_story():
    before = COURSE.find("what is perplexity?")
    assert "erplexity" in COURSE.find("why do we need it?", before).answer
    assert "attention?" in COURSE.find("why do we need it?", COURSE.find("Explain attention simply")).answer
    assert "a token and a" in COURSE.find("how is it different from a word?", COURSE.find("a token?")).answer
    assert COURSE.find("where did it take place?", before) is None
    assert "chapter 18" in COURSE.find("What is DPO, and what is it good for?").source


def test_after_a_story_or_small_talk_more_is_left_to_the_model():
    assert COURSE.find("tell me more") is None
    assert COURSE.find("and then?", COURSE.find("thank you")) is None


@pytest.mark.parametrize(
    "question, words",
    [
        ("how do I train on my own text?", ["companion prepare", "--preset text"]),
        ("what do I need?", ["Python 3.11", "no GPU", "companion train"]),
    ],
)
def test_how_to_begin_is_answered_with_the_command(question, words):
    assert all(word in COURSE.find(question).answer for word in words)


def test_the_reading_time_is_readmes():
    from companion.village import DATA

    [hours] = re.findall(r"about (\d+) hours", (DATA.parent / "README.md").read_text("utf-8"))
    assert f"About {hours} hours" in COURSE.find("How long does the course take?").answer


def test_of_two_questions_that_of_the_course_is_answered():
    for message in ("whats the weather today and also what is a tensor", "what is a tensor? where is mara?"):
        answer = COURSE.find(message).answer
        assert answer.startswith("Tensor: ") and answer.endswith(SAID["rest"])


def test_a_term_in_nonsense_is_not_explained():
    for message in ("where is my keys banana", "banana attention fridge"):
        assert getattr(COURSE.find(message), "answer", NO_ENTRY) == NO_ENTRY


LEFT_TO_THE_MODEL = [
    "What is the key?",
    "Where can I buy bread in the village?",
    # about a story, although they have a term
    "who has the mask?",
]


@pytest.mark.parametrize("question", LEFT_TO_THE_MODEL)
def test_what_is_no_question_about_the_course_is_not_answered_from_the_lists(question):
    found = COURSE.find(question)
    assert found is None or found.answer == NO_ENTRY


def test_no_frequent_question_is_without_content():
    """One of light words alone, as "Is it so?", could never be found."""
    assert all(content_words(wording) for row in ROWS for wording in row.all_wordings)
    assert content_words("How do I use top-p and GPT-2?") == {"topp", "gpt2"}
    assert content_words("What's top p?") == {"topp"}
    assert content_words("making stopped mistakes") == {"mak", "stop", "mistak"}


# -- the questions of the chapters ---------------------------------------------------------------------------

QUESTIONS = read_questions(course.QUESTIONS)
REWORDED = (Path(__file__).parents[1] / "support" / "reworded_questions.txt").read_text("utf-8").splitlines()
"""Each of these questions in other words, in the same order, written by hand."""


def share_of_right_chapters(asked):
    """The share of questions whose answer names the chapter that answers them."""
    assert len(asked) == len(QUESTIONS) == 190
    found = [COURSE.find(question) for question in asked]
    first = [re.search(r"chapter \d+: [^;]+", one.source) if one else None for one in found]
    pairs = zip(first, QUESTIONS, strict=True)
    return sum(bool(match) and match[0] == row.chapter for match, row in pairs) / len(asked)


def test_the_questions_that_learners_ask_get_their_chapter_as_they_stand():
    """One does not: "Do I need a GPU?" is a frequent question."""
    assert share_of_right_chapters([row.question for row in QUESTIONS]) >= 0.98


def test_nine_in_ten_of_them_in_other_words_get_their_chapter():
    """0.91, and the thresholds were set on the same wordings; new ones will do a little worse."""
    assert share_of_right_chapters(REWORDED) >= 0.9


@pytest.mark.parametrize(
    "question, chapter, word",
    [
        ("why does attention need a mask", 4, "mask"),
        ("which chapter explains KV cache?", 9, "keys and values"),
        ("waht is a tokenizer", 1, "turns a text into ids"),
        ("whats the difference between top k and top p", 8, "most likely"),
        ("what's chapter 9 about", 9, "KV cache"),
    ],
)
def test_a_message_with_a_term_gets_its_entry_and_chapter(question, chapter, word):
    found = COURSE.find(question)
    assert f"chapter {chapter}: " in f"{found.source} {found.answer.lower()}" and word in found.answer


@pytest.mark.parametrize(
    "british",
    ["quantisation", "lora and quantisation", "tokeniser", "optimiser", "what does normalisation do"],
)
def test_a_british_spelling_is_answered_as_the_american_one(british):
    assert COURSE.find(british) == COURSE.find(british.replace("is", "iz")) is not None


@pytest.mark.parametrize("question", ["what does normalization do", "What is normalisation?"])
def test_a_term_is_found_by_its_short_name(question):
    assert COURSE.find(question).answer.startswith("Layer normalization, layer norm: ")


def test_of_two_terms_each_gets_its_line():
    lines = COURSE.find("lora and quantisation").answer.splitlines()
    assert any(line.startswith("LoRA: ") for line in lines)
    assert any(line.startswith("Quantization, ") for line in lines)


@pytest.mark.parametrize(
    "question, chapter",
    [
        ("which chapter explains attention?", "4: Attention. Attention: "),
        ("where do I learn about quantisation", "19: Quantization. Quantization, "),
        ("Where can I find out about mixture of experts?", "24: Mixture of experts. "),
    ],
)
def test_a_question_for_a_chapter_is_answered_with_the_chapter_first(question, chapter):
    assert COURSE.find(question).answer.startswith(f"Chapter {chapter}")


def test_of_what_no_chapter_explains_that_is_said_and_a_thing_is_no_topic():
    assert COURSE.find("which chapter is about football").answer.startswith("No chapter has “football”")
    assert COURSE.find("Where can I find the kite?") is None


def test_how_many_chapters_there_are_is_no_question_about_a_story():
    found = COURSE.find("how many chapters are there")
    assert "Twenty-six, from 0 to 25" in found.answer
    assert COURSE.find("which chapters are there").answer.startswith("0 Start, 1 Tokenization")
    assert kind_of("how many chapters are there") == "course"
    assert "16 hours" in COURSE.find("how many chapters are there and how long will it take me").answer
    assert kind_of("how many plums are there") == "count"


def test_whoever_begins_begins_with_chapter_0_and_it_is_the_term_of_the_last_answer():
    asked = "I teach a class of 14-year-olds. Which chapter should they read first?"
    assert COURSE.find(asked).answer.startswith("Chapters 0 and 1, in the first week.")
    found = COURSE.find("ok and why do we need it", COURSE.find("What is a tokenizer?"))
    assert "chapter 1: Tokenization" in found.source
    found = COURSE.find("what does that mean", COURSE.find("What is a tokenizer?"))
    assert found.source != SMALL_TALK


def test_what_is_said_with_its_source_has_the_source_below_and_small_talk_has_none():
    with_source = COURSE.find("What is attention?").with_source()
    assert with_source.endswith("\n(From the glossary, chapter 4: Attention.)")
    assert COURSE.find("thank you").with_source() == COURSE.find("thank you").answer
    assert COURSE.find("Who has the kite?") is None


@pytest.mark.parametrize(
    "question, chapter, heading",
    [
        ("why divide scores by sqrt(D)", 4, "Scaled scores: why we divide by √D"),
        ("why does attention cost so much", 4, "What attention costs"),
    ],
)
def test_a_question_without_an_entry_gets_the_nearest_section(question, chapter, heading):
    course = COURSE.course
    found = course.section(course.course_question(Question.of(question)))
    assert found.answer == f"Chapter {chapter} has a section on that: “{heading}”."
    assert found.source.startswith(f"the headings of the chapters, chapter {chapter}: ")
    assert course.section(course.course_question(Question.of("What is the capital city of Spain?"))) is None


def test_each_section_is_found_by_its_heading():
    index = COURSE.course.sections
    with_words = [row for row, words in zip(index.rows, index.content, strict=True) if words]
    assert len(with_words) > 600
    assert sum(index.find(row.question)[0] == row for row in with_words[::20]) >= len(with_words[::20]) - 1


@pytest.mark.parametrize(
    "question, number",
    [
        ("what should I read after chapter 8?", 9),
        ("name 3 terms of chapter 4", 4),
    ],
)
def test_a_chapter_or_the_one_after_it_is_named_with_its_terms(question, number):
    assert COURSE.find(question).answer.startswith(f"Chapter {number}: ")


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("explain key value cache", "explain kv cache"),
        ("what is attention in simple words", "explain attention simply"),
    ],
)
def test_long_words_are_mended_and_other_names_understood(typed, meant):
    assert COURSE.find(typed).answer == COURSE.find(meant).answer != NO_ENTRY


def test_why_is_not_answered_with_a_meaning_alone():
    assert COURSE.find("why do we need nats").answer.startswith("My lists have no answer to just that.")


@pytest.mark.parametrize(
    "question, term, words",
    [
        ("whats a kv cache and why do i need it", "kv cache", "Chapter 9 builds one."),
        ("what is the point of layer norm", "layer normalization", "at one scale"),
        ("explain backprop like im five", "backpropagation", "in one pass"),
    ],
)
def test_what_a_term_is_for_is_answered_from_the_frequent_questions(question, term, words):
    answer = COURSE.find(question).answer
    assert term in answer.lower() and words in answer


@pytest.mark.parametrize(
    "question, beginning",
    [
        ("pretraining vs finetuning", "Pretraining is the first and longest training"),
        ("whats the diff between loss and perplexity", "They all measure the same thing"),
        ("is warm-up the same as perplexity?", "My lists do not compare the two"),
        ("difference between attention and a transistor", "and explain only one of them"),
    ],
)
def test_a_difference_is_answered_or_its_lack_is_said(question, beginning):
    assert beginning in COURSE.find(question).answer


def test_the_questions_about_terms_name_chapters_as_the_glossary_does():
    chapters = {entry.chapter for entry in read_glossary()}
    assert {row.chapter for row in read_questions(TERM_QUESTIONS)} <= chapters
