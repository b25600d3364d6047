"""A conversation about one story, for the app and `companion chat`: the story stays, old questions go."""

import re
from collections.abc import Iterator
from functools import cache

from companion.instructions import Chat, chat_ids
from companion.serve.faq import content_words
from companion.village.dialogues import (
    ASKED,
    LOOSE_ORDERS,
    ORDERS,
    PLAIN,
    SUMMARIES,
    holds,
    orders_a_story,
)
from companion.village.machine import VILLAGE
from companion.village.strangers import DECLINE
from companion.village.words import KINDS


class StoryChat(Chat):
    """A Chat in which an order for a story begins anew, and the story stays when old turns are dropped.

    A context of 256 tokens has room for one story and a few questions. `Chat` drops the oldest exchange when
    it is full, which is the story that the questions are about. This class drops the questions in between.

    A message with a word that the village does not know is declined without the model, which answers some of
    them as if they were about its last story. Names may be typed in small letters.
    """

    def stream(self, text: str, max_new_tokens: int = 200, seed=None, **options) -> Iterator[str]:
        """Yield the answer piece by piece, as `Chat.stream` does."""
        if unknown_words(text):
            yield DECLINE
            return
        text = with_names(text)
        if orders_a_story(text):
            self.reset()
        else:
            self.make_room(text, max_new_tokens)
        yield from super().stream(text, max_new_tokens, seed, **options)

    def note(self, text: str, answer: str) -> str:
        """What to say below the answer to a text: words that are not known, or that the answer is false."""
        if not answer.strip():
            return ""
        return note_of_unknown_words(text) or note_on_answer(self.messages)

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


# -- what the village knows ----------------------------------------------------------------------------------


SPARE = "carries hello hey hi live ok okay own right thanks"
"""Words that are no reason to decline a question, besides those of the stories and of the known wordings."""


@cache
def order_words() -> set[str]:
    """The content words that an order may name. Those of jokes and dreams are none: nobody meets a dragon."""
    texts = [piece for pattern in VILLAGE.patterns for piece in pattern.pieces]
    texts += [word for words in KINDS.values() for word in words if " " not in word]
    return content_words(" ".join([*texts, *ORDERS, *LOOSE_ORDERS]))


@cache
def question_words() -> set[str]:
    """The content words of all stories, and of the wordings of questions that a model learns."""
    texts = [wording for kind, asked in ASKED.items() for wording in (*asked.wordings, *PLAIN[kind])]
    for phrases in KINDS.values():
        texts += phrases
    return order_words() | content_words(" ".join([*texts, *SUMMARIES, SPARE]))


def unknown_words(message: str) -> list[str]:
    """The words of a message that the village does not know, as they are typed.

    Of an order for a story only the subject counts: what follows the first "about", "of", "with" or "where"
    in its sentence.
    """
    considered, known = message, question_words()
    if orders_a_story(message):
        subject = re.search(r"\b(?:about|of|with|where)\b([^.?!\n]*)", message, re.IGNORECASE)
        considered, known = subject[1] if subject else "", order_words()
    words = re.findall(r"\w+(?:['’]\w+)?", considered)
    return [word for word in dict.fromkeys(words) if content_words(word) - known]


def note_of_unknown_words(message: str) -> str:
    """A sentence with the first three words that the village does not know; empty where it knows all."""
    quoted = [f"“{word}”" for word in unknown_words(message)[:3]]
    return f"The village does not know {', '.join(quoted)}." if quoted else ""


def note_on_answer(messages: list[dict[str, str]]) -> str:
    """What the judge says of the last answer of a conversation, where it is false; else empty."""
    if not messages:
        return ""
    *earlier, last = messages
    contents = [message["content"].strip() for message in earlier]
    story = " ".join(text if text.endswith((".", "!", "?", '"')) else f"{text}." for text in contents)
    if holds(last["content"], story) is False:
        return "The judge: false, at the end of what was told."
    return ""


def with_names(message: str) -> str:
    """The message with the village's names in capitals: "who is mara" becomes "who is Mara"."""
    plants = {"ivy"}  # a name, and what villagers pull off walls
    names = {name.lower(): name for name in KINDS["name"] if name.lower() not in plants}
    return re.sub(r"[a-z]+", lambda found: names.get(found[0], found[0]), message)
