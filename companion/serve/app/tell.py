"""The page on which a model tells, live, and the judge marks what it told."""

import streamlit as st

from companion.serve.app import parts

st.title("Tell a story", anchor=False)
st.write(
    "A language model continues your first words. Then the judge, who knows what is true in the village,"
    " marks each sentence."
)
model = parts.choose("Model", "tells", "answers", place=st.container())
with st.form("tell"):
    prompt = st.text_input("How the text begins", "Once", max_chars=2000)
    asked = st.form_submit_button("Tell", type="primary")
story = st.container()  # above the settings, so that a phone shows it on its first screen
with st.expander("Settings: how the text is sampled"):
    options = parts.sampling()
with story:
    if asked:
        parts.tell(model, prompt, options, "story")
    if "story" in st.session_state:
        parts.show(st.session_state["story"])
