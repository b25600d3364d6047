"""Questions about the course: one index of the frequent ones and those of the chapters, and the glossary.

A model of the village could not answer them.
"""

import re
from collections import Counter
from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache
from itertools import product

from companion.serve.course_lists import (
    FAQ,
    FREQUENT,
    HEADINGS,
    IN_GLOSSARY,
    NEAREST,
    ONLY_TERMS,
    QUESTIONS,
    SECTIONS,
    TERM_QUESTIONS,
    Answered,
    Entry,
    Index,
    Row,
    capitalized,
    in_words,
    of_terms,
    read_glossary,
    read_questions,
)
from companion.serve.course_question import (
    ASKS,
    ASKS_MORE,
    CLEAR_COSINE,
    CLOSE_COSINE,
    COMPARES,
    POSSIBLE_COSINE,
    SAME_COSINE,
    SIMPLY,
    WHY,
    CourseQuestion,
    Finder,
    Nearness,
    nearness_of,
)
from companion.serve.message import Question
from companion.serve.village_words import (
    LIGHT_WORDS,
    SPARE,
    SPARE_IN_COURSE,
    WORDS,
    content_words,
    question_words,
    spelled_word,
    stem,
    stems,
    village_nouns,
)

TWO_TERMS = "My lists do not compare the two. Here is what each of them means, the later chapter first:"
"""What stands before the entries of two terms that a question compares."""
ONE_TERM = "My lists do not compare the two, and explain only one of them:"
"""The same where one of them is not in the glossary."""
EVERYDAY = frozenset(stems(WORDS["lists"]["everyday"]))
"""Words that are also terms of the course: alone they stand for a term only where other words fit it."""
IN_CHAPTER = "chapter cover covers deal deals handle discuss"
"""Words with which a chapter is asked for."""
RARE = 6
"""In how many listed questions a word may be at most, to stand for the term that has it."""
CHAPTER_AND_NUMBER = re.compile(r"(?i)\b(?:(after)(?: chapter)?|chapters?) (\d+)\b")
"""What names a chapter, or the one after it."""
DOES_CHAPTER = re.compile(
    r"(?i)\b(start|begin|open|run|do i (do|read|need)|how (long|much)|minutes|hours?)\b"
    r"|\b(hard\w*|difficult|easy|skip|know)\b"
)
"""What asks how a chapter is read, and not what is in it."""


