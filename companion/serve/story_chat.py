"""A conversation about one story, for the app and `companion chat`: the story stays, old questions go."""

import math
import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import torch

from companion.generation import LanguageModel, stream
from companion.instructions import Chat, chat_ids
from companion.runtime.generation.sampling_arguments import within_context
from companion.runtime.text.end_tokens import decode_answer
from companion.serve.kinds import kind_of
from companion.serve.orders import (
    as_order,
    cannot_tell,
    faults_of,
    in_words,
    note_on_order,
    wanted_phrases,
    with_kept,
)
from companion.serve.route import ABOUT_STORY, EXAMPLE, LEARNED, ORDERS, UNCLEAR
from companion.serve.story_facts import corrected, places_of, truth_of
from companion.serve.story_questions import asked_for, kind_in, read, told_and_asked
from companion.serve.village_words import (
    TABLE,
    content_words,
    from_question_word,
    halves,
    learned_words,
    missing,
    note_of_unknown_words,
    spelled,
    village_nouns,
    with_names,
    without_lead,
)
from companion.show.judged_text import is_story
from companion.village import Verdict, judge
from companion.village.dialogues import DECLINE, answered, beginning_with, talk
from companion.village.judge import state_of
from companion.village.words import KINDS, SHE

TEMPERATURE = 0.8
"""At which a story is told, unless another is given. Questions are answered at 0."""
NO_STORY = f"There is no story yet. Order one, for example: {EXAMPLE}"
"""The answer to a question about the village before a story was told."""
DRAWS = 16
"""How many stories are drawn at most until one has all that was ordered."""
READ_NOTE = "A program read this in the story."


class Draft(NamedTuple):
    """A story that was drawn.

    Attributes:
        story: The story.
        begun: The sentences of a program with which it begins, or "".
        faults: How much of the order it lacks, and how many of its sentences are wrong.
    """

    story: str
    begun: str
    faults: tuple[float, float]


