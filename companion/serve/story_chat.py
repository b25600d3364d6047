"""A conversation about one story, for the app and `companion chat`: the story stays, old questions go."""

from collections.abc import Iterator

from companion.instructions import Chat, chat_ids
from companion.village.dialogues import lacked_words, orders_a_story


class StoryChat(Chat):
    """A Chat in which an order for a story begins anew, and the story stays when old turns are dropped.

    A context of 256 tokens has room for one story and a few questions. `Chat` drops the oldest exchange when
    it is full, which is the story that the questions are about. This class drops the questions in between.
    """

    def stream(self, text: str, max_new_tokens: int = 200, seed=None, **options) -> Iterator[str]:
        """Yield the answer piece by piece, as `Chat.stream` does."""
        if orders_a_story(text):
            self.reset()
        else:
            self.make_room(text, max_new_tokens)
        yield from super().stream(text, max_new_tokens, seed, **options)

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


def note_of_lacked_words(message: str) -> str:
    """A sentence with an order's words of which no village story tells; empty where there are none."""
    quoted = [f"“{word}”" for word in lacked_words(message)]
    if not quoted:
        return ""
    words = "word" if len(quoted) == 1 else "words"
    return f"The village has no stories with the {words} {', '.join(quoted)}."
