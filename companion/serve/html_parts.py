"""What the app draws itself, as HTML in which every text is escaped: stories, marks, tokens, tables.

A model's text and a user's are shown by these functions alone. As Markdown they could name a picture on
another host, and the browser would ask for it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from companion.serve.drawing import Seen
from companion.show import judged_text
from companion.show.judged_text import MEANINGS
from companion.show.plots import INK, JUDGED
from companion.village import Verdict

SIGNS = judged_text.SIGNS | {"ok": ""}
DARK = {"ok": "#24503f", "misplaced": "#5a4f10", "contradiction": "#74361f", "unknown": "#4a4843"}
"""The marks' colors on a dark page, as the web book has them."""


def style() -> str:
    """The sheet for all that is drawn here, with the colors of the marks."""
    marks = [f":root {{--c-ink:{INK}}}"]
    for kind, look in JUDGED.items():
        color, _, line = look.partition(";")
        marks.append(f".c-{kind} {{background:light-dark({color},{DARK[kind]});{line}}}")
    sheet = Path(__file__).with_name("app.css").read_text("utf-8")
    return f"<style>\n{sheet}{' '.join(marks)}\n</style>"


def plain(text: str) -> str:
    """A text as it is."""
    return f'<div class="c-text">{escape(text)}</div>'


def heading(text: str) -> str:
    """The heading of a part of a page."""
    return f'<h2 class="c-heading">{escape(text)}</h2>'


def note(text: str) -> str:
    """A small line beside a text."""
    return f'<div class="c-note">{escape(text)}</div>'


def alert(text: str) -> str:
    """What is wrong, in one line that is read out at once."""
    return f'<div class="c-alert" role="alert">{escape(text)}</div>'


def judged(verdicts: Iterable[Verdict]) -> str:
    """A story with the judge's marks: a color, a line, a sign and the reason, sentence by sentence."""
    spans = []
    for verdict in verdicts:
        sign = f"<b>{SIGNS[verdict.kind]}</b> " if SIGNS[verdict.kind] else ""
        why = f" <em>({escape(verdict.reason)})</em>" if verdict.reason else ""
        text = f"{sign}{escape(verdict.sentence)}{why}"
        spans.append(f'<span class="c-mark c-{verdict.kind}">{text}</span>')
    return f'<div class="c-text">{" ".join(spans)}</div>'


def legend(verdicts: Sequence[Verdict]) -> str:
    """What each mark means that sentences have, and how many; of all marks where there are no sentences."""
    counts = Counter(verdict.kind for verdict in verdicts)
    rows = []
    for kind, meaning in MEANINGS.items():
        if verdicts and not counts[kind]:
            continue
        mark = f'<span class="c-mark c-{kind}"><b>{SIGNS[kind]}</b> {meaning}</span>'
        count = f" {counts[kind]}" if verdicts else ""
        rows.append(f'<div role="listitem">{mark}{count}</div>')
    return f'<div class="c-legend" role="list" aria-label="The judge\'s marks">{"".join(rows)}</div>'


def tokens(prompt: str, seen: Sequence[Seen]) -> str:
    """A text token by token: the less probable, the bluer; the pointer over one shows its numbers."""
    spans = []
    for one in seen:
        others = ", ".join(f"{visible(text)} {p:.3f}" for text, p in one.others)
        title = escape(f"{visible(one.text)} {one.probability:.3f}; others: {others}")
        doubt = f"--doubt:{50 * (1 - one.probability):.0f}%"
        spans.append(f'<span class="c-token" style="{doubt}" title="{title}">{escape(one.text)}</span>')
    return f'<div class="c-text">{escape(prompt)}{"".join(spans)}</div>'


def visible(text: str) -> str:
    """A token's text with its spaces and line ends shown."""
    return text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def token_table(seen: Sequence[Seen], by: str) -> str:
    """The same numbers as a table, for readers without a pointer. `by` is the model, to name the table."""
    rows = []
    for n, one in enumerate(seen, 1):
        others = ", ".join(f"<code>{escape(visible(text))}</code> {p:.3f}" for text, p in one.others)
        token = f'<th scope="row"><code>{escape(visible(one.text))}</code></th>'
        rows.append(f"<tr><td>{n}</td>{token}<td>{one.probability:.3f}</td><td>{others}</td></tr>")
    return table(f"Tokens and their probabilities, {by}", ("", "token", "probability", "others"), rows)


def odds_table(rows: Sequence[tuple[str, float, float | None]], by: str) -> str:
    """A table of next tokens, each with the model's probability and the true one, or None."""
    lines = []
    for name, share, truth in rows:
        true_share = "–" if truth is None else f"{truth:.1%}"
        token = f'<th scope="row"><code>{escape(visible(name))}</code></th>'
        lines.append(f"<tr>{token}<td>{share:.1%}</td><td>{true_share}</td></tr>")
    return table(f"The next token, {by}", ("next token", "model", "truth"), lines)


def class_table(
    texts: Sequence[str], answers: Sequence[dict[str, float]], labels: Mapping[str, str] | None
) -> str:
    """Each text's likeliest class and its probability, and its true class where labels are given."""
    rows = []
    for text, shares in zip(texts, answers, strict=True):
        name = max(shares, key=shares.get)
        short = text if len(text) < 80 else text[:79] + "…"
        cells = [name, f"{shares[name]:.2f}", short]
        if labels:
            true = labels.get(text, "")
            cells.insert(1, f"✗ {true}" if true not in (name, "") else true)
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = ("class", "true class", "probability", "text") if labels else ("class", "probability", "text")
    return table("Texts and their classes", heads, rows)


def table(name: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table in a frame that scrolls, and that the keyboard reaches."""
    cells = "".join(f'<th scope="col">{head}</th>' if head else "<td></td>" for head in heads)
    return (
        f'<div class="c-scroll" tabindex="0" role="region" aria-label="{escape(name)}">'
        f'<table class="c-table"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
