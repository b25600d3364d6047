"""The page with a conversation: frequent questions are answered from their list, all others by a model."""

from dataclasses import dataclass

import streamlit as st

from companion.instructions import Chat
from companion.runtime.data.conversations import FULL
from companion.serve import html_parts
from companion.serve.app import parts
from companion.serve.faq import THRESHOLD, Index, read_frequent


@dataclass
class Turn:
    """A question and its answer. by: who answered. whole: whether a model's answer came to its end.

    full: whether this was the first for which old turns had to be left out.
    """

    asked: str
    answer: str = ""
    by: str = ""
    whole: bool = False
    full: bool = False


@st.cache_resource
def index() -> Index:
    """The index of the frequent questions."""
    return Index(read_frequent())


def answer(turn: Turn, earlier: list[Turn], model: parts.OfferedModel) -> None:
    """Let the model answer, live. It knows of the conversation what it said itself."""
    teller = parts.opened(model)
    turn.by = f"{model.label}, stopped"
    stop, place = st.empty(), st.empty()
    stop.button("Stop", key="stop chat")
    try:
        chat = Chat(
            teller.model, teller.tokenizer, teller.make_cache, teller.fuse, **teller.tokenizer.sampling
        )
        for before in earlier:
            chat.messages += [
                {"role": "user", "content": before.asked},
                {"role": "assistant", "content": before.answer},
            ]
        for piece in chat.stream(turn.asked):
            turn.answer += piece
            place.html(html_parts.plain(turn.answer))
        turn.by = model.label
        turn.whole = bool(turn.answer.strip())  # an empty answer has no place in a conversation
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
    if turn.full:
        st.html(html_parts.note(f"{FULL}."))


st.title("Chat", anchor=False)
model = parts.choose("Model", "answers")
first = st.sidebar.checkbox("Frequent questions first", value=True)
if st.sidebar.button("Clear"):
    st.session_state["turns"] = []
turns = st.session_state.setdefault("turns", [])
st.write("Order a story, as in: Tell a story about the baker Mara and a red kite. Then ask about it.")
with st.expander("Frequent questions"):
    st.html(html_parts.listed([row.question for row in index().rows]))
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
        row, near = index().find(said)
        if first and near >= THRESHOLD:
            turn.answer, turn.by = (
                row.answer,
                f"the list of frequent questions: “{row.question}” ({near:.2f})",
            )
        else:
            answer(turn, [before for before in turns if before.whole], model)
        show(turn)
