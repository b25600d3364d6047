"""The page that classifies texts: some that are typed, or those of a CSV file."""

from pathlib import Path

import streamlit as st

from companion.runtime.data.labelled_texts import check_rows_fit, columns_of, read_texts
from companion.runtime.models.devices import pick_device
from companion.serve import html_parts
from companion.serve.app import parts
from companion.serve.classifying import Example, as_csv, load_classifier, make_example
from companion.serve.offered import of_kind

MAX_ROWS = 5000
BATCH = 256  # texts between two steps of the progress bar
SHOWN = 200  # rows in the table; the file to download has all
EXAMPLE = "Spam or not (example)"


@st.cache_resource(max_entries=parts.AT_ONCE, show_spinner="Loading the classifier …")
def loaded(folder: str, device: str):
    """A classifier that stays in memory."""
    reader = load_classifier(Path(folder))
    reader.classifier.to(pick_device(device)).eval()
    return reader


@st.cache_resource(show_spinner="Training the example on 80 messages …")
def example() -> Example:
    """The classifier that is trained here, on the messages that come with the course."""
    return make_example()


def choose_column(file) -> str:
    """Let one of the file's columns be chosen; end the page where it has none."""
    try:
        columns = columns_of(file.getvalue(), file.name)
    except parts.FAULTS as error:
        parts.complain(error)
        st.stop()
    usual = columns.index("text") if "text" in columns else 0
    return st.selectbox("Column with the texts", columns, usual)


def texts_of(file, column: str, typed: str) -> tuple[list[str], list[str]]:
    """The texts to classify and where each one stands: those of the file, or the lines that were typed."""
    if file is not None:
        placed = read_texts(file.getvalue(), file.name, column, "the field Column")
    else:
        lines = [line.strip() for line in typed.splitlines()]
        placed = [(line, f"line {i}") for i, line in enumerate(lines, 1) if line]
    if not placed:
        raise ValueError("there is no text to classify; type one, or choose a CSV file")
    if len(placed) > MAX_ROWS:
        raise ValueError(f"{len(placed):,} texts are more than {MAX_ROWS:,}; cut them into several files")
    return [text for text, _ in placed], [place for _, place in placed]


def classify(reader, texts: list[str], places: list[str]) -> None:
    """Classify texts; they and the answers stay in the session's state."""
    check_rows_fit(reader.rows(texts), places, reader.classifier.model.config.context_length)
    bar = st.progress(0.0, "Classifying …")
    answers = []
    for i in range(0, len(texts), BATCH):
        answers += reader.classify(texts[i : i + BATCH])
        bar.progress(len(answers) / len(texts), "Classifying …")
    bar.empty()
    st.session_state["classified"] = (texts, answers)


parts.begin_page("Classify texts")
st.write("Is a message spam? A classifier sorts each text into one of its classes, and says how sure it is.")
models = of_kind(st.session_state["models"], "classifies")
name = st.selectbox("Classifier", [*models, EXAMPLE])
st.html(html_parts.note(example().description if name == EXAMPLE else models[name].description))
column = ""
with st.expander("Texts of a CSV file instead of those below"):
    file = st.file_uploader(f"A CSV file with at most {MAX_ROWS:,} rows", type="csv")
    if file is not None:
        column = choose_column(file)
with st.form("classify"):
    usual = "\n".join(example().labels) if name == EXAMPLE else ""
    typed = st.text_area("Texts, one in each line", usual, height=110, max_chars=100_000, key=f"texts {name}")
    asked = st.form_submit_button("Classify", type="primary")
if asked:
    st.session_state.pop("classified", None)
    try:
        device = st.session_state["device"]
        reader = example().reader if name == EXAMPLE else loaded(models[name].folder, device)
        classify(reader, *texts_of(file, column, typed))
        st.session_state["labels"] = example().labels if name == EXAMPLE else None
    except parts.FAULTS as error:
        parts.complain(error)
if "classified" in st.session_state:
    texts, answers = st.session_state["classified"]
    labels = st.session_state["labels"]
    if labels and labels.keys().isdisjoint(texts):
        labels = None  # nothing is known of what was typed
    names = [max(shares, key=shares.get) for shares in answers]
    counts = ", ".join(f"{names.count(name):,} {name}" for name in answers[0])
    said = f"{len(texts):,} {'text' if len(texts) == 1 else 'texts'}: {counts}."
    known = [(text, name) for text, name in zip(texts, names, strict=True) if labels and text in labels]
    if known:
        n_right = sum(labels[text] == name for text, name in known)
        said += f" Right: {n_right} of {len(known)} whose class is known."
    st.html(html_parts.note(said))
    st.html(html_parts.class_table(texts[:SHOWN], answers[:SHOWN], labels))
    if len(texts) > SHOWN:
        st.html(html_parts.note(f"The table shows the first {SHOWN:,}."))
    st.download_button("Download all as CSV", as_csv(texts, answers), "classified.csv", "text/csv")
st.write("To make a classifier of your own labelled texts, run this command. It then appears in the list:")
st.code("companion finetune classify --data labelled.csv", language=None, wrap_lines=True)
