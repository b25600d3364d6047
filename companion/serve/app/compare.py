"""The page on which two models tell the same beginning with the same seed."""

import streamlit as st

from companion.serve import html_parts
from companion.serve.app import parts

st.title("Compare two models", anchor=False)
st.write(
    "Both models continue the same words with the same settings and the same seed, so what differs between"
    " the texts comes from the models."
)
models = []
for i, column in enumerate(st.columns(2)):
    name = ("First model", "Second model")[i]
    models.append(parts.choose(name, "tells", "answers", index=i, place=column))
with st.form("compare"):
    prompt = st.text_input("How both texts begin", "Once", max_chars=2000)
    asked = st.form_submit_button("Compare", type="primary")
stories = st.container()  # above the settings, so that they are seen without scrolling
with st.expander("Settings: how the texts are sampled"):
    options = parts.sampling()
with stories:
    for number, (model, column) in enumerate(zip(models, st.columns(2), strict=True), 1):
        key = f"compared {number}"
        with column:
            title = st.empty()
            if asked:
                title.html(html_parts.heading(model.label))
                parts.tell(model, prompt, options, key)
            if key in st.session_state:
                title.html(html_parts.heading(st.session_state[key].by))
                parts.show(st.session_state[key], model)
