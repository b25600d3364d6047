"""The page on which a model tells, live, and the judge marks what it told."""

import streamlit as st

from companion.serve.app import parts

st.title("Tell", anchor=False)
model = parts.choose("Model", "tells", "answers")
with st.form("tell"):
    prompt = st.text_input("How the text begins", "Once", max_chars=2000)
    options = parts.sampling()
    asked = st.form_submit_button("Tell")
if asked:
    parts.tell(model, prompt, options, "told")
if "told" in st.session_state:
    parts.show(st.session_state["told"])
