"""What the pages share: choosing and loading a model, drawing a text live, showing what was told."""

import json
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from companion import load
from companion.generation import LanguageModel
from companion.runtime.terminal import first_line
from companion.serve import html_parts
from companion.serve.drawing import Drawing, Seen
from companion.serve.offered import Offer, OfferedModel, find_offered, of_kind
from companion.village import Verdict, judge

SCRIPTS = {
    "tell.py": "Tell",
    "pages/chat.py": "Chat",
    "pages/compare.py": "Compare",
    "pages/classify.py": "Classify",
}
"""The pages, by their scripts."""
AT_ONCE = 3  # models that stay in memory, for all visitors together; a fourth takes the place of the oldest
NOT_FOLLOWED = (
    "The judge cannot follow this text: a story must begin as those of the village do, with people that it"
    " introduces. Begin, for example, with: Once the baker Mara"
)
"""What is said below a text in which nobody was introduced."""
FAULTS = (ValueError, TypeError, ImportError, OSError, RuntimeError, MemoryError)
"""What a model that cannot be loaded or asked raises, as the command line reports it."""


def begin_page(title: str) -> None:
    """What stands on every page: the app's name, the pages, the device, and the page's title.

    The command's one argument is an Offer, as JSON. Its models are found anew, so that those are there, too,
    that came since.
    """
    st.set_page_config(page_title="companion: small language models at work", page_icon="🏘️")
    if "offer" not in st.session_state:
        st.session_state["offer"] = Offer(**json.loads(sys.argv[1]))
    offer = st.session_state["offer"]
    st.session_state["models"] = find_offered(offer.folders, offer.named)
    st.session_state.setdefault("device", offer.devices[0])
    st.html(html_parts.style())
    st.html('<p class="c-brand"><b>companion</b> – small language models at work on your computer</p>')
    with st.container(horizontal=True):  # Streamlit's own list of pages is out of sight on a phone
        for script, name in SCRIPTS.items():
            st.page_link(script, label=name)
    if len(offer.devices) > 1:
        chosen = offer.devices.index(st.session_state["device"])
        st.session_state["device"] = st.selectbox("Device", offer.devices, chosen)
    st.title(title, anchor=False)


def complain(error: BaseException) -> None:
    """Say in one line what is wrong."""
    st.html(html_parts.alert(first_line(error)))


def choose(label: str, *kinds: str, place, index: int = 0) -> OfferedModel:
    """Let one of the models of these kinds be chosen; end the page where there is none."""
    models = of_kind(st.session_state["models"], *kinds)
    if not models:
        st.info("No model here can do this. The course's can: end the app, and type companion app.")
        st.stop()
    with place:
        name = st.selectbox(label, list(models), index=min(index, len(models) - 1))
        st.html(html_parts.note(models[name].description))
    return models[name]


@st.cache_resource(max_entries=AT_ONCE, show_spinner="Loading the model …")
def loaded(folder: str, device: str) -> LanguageModel:
    """A model that stays in memory."""
    teller = load(folder, device, fast=True)
    teller.model.eval()
    return teller


def opened(model: OfferedModel) -> LanguageModel:
    """The model, loaded; where it cannot be, that is said and the page ends."""
    try:
        return loaded(model.folder, st.session_state["device"])
    except FAULTS as error:
        complain(error)
        return st.stop()  # which ends the page


def sampling() -> dict:
    """Controls of how a text is drawn: the options of a Drawing."""
    left, right = st.columns(2)
    temperature = left.slider(
        "Temperature",
        0.0,
        2.0,
        0.8,
        0.1,
        help="0 always takes the most probable token; higher values give more varied text",
    )
    top_p = right.slider(
        "Top-p",
        0.05,
        1.0,
        1.0,
        0.05,
        help="sample from the most probable tokens that together have this probability",
    )
    top_k = left.slider("Top-k", 0, 100, 0, help="sample from the k most probable tokens; 0 keeps all")
    longest = right.slider("Largest number of tokens", 10, 500, 200, 10)
    keeps = right.checkbox("Keep the last story's seed", help="the same seed gives the same text again")
    last_seed = st.session_state.get("last seed", 1)
    chosen = left.number_input("Seed", 0, 10**6, last_seed, disabled=not keeps)
    seed = int(chosen) if keeps else secrets.randbelow(10**6)
    options = {"temperature": temperature, "top_p": top_p, "top_k": top_k or None}
    return {"max_new_tokens": longest, "seed": seed} | options


