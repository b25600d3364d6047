"""The page on which a model tells, live, and the judge marks what it told."""

import streamlit as st

from companion.serve import html_parts
from companion.serve.app import parts
from companion.serve.offered import beginnings
from companion.serve.village_words import note_of_unknown_words
from companion.village import judge

# Beginnings that a click puts into the field. (Streamlit would show a docstring here on the page.)
EXAMPLES = ["Once", "Once the baker Mara", "Once upon a time, the goat Otto"]
# What the village storyteller told at temperature 0.8, and the judge marks before the first click.
EXAMPLE_STORY = (
    "Once the baker Mara and the fox Otto met at the library. A box came to the library for Otto. In it were"
    " six cherries. Otto had six cherries, but some ducklings ate four. That left two. A box came to the"
    ' library for Mara. In it were nine buns. "How many buns do you have, Mara?" There were nine. Mara found'
    ' three more buns. "Now I have four," she said. The baker Mara went to the bridge to find out the time.'
    " Then the moon rose over the library, and Otto fell asleep."
)


def choose_example() -> None:
    """Put the example that was clicked into the field."""
    if st.session_state["example"]:
        st.session_state["prompt"] = st.session_state["example"]


parts.begin_page("Tell a story")
st.write(
    "Type how a story begins, or choose an example, and click Tell: a model goes on. The judge, a program"
    " that knows what is true in the village, marks each sentence of a story of the village."
)
top = st.container()
story = st.container()
below = st.container()  # the story is seen without scrolling
model = parts.choose("Model", "tells", "answers", place=top)
is_of_village = model.source == "village"
folders = st.session_state["offer"].folders
examples = EXAMPLES if is_of_village else beginnings(model.source, folders) or ["The"]
if st.session_state.get("examples") != examples:  # of another model
    st.session_state["examples"] = examples
    st.session_state["prompt"] = examples[0]
with top:
    st.pills("Examples", examples, on_change=choose_example, key="example")
    with st.form("tell"):
        prompt = st.text_input("How the text begins", max_chars=2000, key="prompt")
        asked = st.form_submit_button("Tell", type="primary")
with below.expander("Settings: how the text is sampled"):
    options = parts.sampling()
with story:
    if asked:
        parts.tell(model, prompt, options, "story")
    if "story" in st.session_state:
        latest = st.session_state["story"]
        parts.show(latest, model)
        note = note_of_unknown_words(latest.prompt) if latest.judged else ""
        if note:
            st.html(html_parts.note(note))
    elif is_of_village:
        st.html(html_parts.note("For example, a model told this. One sentence is false:"))
        parts.show_text(EXAMPLE_STORY, judge(EXAMPLE_STORY))
