"""A conversation about one story, for the app and `companion chat`: the story stays, old questions go."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from random import Random

import torch

from companion.generation import LanguageModel, stream
from companion.instructions import Chat, chat_ids
from companion.runtime.generation.sampling_arguments import within_context
from companion.runtime.text.end_tokens import decode_answer
from companion.serve.kinds import kind_of
from companion.serve.small_talk import ANSWERS, EXAMPLE, NO_ENTRY, UNCLEAR, UNSAID
from companion.serve.village_words import (
    ANYWHERE,
    ASKS,
    SPARE,
    TABLE,
    content_words,
    kind_of_question,
    missing,
    nearest_order,
    note_of_unknown_words,
    ordered_phrases,
    spelled,
    spoken,
    unknown_subjects,
    unknown_words,
    village_forms,
    village_nouns,
    with_article,
    with_names,
)
from companion.show.judged_text import is_story
from companion.village import Verdict, judge
from companion.village.dialogues import (
    ASKED,
    OPENINGS,
    answered,
    beginning_with,
    facts_of,
    holds,
    is_for_the_village,
    is_true,
    orders_a_story,
    talk,
)
from companion.village.judge import State, state_of
from companion.village.strangers import DECLINE
from companion.village.words import KINDS, NUMBERS

TEMPERATURE = 0.8
"""At which a story is told, unless another is given. Questions are answered at 0."""
NO_STORY = f"There is no story yet. Order one, for example: {EXAMPLE}"
"""The answer to a question about the village before a story was told."""
DRAWS = 16
"""How many stories are drawn at most until one has all that was ordered."""
BARE_ORDER = "Tell me a story."
USUAL = tuple(opening.lower() for opening in OPENINGS)
"""How an order begins that the model follows as it is."""
NOT_EVENTS = "I cannot follow what should happen in a story."
BEGUN = "A program wrote the first sentences, because the model alone left out what you ordered."
NEW_STORY = "I cannot continue a story, so this is a new one."
SENTENCES = r"(?<=[.!?])\s+"
"""Between two sentences of a message."""
ANIMALS = KINDS["role"][KINDS["role"].index("goat") :]
PEOPLE = ("people", "persons", "characters", "villagers")
READ_NOTE = "A program read this in the story."
WHY = "I cannot say why: a story tells what happens, and no reasons."


class StoryChat(Chat):
    """A Chat in which an order for a story begins anew, and the story stays when old turns are dropped.

    A context of 256 tokens has room for one story and a few questions. `Chat` drops the oldest exchange when
    it is full, which is the story that the questions are about. This class drops the questions in between.

    Stories are told at `TEMPERATURE`, answers are given at 0. The model would invent an answer to a message
    with a word that the village does not know, to a question about what the story does not have, to one
    before any story, and to one that names nothing of the village. These get a fixed answer, by the kind of
    the message. Where the model's answer is false in the story, what the story says comes first, and then
    what the model said; so an answer comes as one piece. Names may be typed in small letters.
    """

    begun = ""
    """The sentences of a program with which the last story begins."""

    def stream(self, text: str, max_new_tokens: int = 200, seed=None, **options) -> Iterator[str]:
        """Yield the answer piece by piece, as `Chat.stream` does."""
        wanted, text = text, self.question(text)
        said = self.without_model(text)
        if said:
            yield self.declined(text, said)
            return
        text = with_names(text)
        if orders_a_story(text):
            self.reset()
            options = {"temperature": TEMPERATURE} | self.options | options
            yield self.draw_with_all(text, in_words(wanted), max_new_tokens, seed, **options)
            return
        text = as_learned(text)
        self.make_room(text, max_new_tokens)
        answer = "".join(super().stream(text, max_new_tokens, seed, **options))
        is_answer = answered(answer) or answer.startswith("In the end ")
        end = "" if is_answer else self.of_end(village_nouns(text))
        yield corrected(self.messages, village_nouns(text)) or end or answer

    def draw_with_all(self, order: str, wanted: str, max_new_tokens: int, seed, **options) -> str:
        """Return the first of some stories that has all that is wanted and nothing false, or else the best.

        Where the first stories lack something, the next ones begin with sentences of a program that have it.
        """
        phrases = ordered_phrases(wanted)
        found: list[tuple] = []
        for i in range(DRAWS):
            drawn = None if seed is None else seed + 1000 * i
            is_begun = i >= DRAWS // 4 and phrases and min(found[: DRAWS // 4])[0] > 0
            begun = beginning_with(phrases, Random(drawn)) if is_begun else ""
            story = self.continued(begun, order, max_new_tokens, drawn, **options)
            found.append((*faults_of(story, wanted), i, story, begun))
            if found[-1][:2] == (0, 0) or options["temperature"] == 0:
                break
        *_, story, self.begun = min(found)
        self.messages = [*self.messages, *talk(order, story)]
        return story

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

    def question(self, text: str) -> str:
        """A message as an order, or as a question with the thing that "it" stands for."""
        text = as_order(question_in(text))
        if kind_of_question(text)[0] not in ("state", "learned", "unsaid") or village_nouns(with_names(text)):
            return text
        named = [village_nouns(one["content"]) for one in self.messages if one["role"] == "user"]
        last = next(filter(None, reversed(named)), [])
        things = {*last}.intersection((*KINDS["thing"], *KINDS["goods"]))
        if len(things) != 1 or missing(things, " ".join(self.contents())):
            return text
        return re.sub(r"(?i)\b(it|them|that)\b", f"the {things.pop()}", text, count=1)

    def without_model(self, text: str) -> str:
        """Return the answer to a message that the model would only invent an answer to; else ""."""
        if orders_a_story(text):
            return DECLINE if unknown_words(text) else ""
        *told, question = re.split(SENTENCES, text.strip())
        told = told if village_nouns(with_names(" ".join(told))) else []
        kind, word = kind_of_question(question)
        known = " ".join([*self.contents(), *told])
        nouns = village_nouns(with_names(question))
        strange = unknown_words(text)
        if kind == "truth":
            return truth_of(self.messages) or NO_STORY
        if kind in READ or kind in READ_ABOUT:
            return self.read(text) or NO_STORY
        is_of_thing = kind in ("thing", "event") and set(unknown_words(text.lower())) <= {word}
        if known and is_of_thing and word not in ("thing", "things") and missing([word], known):
            return lacking(known, word)
        if strange and kind not in ("sentence", "unsaid") and (missing(nouns, known) or not nouns):
            return DECLINE
        if not known:
            return NO_STORY
        absent = missing(nouns, known)
        if absent:
            return lacking(known, absent[0])
        if kind == "sentence" or (nouns and kind in ("thing", "learned") and not strange):
            return ""
        if kind == "why":
            return f"{WHY} {self.of_end(nouns) if nouns else ''}".strip()
        return self.read(text) if nouns or kind else DECLINE

    def declined(self, text: str, said: str) -> str:
        """What is said instead to a message that is no question for the village, by the kind that it is of.

        Args:
            text: The message.
            said: What `without_model` says to it.
        """
        kind = kind_of(text)
        nouns = village_nouns(with_names(text))
        stories = [one for one in self.contents() if is_story(one)]
        is_asked = bool(re.match(ASKS, text))
        if is_asked and not nouns and re.search(r"(?i)\byour?\b", text):
            return ANSWERS.get(kind, ANSWERS["limits"])
        is_about = is_asked and stories and missing(nouns, stories[-1]) != nouns
        is_open = kind in ("unclear", "left out") and is_asked and (stories or nouns)
        is_of_story = kind == "story" or is_open or (kind in ("course", "world") and is_about)
        of_stories = ("thing", "event", "why") if stories else ()
        is_whole = kind_of_question(text)[0] not in {"", *ANYWHERE}.difference(of_stories)
        if said != DECLINE and (is_of_story or is_whole or kind == "order"):
            return said
        if is_of_story:
            return self.read(text) or NO_STORY
        return (ANSWERS | {"world": DECLINE, "course": NO_ENTRY}).get(kind, UNCLEAR)

    def read(self, text: str) -> str:
        """What a program reads in the last story about a question; "" where there is no story.

        That is what the question's kind says, or else the sentences with all that is asked, or else the end.
        """
        *told, question = re.split(SENTENCES, text.strip())
        stories = [said for said in (*self.contents(), " ".join(told)) if is_story(said)]
        if not stories:
            return ""
        kind, word = kind_of_question(question)
        if kind in READ:
            return READ[kind].format(**readings(stories[-1]))
        if kind in READ_ABOUT:
            named = word if READ_ABOUT[kind] is how_many else village_forms().get(word, word)
            return READ_ABOUT[kind](stories[-1], named)
        words = village_nouns(with_names(question))
        past = " ".join(TABLE["past"].get(word, word) for word in spoken(question).split())
        asked = content_words(past) - content_words(" ".join([*village_forms(), *KINDS["color"], SPARE]))
        asked |= set(TABLE["lists"]["wishes"].split()).intersection(spoken(question).split())
        if not asked and kind != "doing":
            return self.of_end(words)
        subjects = [f"“{word}”" for word in missing(unknown_subjects(question), stories[-1])[-2:]]
        lead = f"The story says nothing of {' and '.join(subjects)}." if subjects else UNSAID
        said = quoted(stories[-1], asked | content_words(" ".join(words)))
        return said or f"{lead} {self.of_end(words)}"

    def of_end(self, words: list[str]) -> str:
        """What the last story says at its end of the people and things among some words, or else of all."""
        stories = [said for said in self.contents() if is_story(said)]
        return places_of(state_of(stories[-1]), words) if stories else ""

    def contents(self) -> list[str]:
        """What was told and answered, and what the user said besides orders."""
        orders = [one for one in self.messages if one["role"] == "user" and orders_a_story(one["content"])]
        return [one["content"] for one in self.messages if one not in orders]

    def note(self, text: str, answer: str) -> str:
        """What to say below the answer to a text.

        That is which words are not known, and what was ordered and is not in the story.
        """
        if answer.strip() == DECLINE:
            return note_of_unknown_words(text)
        text = question_in(in_words(text))
        if answer.strip() and answer == self.read(self.question(text)):
            unknown = note_of_unknown_words(text) if "says: " in answer else ""
            return f"{READ_NOTE} {unknown}".strip()
        if not orders_a_story(as_order(text)) or not is_story(answer):
            return ""
        subject = re.search(rf"\b(?:about|with|of|where|an?|the|{'|'.join(NUMBERS)})\b.*|$", text)
        asked = text if orders_a_story(text) else f"Tell a story about {subject[0]}"
        left_out = note_of_unknown_words(asked, ", so the story leaves that out", answer)
        new = NEW_STORY if kind_of_question(text)[0] == "more" else ""
        told = NOT_EVENTS if re.search(TABLE["lists"]["events"], text) else ""
        notes = [self.begun and BEGUN, left_out, told, new, note_on_order(text, answer)]
        return " ".join(note for note in notes if note)

    def make_room(self, text: str, max_new_tokens: int) -> None:
        """Drop the oldest exchanges after the story's, until the next question fits into the context.

        Where even that is not enough, `Chat.stream` drops the story, too.
        """
        n_kept = 3 if self.messages and self.messages[0]["role"] == "system" else 2
        first = self.messages[n_kept - 2 : n_kept - 1]
        if not first or not orders_a_story(first[0]["content"]):
            return
        story, later = self.messages[:n_kept], self.messages[n_kept:]
        context_length = self.model.config.context_length
        limit = context_length + 1 - min(max_new_tokens, context_length // 8)
        question = {"role": "user", "content": text}
        while later and len(chat_ids([*story, *later, question], self.tokenizer, reply=True)) > limit:
            later = later[2:]  # a question and its answer
        self.dropped += (len(self.messages) - len(story) - len(later)) // 2
        self.messages = [*story, *later]


def as_order(text: str) -> str:
    """The order nearest to a message that the model can follow, or the message, with its numbers as words.

    An order without a subject, or without one that the village knows, becomes `BARE_ORDER`. Only a message
    such as "Tell me about Berlin." may be no order for a story, so it stays as it is.
    """
    text = in_words(text)
    kind, word = kind_of_question(text)
    if not kind:
        kind, word = kind_of_question(re.split(SENTENCES, text.strip())[-1])
    if kind in ("more", "again"):
        return BARE_ORDER
    if kind == "again_with" and not orders_a_story(text):
        text = f"Tell a story about {word}."
    if not orders_a_story(text):
        is_asked = re.match(ASKS, text) and not re.search(r"(?i)\b(you|about)\b", text)
        if is_asked or kind_of(text) != "order" or kind not in ("", *ANYWHERE):
            return text
        return nearest_order(text) if village_nouns(text) else BARE_ORDER
    unknown = unknown_words(text)
    if village_nouns(text):
        is_learned = text.lower().startswith(USUAL) and "," not in text and not unknown
        return text if is_learned else nearest_order(text)
    return text if unknown and not is_for_the_village(text) else BARE_ORDER


def in_words(text: str) -> str:
    """The message with its numbers as words, and its typing errors in frequent words mended."""
    return re.sub(r"\b(1?\d|20)\b", lambda found: NUMBERS[int(found[0]) - 1], spelled(text))


def question_in(text: str) -> str:
    """The sentence of a message that asks, or a part of it up to a comma, where the others tell nothing.

    An example is "How did it end, if I may ask? I lost my glasses."
    """
    text = text if orders_a_story(text) else as_learned(text, "inside")
    sentences = re.split(SENTENCES, text.strip())
    if orders_a_story(text) or is_story(text) or kind_of_question(text)[0] not in ("", *ANYWHERE):
        return text
    parts = [part for one in sentences for part in (*re.split(r"[,:]|\band\b", one), one)]
    readable = (*READ, *READ_ABOUT, "truth", "why")
    asked = [part.strip() for part in parts if kind_of_question(part)[0] in readable]
    if asked:
        return asked[-1]
    questions = [one for one in sentences if one.endswith("?") or re.match(ASKS, one)]
    others = " ".join(one for one in sentences if one not in questions)
    return text if not questions or village_nouns(with_names(others)) else questions[-1]


def as_learned(question: str, rules: str = "learned") -> str:
    """A question in the words that the model learned: of now, and in full; or by other rules of the table."""
    for typed, learned in TABLE[rules].items():
        question = re.sub(typed, learned, question, flags=re.IGNORECASE)
    return question


def items_of(story: str) -> list[str]:
    """The people, things and goods of a story."""
    state = state_of(story)
    found = [f"the {role} {name}" for name, role in state.role.items()]
    found += [f"the {held.color} {held.noun}" for held in state.thing.values()]
    found += [f"the {color} {noun}" for noun, (color, _) in state.lying.items()]
    return found + [f"{NUMBERS[n - 1]} {goods}" for n, goods in state.goods.values()]


def contents_of(story: str) -> str:
    """A sentence with the people and things of a story; empty where the judge finds none."""
    *others, last = ["", *items_of(story)]
    return f"It has {' and '.join(filter(None, (', '.join(others[1:]), last)))}." if last else ""


def sentences_of(story: str) -> list[str]:
    """The sentences of a story, as the judge cuts them, without a question that a user asked after it."""
    verdicts = judge(story)
    return [one.sentence for one in verdicts if one.kind != "unknown" or not one.sentence.endswith("?")]


def readings(story: str) -> dict[str, str]:
    """What the answers of questions.toml say of a story."""
    state = state_of(story)
    return {
        "story": story,
        "cast": contents_of(story).replace("It has", "The story has", 1),
        "first": sentences_of(story)[0],
        "last": sentences_of(story)[-1],
        "places": places_of(state, []),
        "day": state.day or "not named",
        "weather": state.weather or "not named",
    }


def places_of(state: State, words: list[str]) -> str:
    """Where each person is, with what, and where each thing lies: of those that words name, or of all."""
    has = {name: f" with the {held.color} {held.noun}" for name, held in state.thing.items()}
    for name, (n, goods) in state.goods.items():
        has[name] = f"{has[name]} and" if name in has else " with"
        has[name] += f" {NUMBERS[n - 1]} {goods}"
    found = [
        f"the {role} {name} is at the {state.place[name]}{has.get(name, '')}"
        for name, role in state.role.items()
        if name in state.place
    ]
    found += [f"the {color} {noun} is at the {at}" for noun, (color, at) in state.lying.items() if at]
    named = [one for one in found if len(missing(words, one)) < len(words)] or found
    return f"At the end of the story, {', and '.join(named)}." if named else ""


def quoted(story: str, asked: set[str]) -> str:
    """The first true sentences of a story with all of some content words; "" where there are none."""
    found = [one.sentence for one in judge(story) if one.kind in ("ok", "misplaced")]
    found = [sentence for sentence in found if asked <= content_words(sentence)]
    return f"The story says: {' … '.join(found[:4])}" if found else ""


def lacking(story: str, word: str) -> str:
    """That a story does not have something, and what it has."""
    return f"The story has no {word}. {contents_of(story)}".strip()


def whether_it_has(story: str, word: str) -> str:
    """Whether a word is in a story: the first sentence with it, or what there is instead."""
    found = [one for one in sentences_of(story) if not missing([word], one)]
    return f"Yes: “{found[0]}”" if found else f"No. {lacking(story, word)}"


def how_many(story: str, typed: str) -> str:
    """How many of something a story has at its end, or that it does not count that."""
    word = village_forms().get(typed, typed)
    state = state_of(story)
    roles = list(state.role.values())
    things = [*state.lying, *[held.noun for held in state.thing.values()]]
    goods = [f"{name} has {NUMBERS[n - 1]} {of}" for name, (n, of) in state.goods.items() if word in ("", of)]
    if goods:
        return f"At the end, {' and '.join(goods)}."
    counted = {"sentences": len(sentences_of(story)), "words": len(story.split()), "things": len(things)}
    counted |= {"animals": sum(role in ANIMALS for role in roles), "places": len({*state.place.values()})}
    counted |= dict.fromkeys(PEOPLE, len(roles)) | Counter([*roles, *things])
    if word in counted:
        return f"The number of {typed} in the story: {counted[word]}. {contents_of(story)}"
    if word in village_forms().values():
        return quoted(story, content_words(word)) or lacking(story, word)
    return f"The story does not count {word or 'anything'}. {places_of(state, [])}".strip()


def held_by(story: str, word: str) -> str:
    """How many things a person has at the end of a story, or each person where none is named."""
    state = state_of(story)
    counts = {name: (name in state.thing) + state.goods.get(name, (0, ""))[0] for name in state.role}
    found = [f"{name} has {n}" for name, n in counts.items() if word in ("", name, state.role[name])]
    counted = f"The number of things: {', '.join(found)}. {places_of(state, [word])}"
    return counted if found else lacking(story, word)


def who_it_is(story: str, word: str) -> str:
    """The role of a person in a story, or who has a role."""
    found = [f"{name} is the {role}." for name, role in state_of(story).role.items() if word in (name, role)]
    return " ".join(found) or lacking(story, word)


READ = TABLE["answers"]
"""The kinds of questions about a whole story, with the answer that a program reads in it."""
READ_ABOUT = {"has": whether_it_has, "held": held_by, "count": how_many, "number": how_many, "who": who_it_is}
"""The same for questions about a word."""


def story_verdicts(answer: str) -> list[Verdict]:
    """What the judge says of each sentence of an answer that is a story of the village; else nothing."""
    return judge(answer) if is_story(answer) else []


def truth_of(messages: list[dict[str, str]]) -> str:
    """What the judge says of the last answer of a conversation, or of its story; empty without one."""
    note = note_on_answer(messages)
    if note:
        return note
    judge_finds = "The judge, a program that follows the story, finds"
    said = [one["content"] for one in messages if one["role"] == "assistant"]
    if said and answered(said[-1]) and holds(said[-1], " ".join(said[:-1])):
        return f"{judge_finds} this true: “{said[-1]}”"
    stories = [text for text in said if is_story(text)]
    if not stories:
        return ""
    false = [one for one in judge(stories[-1]) if one.kind == "contradiction"]
    if not false:
        return f"{judge_finds} nothing false in it."
    return f"{judge_finds} this false: {' '.join(f'“{one.sentence}” ({one.reason})' for one in false[:3])}"


def faults_of(story: str, wanted: str) -> tuple[float, float]:
    """How much of what is wanted a story lacks, and how many sentences are false, broken or told twice.

    A story that begins in mid-sentence, or has a word that the village does not have, is the worst.
    """
    verdicts = judge(story)
    if not is_story(story) or not story[:1].isupper() or unknown_words(story):
        return math.inf, math.inf
    n_twice = len(verdicts) - len({one.sentence for one in verdicts})
    absent = absent_from(story, wanted)
    n_absent = len(absent) + len(missing([phrase.split()[-1] for phrase in absent], story))
    return n_absent, n_twice + sum(one.kind != "ok" for one in verdicts)


def absent_from(story: str, order: str) -> list[str]:
    """What an order names and a story does not have, with a number of people, such as "three people"."""
    true = " ".join(one.sentence for one in judge(story) if one.kind != "contradiction")
    absent = missing(ordered_phrases(order), true)
    number = re.search(rf"\b({'|'.join(NUMBERS)}) (people|friends|animals|characters)\b", order.lower())
    if number and NUMBERS.index(number[1]) + 1 != len(state_of(story).role):
        absent.append(number[0])
    return absent


def note_on_order(order: str, story: str) -> str:
    """What an order named and the story does not have: "You ordered nine buns; the story has none."."""
    absent = absent_from(story, order)
    if not absent:
        return ""
    nouns = [phrase.split()[-1] for phrase in absent]
    there = [one for one in items_of(story) if not set(nouns).isdisjoint(one.split())]
    instead = "that is not in the story"
    if there or set(nouns) <= {*KINDS["thing"], *KINDS["goods"]}:
        instead = f"the story has {'only ' if there else 'none'}{' and '.join(there)}"
    return f"You ordered {' and '.join(map(with_article, absent))}; {instead}."


def note_on_answer(messages: list[dict[str, str]]) -> str:
    """What the judge says of the last answer of a conversation, where it is false; else empty."""
    if not messages:
        return ""
    *earlier, last = messages
    story = joined(earlier)
    answer = last["content"]
    is_summary = answer.startswith("In the end ")
    if holds(answer, story) is False or (is_summary and not is_true(answer, story)):
        true = true_answer(answer, story)
        holds_instead = (
            f"at its end, the answer is “{true}”" if true else "the story does not say so at its end."
        )
        return f"The judge, a program that follows the story, finds this false: {holds_instead}"
    return ""


def corrected(messages: list[dict[str, str]], nouns: list[str]) -> str:
    """What the story says instead of a false answer about some nouns, and then that answer; else empty."""
    if not note_on_answer(messages):
        return ""
    *earlier, last = messages
    true = true_answer(last["content"], joined(earlier))
    said = f"At the end of the story: “{true}”" if true else places_of(state_of(joined(earlier)), nouns)
    return f"{said} (The model said “{last['content'].strip()}”, and the judge, a program, finds that false.)"


def joined(messages: list[dict[str, str]]) -> str:
    """The contents of messages as one text of whole sentences."""
    contents = [message["content"].strip() for message in messages]
    return " ".join(text if text.endswith((".", "!", "?", '"')) else f"{text}." for text in contents)


def true_answer(answer: str, story: str) -> str:
    """The true answer at the end of a story to what a false one answers; "" where it does not say so."""
    words = re.findall(r"\w+", answer)
    found = answered(answer)
    for x, y, z in facts_of(state_of(story))[found[0]] if found else ():
        if x in words and (not z or z in words):
            return ASKED[found[0]].answer.format(x=x, y=y, z=z)
    return ""