@dataclass
class Story:
    """A text as far as it was drawn.

    Attributes:
        drawing: Where its tokens are, until seen has them with their probabilities.
        judged: Whether the model tells of the village, so that the judge has its say.
        ended: How it ended, for the line below it. A click may stop it at any time.
    """

    by: str
    prompt: str
    seed: int
    drawing: Drawing | None
    judged: bool = True
    text: str = ""
    seconds: float = 0.0
    ended: str = "stopped"
    seen: list[Seen] = field(default_factory=list)


def tell(model: OfferedModel, prompt: str, options: dict, key: str) -> None:
    """Draw a text, live on the page; it stays in the session's state as far as it came.

    A click on Stop, or anywhere, ends this run of the page, and another run shows what is there.
    """
    st.session_state.pop(key, None)
    teller = opened(model)
    try:
        drawing = Drawing(teller, prompt, **options)
        is_of_village = model.source == "village"
        story = Story(model.label, prompt, options["seed"], drawing, is_of_village)
        st.session_state[key] = story
        st.session_state["last seed"] = options["seed"]
        stop = st.empty()
        place = st.empty()
        stop.button("Stop", key=f"stop {key}")
        start = time.perf_counter()
        for piece in drawing:
            story.text += piece
            story.seconds = time.perf_counter() - start
            place.html(html_parts.plain(prompt + story.text))
        is_whole = len(drawing.ids) < drawing.n
        story.ended = "told to its end" if is_whole else "cut at the largest number"
        stop.empty()
        place.empty()
    except FAULTS as error:
        complain(error)


def show_text(text: str, verdicts: Sequence[Verdict]) -> None:
    """A text, with the judge's marks if it has verdicts on its sentences.

    A story without a true opening has nobody in it for the judge. That is said once, and all is gray.
    """
    followed = []
    for one in verdicts:
        followed.append(Verdict(one.sentence, "unknown", "") if one.of_nobody else one)
    if verdicts:
        st.html(html_parts.judged(followed))
        is_followed = followed == list(verdicts)
        st.html(html_parts.legend(verdicts) if is_followed else html_parts.note(NOT_FOLLOWED))
    else:
        st.html(html_parts.plain(text))


def show(story: Story, model: OfferedModel) -> None:
    """A text with its tokens' probabilities, and of the village with the judge's marks.

    Args:
        story: The text.
        model: The model that is chosen now, which may be another than the story's.
    """
    if story.by != model.label:
        st.html(html_parts.note(f"Told by {story.by}. Another model is chosen now: click for its text."))
    if story.drawing is not None:
        story.seen = story.drawing.seen()
        story.drawing = None
    text = story.prompt + story.text
    show_text(text, judge(text) if story.judged else [])
    rate = f"{len(story.seen) / story.seconds:,.0f} a second" if story.seconds else "at once"
    st.html(
        html_parts.note(f"{story.by}: {len(story.seen)} tokens, {rate}, seed {story.seed}, {story.ended}.")
    )
    st.html(html_parts.heading("Token probabilities"))
    st.html(
        html_parts.note(
            "How probable each token was for the model. The bluer a token is, the less probable it was."
            " Point at a token to see its probability, or open the table."
        )
    )
    st.html(html_parts.tokens(story.prompt, story.seen))
    with st.expander("The same as a table"):
        st.html(html_parts.token_table(story.seen, story.by))
