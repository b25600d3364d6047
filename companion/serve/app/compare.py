"""The page on which two models tell the same beginning with the same seed."""

import streamlit as st

from companion.serve.app import parts

st.title("Compare", anchor=False)
with st.form("compare"):
    columns = st.columns(2)
    models = [
        parts.choose(name, "tells", "answers", index=i, place=column)
        for i, (name, column) in enumerate(zip(("First model", "Second model"), columns, strict=True))
    ]
    prompt = st.text_input("How both texts begin", "Once", max_chars=2000)
    options = parts.sampling()
    asked = st.form_submit_button("Compare")
for number, (model, column) in enumerate(zip(models, st.columns(2), strict=True), 1):
    with column:
        if asked:
            parts.tell(model, prompt, options, f"compared {number}")
        if f"compared {number}" in st.session_state:
            parts.show(st.session_state[f"compared {number}"])