class StoryChat(Chat):
    """A Chat in which an order for a story begins anew, and the story stays when old turns are dropped.

    A context of 256 tokens has room for one story and a few questions. `Chat` drops the oldest exchange when
    it is full, which is the story that the questions are about. This class drops the questions in between.

    Stories are told at `TEMPERATURE`, answers are given at 0. The model answers only questions of the forms
    that it learned, about what the story has. A program answers other questions about the story, and a rule
    declines what is about something else. Where the model's answer is false in the story, what the story says
    comes first, and then what the model said; so an answer comes as one piece.

    Attributes:
        by: Who gave the last answer: "model", "program" or "rule".
        note: What to say below the last answer.
        asked: The last question that named something of the village.
    """

    by = "model"
    note = ""
    asked = ""

    def stream(self, text: str, max_new_tokens: int = 200, seed=None, **options) -> Iterator[str]:
        """Yield the answer piece by piece, as `Chat.stream` does."""
        text = without_lead(text)
        question = told_and_asked(text)[1]
        kind = kind_of(question)
        if kind == "unclear":
            kind = kind_of(spelled(question))
        self.by = "model"
        self.note = ""
        if kind == "order" or (kind == "more" and not self.stories()):
            yield self.told(text, max_new_tokens, seed, **options)
            return
        parts = halves(text)
        if len(parts) == 1 or not self.stories() or not all(kind_of(part) in ABOUT_STORY for part in parts):
            parts = [text]
        answers = [self.answer(part, max_new_tokens, seed, **options) for part in parts]
        yield "\n".join(answers)

    def told(self, text: str, max_new_tokens: int, seed, **options) -> str:
        """The story that an order gets, with which the conversation begins anew."""
        last_order = self.messages[0]["content"] if self.stories() else ""
        order = with_kept(text, last_order)
        declined = cannot_tell(order)
        if declined:
            self.by = "rule"
            return declined
        self.reset()
        self.asked = ""
        options = {"temperature": TEMPERATURE} | self.options | options
        story, begun = self.draw_with_all(as_order(order), in_words(order), max_new_tokens, seed, **options)
        self.note = note_on_order(order, story, begun)
        return story

    def answer(self, text: str, max_new_tokens: int, seed, **options) -> str:
        """The answer to one question: of a program or a rule, or else of the model, if it is not false."""
        text = with_names(self.with_person(self.with_thing(text)))
        if village_nouns(text):
            self.asked = text
        answer = self.without_model(text)
        if answer:
            return answer
        self.by = "model"
        said, question = told_and_asked(text)
        question = f"{said} {as_learned(from_question_word(question))}".strip()
        self.make_room(question, max_new_tokens)
        answer = "".join(super().stream(question, max_new_tokens, seed, **options))
        nouns = village_nouns(question)
        instead = corrected(self.messages, nouns)
        is_answer = answered(answer) or answer.startswith("In the end ")
        if not instead and not is_answer and self.stories():
            instead = places_of(self.stories()[-1], nouns)
        return instead or answer

    def without_model(self, text: str) -> str:
        """Return the answer to a message that the model did not learn to answer; else ""."""
        said, question = told_and_asked(text)
        question = spelled(question)
        known = [*self.contents(), said]
        stories = [one for one in known if is_story(one)]
        kind = kind_in(question, stories)
        question = from_question_word(question)
        self.by = "rule"
        if kind == "world":
            self.note = note_of_unknown_words(text)
            return DECLINE
        if kind not in ABOUT_STORY:
            return UNCLEAR
        if kind == "truth":
            return truth_of(self.messages, text) or NO_STORY
        if kind in LEARNED and any(known) and not missing(asked_for(question), " ".join(known)):
            if content_words(question) <= learned_words():
                return ""
            kind = "story"
        if not stories:
            return NO_STORY
        self.by = "program"
        self.note = READ_NOTE
        return read(kind, question, stories[-1])

    def draw_with_all(self, order: str, wanted: str, max_new_tokens: int, seed, **options) -> tuple[str, str]:
        """Return the first of some stories that has all that is wanted and nothing false, or else the best.

        Where the first stories lack something, the next ones begin with sentences of a program that have it.

        Returns:
            The story, and the sentences of the program with which it begins, or "".
        """
        phrases = wanted_phrases(wanted)
        best = Draft("", "", (math.inf, math.inf))
        for i in range(DRAWS):
            drawn = None if seed is None else seed + 1000 * i
            begun = ""
            if i >= DRAWS // 4 and phrases and (best.begun or best.faults[0] > 0):
                begun = beginning_with(phrases, Random(drawn))
            story = self.continued(begun, order, max_new_tokens, drawn, **options)
            draft = Draft(story, begun, faults_of(story, wanted))
            if i == 0 or draft.faults < best.faults:
                best = draft
            if draft.faults == (0, 0) or options["temperature"] == 0:
                break
        self.messages = [*self.messages, *talk(order, best.story)]
        return best.story, best.begun

    def continued(self, begun: str, order: str, max_new_tokens: int, seed, **options) -> str:
        """A story that begins so, as the model goes on with it."""
        teller = LanguageModel(self.model, self.tokenizer, self.make_cache, self.inline)
        messages = [*self.messages, {"role": "user", "content": order}]
        ids = chat_ids(messages, self.tokenizer, reply=True) + self.tokenizer.encode(begun)
        device = next(self.model.parameters()).device
        row = torch.tensor([within_context(ids, self.model.config)], device=device)  # (1, T)
        settings = teller.settings(row, max_new_tokens, seed, {"stop": self.ends} | options)
        new = stream(teller.reader(), row, **settings)
        return begun + "".join(decode_answer(self.tokenizer, new, self.ends))

    def with_thing(self, text: str) -> str:
        """A question about "it" and nothing else, with the thing that was asked about before."""
        if village_nouns(text) or kind_of(text) not in (*LEARNED, "story", "deeds", "why", "unclear"):
            return text
        asked = [one["content"] for one in self.messages if one["role"] == "user"]
        named = [self.things_in(message) for message in (*asked, self.asked)]
        things = next(filter(None, reversed(named)), set())
        if len(things) != 1 or missing(things, " ".join(self.contents())):
            return text
        return re.sub(
            r"(?i)\b(who|where|what|whose|why|is|was|does|did)\b(.*)\b(it|them|that)\b",
            rf"\1\2the {things.pop()}",
            text,
            count=1,
        )

    @staticmethod
    def things_in(message: str) -> set[str]:
        """The things and goods that a message names."""
        return {*village_nouns(message)}.intersection((*KINDS["thing"], *KINDS["goods"]))

    def with_person(self, text: str) -> str:
        """A question about "she" or "he" and nobody else, with the last name that was said."""
        pronoun = re.search(r"(?i)\b(she|he|him)\b", text)
        stories = [i for i, one in enumerate(self.messages) if is_story(one["content"])]
        named = {*village_nouns(text)}.intersection((*KINDS["name"], *KINDS["role"]))
        if not pronoun or not stories or named:
            return text
        roles = state_of(self.messages[stories[-1]]["content"]).role
        people = {name for name in roles if (name in SHE) == (pronoun[0].lower() == "she")}
        later = " ".join(one["content"] for one in self.messages[stories[-1] + 1 :])
        named = [name for name in village_nouns(with_names(later)) if name in people]
        if not people or (not named and len(people) > 1):
            return text
        name = [*people, *named][-1]
        return re.sub(r"(?i)\b(she|he|him)\b", name, text)

    def stories(self) -> list[str]:
        """The stories of the conversation."""
        return [one for one in self.contents() if is_story(one)]

    def contents(self) -> list[str]:
        """What was told and answered, and what the user said besides orders."""
        orders = [one for one in self.messages if one["role"] == "user" and kind_of(one["content"]) in ORDERS]
        return [one["content"] for one in self.messages if one not in orders]

    def make_room(self, text: str, max_new_tokens: int) -> None:
        """Drop the oldest exchanges after the story's, until the next question fits into the context.

        Where even that is not enough, `Chat.stream` drops the story, too.
        """
        n_kept = 3 if self.messages and self.messages[0]["role"] == "system" else 2
        story, later = self.messages[:n_kept], self.messages[n_kept:]
        if not story or not is_story(story[-1]["content"]):
            return
        context_length = self.model.config.context_length
        limit = context_length + 1 - min(max_new_tokens, context_length // 8)
        question = {"role": "user", "content": text}
        while later and len(chat_ids([*story, *later, question], self.tokenizer, reply=True)) > limit:
            later = later[2:]  # a question and its answer
        self.dropped += (len(self.messages) - len(story) - len(later)) // 2
        self.messages = [*story, *later]


def as_learned(question: str) -> str:
    """A question in the words that the model learned: of now, and from its question word on."""
    for typed, learned in TABLE["learned"].items():
        question = re.sub(typed, learned, question, flags=re.IGNORECASE)
    return question


def story_verdicts(answer: str) -> list[Verdict]:
    """What the judge says of each sentence of an answer that is a story of the village; else nothing."""
    return judge(answer) if is_story(answer) else []
