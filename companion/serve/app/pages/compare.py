"""The page on which two models tell the same beginning with the same seed."""

import streamlit as st

from companion.serve import html_parts
from companion.serve.app import parts
from companion.serve.offered import OfferedModel
from companion.show.demo import Subject, next_odds


def show_odds(model: OfferedModel, prompt: str) -> None:
    """The likeliest next tokens after the prompt, and in truth, where the village could have told it."""
    teller = parts.opened(model)
    subject = Subject(teller.model, teller.tokenizer, prompt, teller.encode(prompt))
    rows, note = next_odds(subject)
    st.html(html_parts.heading("The next token after your words"))
    named = [(subject.spell(token), share, truth) for token, share, truth in rows]
    st.html(html_parts.odds_table(named, model.label))
    if model.source == "village":
        st.html(html_parts.note(note))


parts.begin_page("Compare two models")
st.write(
    "Both models continue the same words with the same settings and the same seed, so what differs between"
    " the texts comes from the models."
)
models = []
for i, column in enumerate(st.columns(2)):
    name = ("First model", "Second model")[i]
    models.append(parts.choose(name, "tells", "answers", index=i, place=column))
with st.form("compare"):
    prompt = st.text_input("How both texts begin", "Once the baker Mara", max_chars=2000)
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
                show_odds(model, st.session_state[key].prompt)
