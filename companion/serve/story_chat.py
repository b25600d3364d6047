"""A conversation about one story, for the app and `companion chat`: the story stays, old questions go."""

from collections.abc import Iterator

from companion.instructions import Chat, chat_ids
from companion.serve.village_words import note_of_unknown_words, unknown_words, with_names
from companion.village.dialogues import holds, orders_a_story
from companion.village.strangers import DECLINE


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
