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
from companion.serve.after_story import WHICH_COLOR, asked_for, asks_of_villagers, kind_after
from companion.serve.deed_questions import NO_REASONS
from companion.serve.kinds import ABOUT_STORY, EXAMPLE, FOR_MODEL, UNCLEAR, Kind
from companion.serve.message import Question, read_message
from companion.serve.orders import (
    as_order,
    faults_of,
    normalized_order,
    note_on_order,
    wanted_phrases,
    with_kept,
)
from companion.serve.story_facts import (
    ORDINALS,
    SCENE,
    cast,
    corrected,
    is_summary,
    lacking,
    people_of,
    places_of,
    things_of,
    truth_of,
)
from companion.serve.story_questions import HAS_NOTHING, HAS_WHAT, read
from companion.serve.village_words import (
    SHE_OR_HE,
    WORDS,
    content_words,
    from_question_word,
    missing,
    note_of_unknown_words,
    spelled,
    things_among,
    village_nouns,
    with_names,
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
MAIN_PERSON = re.compile(r"(?i)\bthe (main character|hero|heroine|protagonist)(?='s)")  # else who that is
OTHER_PERSON = re.compile(r"(?i)\b(the )?other (guy|person|one|man|woman|dude|animal|character)\b")
"""What means a person of a story without a name, as SHE_OR_HE does."""
NTH_PERSON = re.compile(rf"(?i)\bthe ({'|'.join(ORDINALS)}) (person|one|character|animal)\b")
"""What means one of the people by the order in which they come."""
SAME_PEOPLE = re.compile(
    r"(?i)\b(the )?same (characters|people|persons|animals|heroes|friends|cast|ones|two)\b"
)
"""What means the people of the last story."""
WHO_IS = re.compile(r"(?i)\W*(who|what|which)('s| is| was| are| were)\b")
"""How a question begins that asks for a name."""
OWNS = {
    SHE_OR_HE[0]: re.compile(r"(?i)\bher(?= (?!(?:the|an?|at|to|with|from|in)\b)\w)"),
    SHE_OR_HE[1]: re.compile(r"(?i)\bhis\b"),
}
"""What means that something is hers or his."""
MEANS_STORY = re.compile(
    r"(?i)\b(story|tale|plot|moral|title|sentence|characters?|end|ends|ending|happen\w*|about|he|she|him|her|his"
    r"|did|was|were|had|met)\b"
)
"""What means a story, also where none was told."""
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


class Reply(NamedTuple):
    """An answer.

    Attributes:
        text: The answer.
        by: Who gave it: "model", "program" or "rule".
        note: What to say below it.
    """

    text: str
    by: str
    note: str = ""


class StoryChat(Chat):
    """A Chat in which an order for a story begins anew, and the story stays when old turns are dropped.

    A context of 256 tokens has room for one story and a few questions. `Chat` drops the oldest exchange when
    it is full, which is the story that the questions are about. This class drops the questions in between.

    Stories are told at `TEMPERATURE`, answers are given at 0. The model answers only questions of the forms
    that it learned, about what the story has. A program answers other questions about the story, and a rule
    declines what is about something else. Where the model's answer is false in the story, what the story says
    comes first, and then what the model said; so an answer comes as one piece. What the model declines after
    a story is not remembered.

    Attributes:
        replies: The last answers: one, or one for each question of the last message.
        last_question: The last question that named something of the village.
        order: What was ordered last, without what says nothing before or behind it.
    """

    replies: tuple[Reply, ...] = ()
    last_question = ""
    order = ""

    @property
    def note(self) -> str:
        """What to say below the last answer."""
        return " ".join(dict.fromkeys(reply.note for reply in self.replies if reply.note))

    def stream(self, text: str, max_new_tokens: int = 200, seed=None, **options) -> Iterator[str]:
        """Yield the answer, as `Chat.stream` does, in one piece."""
        messages_before = self.messages
        dropped_before = self.dropped
        replies_before = self.replies
        question_before = self.last_question
        order_before = self.order
        try:
            self.replies = tuple(self.replies_to(text, max_new_tokens, seed, **options))
        except BaseException:  # Ctrl-C, too: what was not shown is not remembered
            self.messages = messages_before
            self.dropped = dropped_before
            self.replies = replies_before
            self.last_question = question_before
            self.order = order_before
            raise
        yield "\n".join(reply.text for reply in self.replies)

    def replies_to(self, text: str, max_new_tokens: int, seed, **options) -> list[Reply]:
        """The answers to the questions of a message, or the story that it orders."""
        message = read_message(text, spelled)
        question = message.question
        are_all_of_story = all(part.kind in ABOUT_STORY for part in message.parts)
        replies: list[Reply] = []
        is_order = question.kind == Kind.ORDER and not (self.stories() and asks_of_villagers(question.text))
        if is_order or (question.kind == Kind.MORE and not self.stories()):
            replies.append(self.tell_story(message.typed, max_new_tokens, seed, **options))
        elif len(message.parts) > 1 and self.stories() and not message.story and are_all_of_story:
            for part in message.parts:
                reply = self.answer("", part, max_new_tokens, seed, **options)
                if reply not in replies:
                    replies.append(reply)
                self.replies = tuple(replies)  # the next part may ask whether this is true
        else:
            replies.append(self.answer(message.story, question, max_new_tokens, seed, **options))
        return replies

    def reset(self) -> None:
        """Forget what was said."""
        super().reset()
        self.replies = ()
        self.last_question = ""
        self.order = ""

    def tell_story(self, text: str, max_new_tokens: int, seed, **options) -> Reply:
        """The story that an order gets, with which the conversation begins anew."""
        last_order = self.messages[0]["content"] if self.stories() else ""
        if is_story(last_order):  # the user told one, and asked about it
            last_order = ""
        order = with_kept(self.with_same_people(normalized_order(text)), last_order)
        options = {"temperature": TEMPERATURE} | self.options | options
        story, begun = self.draw_with_all(order, max_new_tokens, seed, **options)
        self.reset()
        self.order = text
        self.messages = talk(as_order(order), story)
        return Reply(story, "model", note_on_order(order, story, begun))

    def answer(self, story: str, question: Question, max_new_tokens: int, seed, **options) -> Reply:
        """The answer to one question: of a program or a rule, or else of the model, if it is not false.

        Args:
            story: The story that the message tells, or "".
            question: What the message asks, with its typing errors mended.
            max_new_tokens: As for stream.
            seed: As for stream.
            options: As for stream.
        """
        named = with_names(self.with_person(self.with_thing(question)))
        kind = question.kind if named == question.text else Question.of(named).kind
        if village_nouns(named):
            self.last_question = named
        asked = from_question_word(named)
        reply = self.without_model(story, Question(asked, kind))
        if reply:
            return reply
        prompt = f"{story} {as_learned(asked)}".strip()
        messages_before = self.messages
        dropped_before = self.dropped
        self.make_room(prompt, max_new_tokens)
        answer = "".join(super().stream(prompt, max_new_tokens, seed, **options))
        nouns = village_nouns(prompt)
        stories = self.stories()
        is_beside = not answered(answer) and not is_summary(answer)  # what was asked
        if stories:
            is_beside = is_beside or is_of_no_owner(answer, stories[-1])
            is_beside = is_beside or is_of_another(answer, prompt, stories[-1])
        instead = "" if is_beside else corrected(self.messages, nouns)
        if instead:
            return Reply(instead, "model")  # which it quotes
        if stories and is_beside:
            if not story:  # else the story that the message tells would be forgotten, too
                self.messages = messages_before
                self.dropped = dropped_before
            return Reply(places_of(stories[-1], nouns), "program", READ_NOTE)
        return Reply(answer, "model")

    def without_model(self, story: str, question: Question) -> Reply | None:
        """Return the answer to a question that the model did not learn to answer; else None.

        Args:
            story: The story that the message tells, or "".
            question: What the message asks, from its question word on, with names.
        """
        known = [*self.contents(), story]
        stories = [one for one in known if is_story(one)]
        kind = kind_after(question, known)
        if kind == Kind.WORLD:
            ordered = [word for word in asked_for(question.text) if word.lower() in self.order.lower()]
            if stories and ordered:
                return Reply(lacking(stories[-1], ordered[-1]), "program", READ_NOTE)
            return Reply(DECLINE, "rule", note_of_unknown_words(question.text))
        if kind not in (*ABOUT_STORY, Kind.LEARNED):
            may_mean_story = not stories and MEANS_STORY.search(question.text)
            return Reply(NO_STORY if may_mean_story else UNCLEAR, "rule")
        if kind == Kind.TRUTH:
            is_of_program = bool(self.replies) and self.replies[-1].by != "model"
            is_of_story = is_of_program or "story" in question.text.lower()
            return Reply(truth_of(self.messages, is_of_story) or NO_STORY, "rule")
        if kind == Kind.LEARNED and not (stories and is_for_program(question.text, stories[-1])):
            return None
        if not stories:
            may_be_other = kind in (Kind.STORY, Kind.DEEDS, Kind.WHY, Kind.WHO, Kind.HAS)
            means_story = village_nouns(question.text) or MEANS_STORY.search(question.text)
            is_other = may_be_other and not means_story and content_words(question.text)
            return Reply(UNCLEAR if is_other else NO_STORY, "rule")
        answer = read(kind, question.text, stories[-1])
        return Reply(answer, "program", "" if answer == NO_REASONS else READ_NOTE)

    def draw_with_all(self, order: str, max_new_tokens: int, seed, **options) -> tuple[str, str]:
        """Return the first of some stories that has all that is wanted and nothing false, or else the best.

        Where the first stories lack something, the next ones begin with sentences of a program that have it.

        Returns:
            The story, and the sentences of the program with which it begins, or "".
        """
        phrases = wanted_phrases(order)
        short_order = as_order(order)
        best = Draft("", "", (math.inf, math.inf))
        for i in range(DRAWS):
            next_seed = None if seed is None else seed + 1000 * i
            begun = ""
            if i >= DRAWS // 4 and phrases and (best.begun or best.faults[0] > 0):
                begun = beginning_with(phrases, Random(next_seed))
            story = self.continued(begun, short_order, max_new_tokens, next_seed, **options)
            draft = Draft(story, begun, faults_of(story, order))
            if i == 0 or draft.faults < best.faults:
                best = draft
            if draft.faults == (0, 0) or options["temperature"] == 0:
                break
        return best.story, best.begun

    def continued(self, begun: str, order: str, max_new_tokens: int, seed, **options) -> str:
        """A story that begins so, as the model goes on with it."""
        teller = LanguageModel(self.model, self.tokenizer, self.make_cache, self.inline)
        messages = [{"role": "user", "content": order}]
        ids = chat_ids(messages, self.tokenizer, reply=True) + self.tokenizer.encode(begun)
        device = next(self.model.parameters()).device
        row = torch.tensor([within_context(ids, self.model.config)], device=device)  # (1, T)
        settings = teller.settings(row, max_new_tokens, seed, {"stop": self.ends} | options)
        new = stream(teller.reader(), row, **settings)
        return begun + "".join(decode_answer(self.tokenizer, new, self.ends))

    def with_thing(self, question: Question) -> str:
        """A question about "it" alone, with the thing that was asked about before, or the only one."""
        text = question.text
        kinds = (*FOR_MODEL, Kind.STORY, Kind.PLACES, Kind.DEEDS, Kind.WHY, Kind.UNCLEAR)
        if village_nouns(text) or question.kind not in kinds or SCENE.search(text):
            return text
        typed = [one["content"] for one in self.messages if one["role"] == "user"]
        things: list[str] = []
        for message in (*typed, self.last_question):
            things = things_among(village_nouns(message)) or things
        if not things and question.kind in (*FOR_MODEL, Kind.PLACES):
            things = [thing for story in self.stories()[-1:] for thing in things_of(story)]
        if len(things) != 1 or missing(things, " ".join(self.contents())):
            return text
        asks_it = r"(?i)\b(who|where|what|whose|why|is|was|does|did)\b(.*)\b(it|them|that)\b"
        return re.sub(asks_it, rf"\1\2the {things[0]}", text, count=1)

    def with_person(self, text: str) -> str:
        """A question about "she", "his", "the other one" and nobody else, with the name that is meant.

        "She" is the last woman who was named after the story, or else the first in it.
        """
        stories = [i for i, one in enumerate(self.messages) if is_story(one["content"])]
        if not stories or {*village_nouns(text)}.intersection((*KINDS["name"], *KINDS["role"])):
            return text
        people = list(state_of(self.messages[stories[-1]]["content"]).role)
        nth = NTH_PERSON.search(text)
        if nth and ORDINALS.index(nth[1].lower()) < len(people) and not WHO_IS.match(text):
            return NTH_PERSON.sub(people[ORDINALS.index(nth[1].lower())], text)
        later = " ".join(one["content"] for one in self.messages[stories[-1] + 1 :])
        named = [name for name in reversed(village_nouns(with_names(later))) if name in people]
        likely = [*named, *people]
        meant = {
            MAIN_PERSON: people,
            OTHER_PERSON: [name for name in people if name != likely[0]] if likely else [],
            SHE_OR_HE[0]: [name for name in likely if name in SHE],
            SHE_OR_HE[1]: [name for name in likely if name not in SHE],
        }
        for form, names in meant.items():
            if names and form.search(text):
                if form in OWNS:
                    text = OWNS[form].sub(f"{names[0]}'s", text)
                return form.sub(names[0], text)
        return text

    def with_same_people(self, order: str) -> str:
        """An order for a story of "the same characters", with the people of the last story."""
        people = cast(state_of(self.stories()[-1])) if self.stories() else []
        return SAME_PEOPLE.sub(" and ".join(people), order) if people else order

    def stories(self) -> list[str]:
        """The stories of the conversation."""
        return [one for one in self.contents() if is_story(one)]

    def contents(self) -> list[str]:
        """What was told and answered, also by the user, but no orders and questions."""
        return [one["content"] for one in self.messages if one["role"] != "user" or is_story(one["content"])]

    def make_room(self, text: str, max_new_tokens: int) -> None:
        """Drop the oldest exchanges after the story's, until the next question fits into the context.

        Where even that is not enough, `Chat.stream` drops the story, too.
        """
        story_turn = self.messages[:2]  # an order and its story
        later = self.messages[2:]
        if not story_turn or not is_story(story_turn[-1]["content"]):
            return
        context_length = self.model.config.context_length
        limit = context_length + 1 - min(max_new_tokens, context_length // 8)
        question = {"role": "user", "content": text}
        while later and len(chat_ids([*story_turn, *later, question], self.tokenizer, reply=True)) > limit:
            later = later[2:]  # a question and its answer
            self.dropped += 1
        self.messages = [*story_turn, *later]


def is_for_program(question: str, story: str) -> bool:
    """Whether a question of a form that the model learned asks what the model did not learn to say.

    It asks who has goods that two people have, who has none, what somebody has who has nothing, or for the
    color of what has none.
    """
    state = state_of(story)
    nouns = village_nouns(question)
    if HAS_NOTHING.match(question):
        return True
    if WHICH_COLOR.match(question):
        return bool(nouns) and {*things_of(story)}.isdisjoint(nouns)
    if HAS_WHAT.search(question):
        return any(name not in state.thing and name not in state.goods for name in people_of(story, nouns))
    kinds = [goods for _, goods in state.goods.values()]
    asks_who = re.match(r"(?i)\W*who\b", question)
    return bool(asks_who) and any(kinds.count(noun) > 1 for noun in nouns)


def is_of_no_owner(answer: str, story: str) -> bool:
    """Whether an answer says to whom a thing belongs, which a story says of lent things only."""
    found = answered(answer)
    return found is not None and found[0] == "whose" and found[1]["x"] not in state_of(story).owner


def is_of_another(answer: str, question: str, story: str) -> bool:
    """Whether a question names people or things of a story, and an answer none of them."""
    nouns = village_nouns(question)
    goods = [goods for _, goods in state_of(story).goods.values()]
    named = [*people_of(story, nouns), *[thing for thing in (*things_of(story), *goods) if thing in nouns]]
    return bool(named) and not any(name in answer for name in named)


def as_learned(question: str) -> str:
    """A question in the words that the model learned, such as "is" for "was"."""
    for typed, learned in WORDS["learned"].items():
        question = re.sub(typed, learned, question, flags=re.IGNORECASE)
    return question


def story_verdicts(answer: str) -> list[Verdict]:
    """What the judge says of each sentence of an answer that is a story of the village; else nothing."""
    return judge(answer) if is_story(answer) else []