class Course:
    """find(question) -> the answer of the lists.

    Attributes:
        frequent: The frequent questions.
        questions: The questions that learners ask, of all chapters.
        glossary: The entries of the glossary.
    """

    def __init__(self):
        self.frequent = read_questions(FAQ)
        self.questions = read_questions(QUESTIONS)
        term_rows = read_questions(TERM_QUESTIONS)
        self.term_questions = Index(term_rows)
        self.finder = Finder([*self.frequent, *self.questions])
        self.sections = Index(read_questions(SECTIONS))
        self.glossary = read_glossary()
        rows = [*self.frequent, *self.questions, *term_rows]
        texts = [f"{' '.join(row.wordings)} {row.answer}" for row in rows]
        texts += [entry.line for entry in self.glossary]
        self.words = set(re.findall(r"\w+", " ".join(texts).lower()))
        self.word_stems = {stem(word) for word in self.words}
        names = [(name, entry) for entry in self.glossary for name in entry.names]
        self.term_words = set(re.findall(r"\w+", " ".join(name for name, _ in names).lower()))
        self.term_stems = set(stems(" ".join(self.term_words))) - EVERYDAY
        asked = " ".join(wording for row in rows for wording in row.wordings)
        self.long_words = {word for word in re.findall(r"\w+", asked.lower()) if len(word) > 6}
        names += [(re.sub(r"\W", "", name), entry) for name, entry in names]  # "finetuning"
        terms = [(frozenset(stems(name)), entry) for name, entry in names]
        self.terms = sorted(terms, key=lambda term: -len(term[0]))  # "causal mask" comes before "mask"
        listed = [wording for row in [*self.frequent, *self.questions] for wording in row.wordings]
        self.counts = Counter(word for wording in listed for word in content_words(wording))
        self.mended_word = lru_cache(4096)(self._mended_word)

    def mended(self, message: str) -> str:
        """The message with "quantisation" as "quantization", and "attenshun" as "attention"."""
        for said, term in WORDS["terms"].items():
            message = re.sub(rf"(?i)\b{said}\b", term, message)
        return re.sub(r"\b[A-Za-z]+\b", lambda found: self.mended_word(found[0]), message)

    def _mended_word(self, typed: str) -> str:
        word = typed.lower()
        if word in self.words or not content_words(word) - question_words():
            return typed
        word = spelled_word(word)
        american = re.sub(r"shun$", "tion", word)
        american = re.sub(r"is(e|ed|er|ers|es|ing|ation|ations)$", r"iz\1", american)
        if american in self.words or len(word) < 4:
            return american
        if len(word) > 7:
            longer = [one for one in self.term_words if one.startswith(american)]
            if longer:  # "backprop" for "backpropagation"
                return min(longer, key=len)
        if stem(word) in self.word_stems:
            return word
        matches = get_close_matches(word, self.term_words | self.long_words, 3, 0.84)
        matches = [one for one in matches if one[0] == word[0]]
        if matches:
            return matches[0]
        return typed if word == typed.lower() else word

    def entries(self, message: str) -> list[Entry]:
        """The entries of at most two terms that a message contains, that of the later chapter first.

        A message contains a term if it has all words of its name, or one that no other name has.
        """
        left = set(stems(message))
        found: list[Entry] = []
        for name, entry in self.terms:
            if name <= left and not name <= LIGHT_WORDS and self.fits(name, entry, message):
                left -= name
                if entry not in found:
                    found.append(entry)
        for word in sorted(left - LIGHT_WORDS - EVERYDAY - question_words()):
            having = {
                entry for name, entry in self.terms if word in name and self.fits({word}, entry, message)
            }
            if len(having) == 1 and not having & set(found) and self.counts[word] <= RARE:
                found.extend(having)
        return sorted(found[:2], key=lambda entry: -number_of(entry.chapter))

    def fits(self, name: Collection[str], entry: Entry, message: str) -> bool:
        """Whether an everyday name, such as "memory", has another word of the entry or a term beside it."""
        if not EVERYDAY.issuperset(name):
            return True
        others = self.unnamed(message, []) - set(name)
        return not others or not others.isdisjoint(self.term_stems | {"chapter", *stems(entry.line)})

    def unnamed(self, message: str, entries: list[Entry]) -> set[str]:
        """The content words of a message that are in no name of some entries."""
        named = set().union(*(name for name, entry in self.terms if entry in entries))
        return content_words(message) - named - content_words(SPARE) - content_words(SPARE_IN_COURSE)

    def nearest(self, message: str) -> tuple[Row, Nearness]:
        """The listed question nearest to a message, and how near it is; any chapter may stand for another.

        A question about terms counts before others where it is the same, or close and they are not clear.
        """
        of_any_chapter = re.sub(r"(?i)\bchapter \d+\b", "a chapter", message)
        row, probability = self.finder.find(message)
        any_row, any_probability = self.finder.find(of_any_chapter)
        if any_probability > probability:
            row = any_row
            probability = min(any_probability, 0.999)
        nearness = nearness_of(probability)
        of_terms, similarity = self.term_questions.find(message)
        is_close = similarity >= (CLEAR_COSINE if COMPARES.search(message) else CLOSE_COSINE)
        if similarity >= SAME_COSINE or (is_close and nearness < Nearness.CLEAR):
            return of_terms, Nearness.SAME if similarity >= SAME_COSINE else Nearness.CLEAR
        return row, nearness

    def section(self, asked: CourseQuestion) -> Answered | None:
        """The section whose heading is nearest to a message, if it has two of its content words, or all."""
        row, similarity = self.sections.find(asked.text)
        words = content_words(in_words(asked.text))
        shared = words & content_words(in_words(row.question))
        if similarity < POSSIBLE_COSINE or (len(shared) < 2 and shared != words):
            return None
        chapter = f"Chapter {number_of(row.chapter)}"
        answer = f"{chapter} has a section on that: “{row.question}”."
        return Answered(answer, f"{HEADINGS}, {row.chapter}", row.chapter)

    def course_question(self, question: Question) -> CourseQuestion:
        """A question with what the lists have of it."""
        entries = self.entries(question.text)
        unnamed = self.unnamed(SIMPLY.sub(" ", WHY.sub(" ", question.text)), entries)
        row, nearness = self.nearest(question.text)
        return CourseQuestion(question.text, question.kind, entries, unnamed, row, nearness)

    def find(self, asked: CourseQuestion) -> Answered | None:
        """The answer of the lists to a question; None where they have none.

        Who may answer, by how near the nearest listed question is; the first that has an answer counts:

        - the terms of a chapter: unless it is the SAME;
        - a purpose: below SAME where all other words are of terms, and at NONE;
        - a comparison: at POSSIBLE, and at NONE;
        - the meaning of terms that are all of the message: below SAME, of two in a question below CLEAR;
        - the listed question: from POSSIBLE on, at POSSIBLE below the meaning of its terms;
        - the meaning of terms beside other words, and a section: at NONE.

        The last two answer no message about something else that requests nothing.
        """
        answerers = [self.terms_of_chapter, self.purpose, self.comparison, self.meaning, self.listed_question]
        if asked.is_request or not self.is_of_something_else(asked):
            answerers += [self.meaning_and_section, self.section]
        for answerer in answerers:
            found = answerer(asked)
            if found:
                return found
        return None

    def terms_of_chapter(self, asked: CourseQuestion) -> Answered | None:
        """The terms of the chapter that a message names."""
        return None if asked.nearness == Nearness.SAME else self.about_chapter(asked.text)

    def purpose(self, asked: CourseQuestion) -> Answered | None:
        """What a term means and what it is for, to a question for its purpose or a simple explanation."""
        is_open = asked.is_open or (asked.nearness < Nearness.SAME and not asked.unnamed)
        if not is_open or len(asked.entries) != 1 or not asked.wants_more:
            return None
        purpose = self.listed("Why do we need {}?", asked.entries)
        return of_terms(asked.entries).followed_by(purpose) if purpose else None

    def comparison(self, asked: CourseQuestion) -> Answered | None:
        """How two terms differ, to a question that compares them; else what they mean."""
        if asked.nearness > Nearness.POSSIBLE or not asked.entries or not COMPARES.search(asked.text):
            return None
        if len(asked.entries) == 1:
            return of_terms(asked.entries, ONE_TERM)
        difference = self.listed("What is the difference between {} and {}?", asked.entries)
        return difference or of_terms(asked.entries, TWO_TERMS)

    def meaning(self, asked: CourseQuestion) -> Answered | None:
        """What the terms of a message mean, if it has nothing else, and no listed question is much nearer."""
        if not asked.entries or asked.unnamed or asked.wants_more:
            return None
        if asked.nearness >= Nearness.CLEAR and COMPARES.search(asked.text):
            return None
        is_one_or_named = len(asked.entries) == 1 or not ASKS.match(asked.text)
        if asked.nearness >= Nearness.CLEAR and ASKS_MORE.match(asked.text):
            return None
        limit = Nearness.SAME if is_one_or_named else Nearness.CLEAR
        return of_terms(asked.entries) if asked.nearness < limit else None

    def listed_question(self, asked: CourseQuestion) -> Answered | None:
        """The answer to the nearest listed question, below the meaning of its terms if it is not clear."""
        if asked.nearness == Nearness.NONE:
            return None
        answer = asked.row.answered()
        if asked.nearness >= Nearness.CLEAR:
            return answer
        nearest = f"{NEAREST} “{asked.row.question}” {asked.row.answer}"
        answer = answer._replace(answer=nearest, is_partial=True)
        if asked.entries:
            return of_terms(asked.entries)._replace(is_partial=True).followed_by(answer)
        return answer

    def is_of_something_else(self, asked: CourseQuestion) -> bool:
        """Whether a message has words of the village, or several that the course does not have."""
        strange = [word for word in asked.unnamed if word not in self.word_stems]
        return len(strange) > 1 or bool(village_nouns(asked.text))

    def meaning_and_section(self, asked: CourseQuestion) -> Answered | None:
        """What the terms of a message mean, and the section on the rest of it."""
        if not asked.entries:
            return None
        section = self.section(asked)
        if section:
            return of_terms(asked.entries).followed_by(section)
        is_partial = bool(ASKS.match(asked.text)) and (asked.unnamed or WHY.search(asked.text))
        if is_partial:
            return of_terms(asked.entries, ONLY_TERMS)._replace(is_partial=True)
        return of_terms(asked.entries)

    def listed(self, form: str, entries: list[Entry]) -> Answered | None:
        """The answer to a question of a form about the terms of some entries, if the lists have it."""
        names = product(*(entry.names for entry in entries))
        found = [self.term_questions.find(form.format(*some)) for some in names]
        row, similarity = max(found, key=lambda one: one[1])
        return row.answered() if similarity >= CLEAR_COSINE else None

    def chapter_for(self, asked: CourseQuestion) -> Answered | None:
        """The chapter that explains what is asked for, and then what the lists say of it."""
        of_chapter = self.about_chapter(asked.text)
        if of_chapter:
            return of_chapter
        entries = asked.entries[:1]
        titled = self.titled(asked.text)
        if titled and titled not in [entry.chapter for entry in entries]:
            return self.about_chapter(titled.partition(":")[0])
        found = of_terms(entries) if entries else self.find(asked)
        if found and found.chapter:
            lead = capitalized(f"{found.chapter}. ")
            return found._replace(answer=lead + found.answer.removeprefix(lead))
        if found and CHAPTER_AND_NUMBER.search(found.answer):
            return found
        strange = [word for word in re.findall(r"\w+", asked.text) if word.lower() not in self.words]
        none = f"No chapter has “{' '.join(strange)}” in its terms. chapters/README.md lists all."
        return Answered(none, IN_GLOSSARY) if strange else None

    def titled(self, message: str) -> str:
        """The chapter with the title that a message names and besides it nothing; "" for none."""
        words = content_words(message) - content_words(f"{SPARE_IN_COURSE} {IN_CHAPTER}")
        chapters = {entry.chapter for entry in self.glossary}
        return next((one for one in chapters if content_words(one.partition(": ")[2]) == words), "")

    def about_chapter(self, message: str) -> Answered | None:
        """The terms of the chapter that a message names, or of the one after it; None if it asks for more.

        It asks for more if it has two other content words, or asks what to do in the chapter.
        """
        found = CHAPTER_AND_NUMBER.search(message)
        if not found or "chapter" not in message.lower() or DOES_CHAPTER.search(message):
            return None
        others = content_words(message) - content_words(f"{found[0]} {SPARE_IN_COURSE} chapter")
        if len(others) > 1:
            return None
        number = int(found[2])
        if found[1]:  # "after chapter 4"
            number += 1
        entries = [entry for entry in self.glossary if number_of(entry.chapter) == number]
        if not entries:
            return None
        terms = ", ".join(entry.line.partition(":")[0] for entry in entries)
        chapter = entries[0].chapter
        return Answered(f"{capitalized(chapter)}. It explains: {terms}.", IN_GLOSSARY, chapter)

    def following(self, before: Answered) -> Answered | None:
        """The question after that of an answer, in its chapter or in the list of frequent ones."""
        is_frequent = before.question in [row.question for row in self.frequent]
        rows = self.frequent
        if not is_frequent:
            rows = [row for row in self.questions if row.chapter == before.chapter]
        if not rows:
            return None
        places = {row.question: i for i, row in enumerate(rows)}
        row = rows[(places.get(before.question, -1) + 1) % len(rows)]
        answer = f"“{row.question}” {row.answer}"
        return row.answered()._replace(answer=answer, source=FREQUENT) if is_frequent else row.answered()


def number_of(chapter: str) -> int:
    """The number of "chapter 4: Attention"."""
    return int(re.search(r"\d+", chapter)[0])
