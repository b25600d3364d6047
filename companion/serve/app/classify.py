"""The page that classifies the texts of a CSV."""

import streamlit as st

from companion.runtime.data.labelled_texts import read_texts
from companion.serve import html_parts
from companion.serve.app import parts
from companion.serve.classifying import as_csv, check_texts, classified, load_classifier

MOST = 5000  # rows of a file
SHOWN = 200  # rows in the table; the file to download has all


@st.cache_resource(max_entries=parts.AT_ONCE, show_spinner="Loading the classifier …")
def loaded(folder: str, device: str):
    """A classifier that stays in memory."""
    from companion.runtime.models.devices import pick_device

    reader = load_classifier(folder)
    reader.classifier.to(pick_device(device)).eval()
    return reader


def classify(model: parts.OfferedModel, file, column: str) -> None:
    """Classify a file; texts and answers stay in the session's state."""
    st.session_state.pop("classified", None)
    try:
        reader = loaded(model.folder, st.session_state["device"])
        texts, places = zip(*read_texts(file.getvalue(), file.name, column, MOST), strict=True)
        check_texts(reader, texts, places)
        said, bar = [], st.progress(0.0, "Classifying …")
        for some in classified(reader, texts):
            said += some
            bar.progress(len(said) / len(texts), "Classifying …")
        bar.empty()
        st.session_state["classified"] = (list(texts), said)
    except parts.FAULTS as error:
        parts.complain(error)


st.title("Classify", anchor=False)
if not st.session_state["offer"].of_kind("classifies"):
    st.write(
        "No classifier was there when the app started. This makes one of labelled texts; start the app anew:"
    )
    st.code("companion finetune classify --data labelled.csv", language=None)
    st.stop()
model = parts.choose("Classifier", "classifies")
with st.form("classify"):
    file = st.file_uploader(f"A CSV with at most {MOST:,} rows", type="csv")
    column = st.text_input("Column", "text", max_chars=200, help="the name of the column with the texts")
    asked = st.form_submit_button("Classify")
if asked and file is None:
    parts.complain(ValueError("no file was chosen; choose a CSV"))
elif asked:
    classify(model, file, column)
if "classified" in st.session_state:
    texts, said = st.session_state["classified"]
    names = [max(shares, key=shares.get) for shares in said]
    counts = ", ".join(f"{names.count(name):,} {name}" for name in said[0])
    st.html(html_parts.note(f"{len(texts):,} texts: {counts}."))
    st.html(html_parts.class_table(texts[:SHOWN], said[:SHOWN]))
    if len(texts) > SHOWN:
        st.html(html_parts.note(f"The table shows the first {SHOWN:,}."))
    st.download_button("Download all as CSV", as_csv(texts, said), "classified.csv", "text/csv")
