"""Pictures that a reader can change: merges step by step, any head's attention, temperature and top-p.

Each of the three functions draws a *strip*, a few states in one figure, and that is all that a page, a test
or a script ever sees. Where a front end with controls shows the notebook (``live()``), controls and a picture
of one state follow it, drawn by the same function::

    from companion.show import widgets

    widgets.merges(tokenizer, "Mara found a key", states=(0, 100, 767))

What is drawn comes from the objects that they are given, so they also show what a reader built or changed. An
input that cannot be drawn gives one line in place of the picture.
"""

import os
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from html import escape
from importlib.util import find_spec
from io import BytesIO
from itertools import chain
from typing import Any

import matplotlib.pyplot as plt
import regex
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font

from companion.runtime.models.modules import eval_mode
from companion.runtime.terminal import amount
from companion.show import plots
from companion.show.measures import attention_layers, attention_weights

__all__ = ["merges", "attention", "sampling", "merge_steps", "attention_weights", "live"]

ROW = 60
"""How many characters a row of tokens has room for."""

MAP = 40
"""How many tokens an attention map has room for. From 17 on in a strip, and 30 in a panel, its labels are
below 9 points."""

BARS = 12
"""How many tokens have a bar of their own."""


def live() -> bool:
    """Whether controls would be shown and answered: a kernel with ipywidgets, in a front end that has them.

    JupyterLab and Notebook name the session in the kernel's environment, VS Code and Colab leave marks of
    their own. Runs without a reader (nbval, nbclient, nbconvert, scripts) have none of these.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if not hasattr(shell, "kernel") or find_spec("ipywidgets") is None:
        return False
    marks = ("JPY_SESSION_NAME" in os.environ, "__vsc_ipynb_file__" in shell.user_ns)
    return any(marks) or "google.colab" in sys.modules


class Panel:
    """Controls, a line of text and a picture, which is drawn anew whenever a control's value changes.

    Args:
        draw: Called as draw(figure, **values), with the controls' values by name. It returns a sentence about
            what it drew, which is also the picture's alternative text. If it raises ValueError, the message
            stands alone, without a picture.
        size: Inches across and down.
        controls: ipywidgets by name.

    Attributes:
        box: The ipywidget to display.
        figure: The matplotlib Figure of the picture.
        said: The line of text.
    """

    def __init__(self, draw: Callable[..., str], size: tuple[float, float], controls: Mapping[str, Any]):
        from ipywidgets import HTML, VBox

        self.draw = draw
        self.controls = controls
        self.said = ""
        self.figure = Figure(figsize=size)
        self.line = HTML()
        self.picture = HTML()
        self.box = VBox([*controls.values(), self.line, self.picture])
        for control in controls.values():
            control.style.description_width = "7em"
            control.layout.width = "100%"
            control.layout.max_width = f"{100 * size[0]:.0f}px"
            control.observe(self.update, "value")
        self.update()

    def update(self, _change=None) -> None:
        """Draw the state that the controls name."""
        self.figure.clear()
        try:
            self.said = self.draw(self.figure, **{name: c.value for name, c in self.controls.items()})
        except ValueError as error:
            self.said = str(error)
            self.picture.value = ""
        else:
            png = BytesIO()
            self.figure.savefig(png, format="png", pil_kwargs={"compress_level": 1})  # soon, not small
            source = b64encode(png.getvalue()).decode()
            width = round(100 * self.figure.get_figwidth())
            style = f"width:{width}px;max-width:100%;height:auto"
            self.picture.value = (
                f'<img src="data:image/png;base64,{source}" alt="{escape(self.said)}" style="{style}">'
            )
        self.line.value = f'<span style="white-space:pre-wrap">{escape(self.said)}</span>'


def show(panel: Callable[[], Panel]) -> None:
    """Show the figures drawn so far, and below them the panel where there is a reader to use it."""
    plt.show()
    if live():
        from IPython.display import display

        display(panel().box)


@lru_cache
def drawable() -> frozenset[str]:
    """The characters that the figures' fonts have."""
    fonts = (FT2Font(findfont(name)).get_charmap() for name in ("DejaVu Sans", "DejaVu Sans Mono"))
    return frozenset.intersection(*(frozenset(map(chr, font)) for font in fonts))


def signs_of(token: bytes | str) -> list[str]:
    """A token's characters, or its bytes as two hex digits each where it is no text that can be drawn."""
    raw = token.encode() if isinstance(token, str) else token
    text = raw.decode("utf-8", errors="replace")
    drawn = text.isprintable() and "\ufffd" not in text and drawable().issuperset(text)
    return list(text) if drawn else [f"{byte:02x}" for byte in raw]


# Merges


def merge_steps(tokenizer, text: str) -> list[tuple[int, list[bytes]]]:
    """How a text's tokens become fewer, merge by merge.

    Args:
        tokenizer: A BPETokenizer, of which merges and pattern are used.
        text: The text.

    Returns:
        A pair for each merge that changes the tokens, of the number of merges learned by then and the tokens.
        The first pair has 0 merges, and its tokens are single bytes.

    Raises:
        ValueError: If the text is empty or does not fit a row.
    """
    pieces = []
    for piece in regex.findall(tokenizer.pattern, text):
        pieces.append([bytes([byte]) for byte in piece.encode()])
    if not pieces:
        raise ValueError("The text is empty: type a few words.")
    tokens = list(chain.from_iterable(pieces))
    length = row_width(tokens)
    if length > ROW:
        raise ValueError(f"The text takes {length} places, and the picture has {ROW}: shorten it.")
    steps = [(0, tokens)]
    for learned, pair in enumerate(tokenizer.merges, start=1):
        pieces = [join(piece, pair) for piece in pieces]
        merged = list(chain.from_iterable(pieces))
        if len(merged) < len(steps[-1][1]):
            steps.append((learned, merged))
    return steps


def join(tokens: list[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    """Write one token wherever the pair stands, from left to right."""
    out: list[bytes] = []
    for token in tokens:
        if out and (out[-1], token) == pair:
            out[-1] += token
        else:
            out.append(token)
    return out


def row_width(tokens: Sequence[bytes]) -> int:
    """The places that tokens take in a row: one for a character, two for a byte in digits."""
    return sum(len("".join(signs_of(token))) for token in tokens)


def draw_tokens(ax: Axes, row: int, tokens: Sequence[bytes], new: bytes | None = None) -> None:
    """Draw tokens as boxes of letters in one row, and how many there are; new is outlined."""
    place = 0
    for i, token in enumerate(tokens):
        width = row_width([token])
        line = {}
        if token == new:
            line = {"edgecolor": plots.INK, "linewidth": 1.4}
        color = (*to_rgb((plots.SKY, plots.ORANGE)[i % 2]), 0.45)
        ax.barh(row, width - 0.15, left=place + 0.08, height=0.72, color=color, **line)
        for sign in signs_of(token):
            small = {"fontsize": 9} if len(sign) > 1 else {}
            middle = place + len(sign) / 2
            ax.text(middle, row, sign, ha="center", va="center_baseline", family="DejaVu Sans Mono", **small)
            place += len(sign)
    end = ax.get_yaxis_transform()
    words = amount(len(tokens), "token")
    ax.annotate(words, (1, row), (5, 0), end, textcoords="offset points", va="center_baseline")


def draw_merges(ax: Axes, rows: Mapping[int, Sequence[bytes]], new: bytes | None = None) -> None:
    """Draw a text's tokens, a row for each number of merges; new is outlined in the last row."""
    for row, tokens in enumerate(rows.values()):
        draw_tokens(ax, row, tokens, new if row == len(rows) - 1 else None)
    width = max(row_width(tokens) for tokens in rows.values())
    ax.set(xlim=(0, max(width, 36)), ylim=(len(rows) - 0.5, -0.5), ylabel="merges")
    ax.set_yticks(range(len(rows)), [f"{learned:,}" for learned in rows])
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)


def merges_strip(tokenizer, text: str, states: Sequence[int]) -> Figure:
    """A row of tokens for each of states, numbers of merges learned. Errors as for merge_steps."""
    steps = merge_steps(tokenizer, text)
    rows = {}
    for learned in states:
        _, rows[learned] = [step for step in steps if step[0] <= learned][-1]
    fig, ax = plt.subplots(figsize=(plots.WIDTH, 0.2 + 0.4 * len(rows)))
    draw_merges(ax, rows)
    return fig


def merges_panel(tokenizer, text: str) -> Panel:
    """Any text, merge by merge: the row before a merge, and the row after it with the new tokens outlined."""
    from ipywidgets import SelectionSlider, Text

    def numbers(text):
        return [(f"{learned:,}", learned) for learned, _ in merge_steps(tokenizer, text)]

    def draw(figure, text, merges):
        steps = merge_steps(tokenizer, text)
        done = [step for step in steps if step[0] <= merges]
        if len(done) == 1:
            draw_merges(figure.subplots(), dict(done))
            return f"No merge yet: {amount(len(done[0][1]), 'token')}, one for each byte."
        learned, tokens = done[-1]
        a, b = tokenizer.merges[learned - 1]
        draw_merges(figure.subplots(), dict(done[-2:]), new=a + b)
        pair = " and ".join(f"“{''.join(signs_of(token))}”" for token in (a, b))
        return f"Merge {learned:,} of {len(tokenizer.merges):,} joins {pair}: {amount(len(tokens), 'token')}."

    def follow(_change):  # another text has other merges
        try:
            slider.options = numbers(box.value)
            slider.index = len(slider.options) - 1
        except ValueError:
            pass  # the picture says what is wrong

    box = Text(text, description="text", continuous_update=False)
    slider = SelectionSlider(options=numbers(text), index=0, description="merges")
    box.observe(follow, "value")
    return Panel(draw, (plots.WIDTH, 1.0), {"text": box, "merges": slider})


def merges(tokenizer, text: str, states: Sequence[int]) -> None:
    """Show how byte-pair encoding cuts a text after so many merges. With controls, merge by merge.

    The controls are the text, and the merge to stop after.

    Args:
        tokenizer: A BPETokenizer.
        text: A text that fits in 60 places. A character takes one place. A byte of a character that the fonts
            lack takes two.
        states: The strip's numbers of merges learned, with a row for each.

    Raises:
        ValueError: If the text is empty or too long.
    """
    merges_strip(tokenizer, text, states)
    show(lambda: merges_panel(tokenizer, text))


# Attention


def begin(model, tokenizer, text: str):
    """What begins every text, and this text's tokens, (1, T) int64, on the model's device."""
    ids = [*tokenizer.begin, *tokenizer.encode(text)]
    return torch.tensor([ids], device=next(model.parameters()).device)


def label(tokenizer, token: int) -> str:
    """A token in a picture: what it spells, with <|endoftext|> cut short."""
    if token == tokenizer.end:
        return "<end>"
    return "".join(signs_of(tokenizer.vocab[token]))


def heads_of(model, tokenizer, sentence: str) -> tuple[list, list[str]]:
    """All heads' weights for a sentence, by layer, and the labels of its tokens.

    Raises:
        ValueError: If the sentence is empty or too long.
    """
    if not sentence.strip():
        raise ValueError("The sentence is empty: type a few words.")
    tokens = begin(model, tokenizer, sentence)
    if tokens.shape[1] > MAP:
        raise ValueError(f"The sentence has {tokens.shape[1]:,} tokens, the picture holds {MAP}: shorten it.")
    labels = [label(tokenizer, i).strip() or "␣" for i in tokens[0].tolist()]
    return attention_weights(model, tokens), labels


def draw_head(ax: Axes, weights, labels: Sequence[str], inches: float, cmap=plots.HEAT) -> None:
    """Draw a head's weights (T, T) as a map about so many inches wide: row i is what token i looks at."""
    ax.imshow(weights.numpy(), cmap=cmap, vmin=0, vmax=1)
    size = min(10, 0.85 * 72 * inches / len(labels))  # points, so that no two labels touch
    style = {"fontsize": size, "parse_math": False}  # a $ is a $
    ax.set_xticks(range(len(labels)), labels, rotation=90, **style)
    ax.set_yticks(range(len(labels)), labels, **style)
    ax.tick_params(length=0)
    ax.grid(False)


def attention_strip(model, tokenizer, sentence: str, heads: Sequence[tuple[int, int]], colors=None) -> Figure:
    """A map for each of heads, (layer, head) pairs, two beside each other. Errors as for attention."""
    layers, labels = heads_of(model, tokenizer, sentence)
    maps = [plots.heat(color) for color in colors] if colors else [plots.HEAT] * len(heads)
    rows = (len(heads) + 1) // 2
    fig, axes = plt.subplots(rows, 2, figsize=(plots.WIDTH, 0.7 + 3.2 * rows), squeeze=False)
    for i, (ax, (layer, head)) in enumerate(zip(axes.flat, heads, strict=False)):
        draw_head(ax, layers[layer][head], labels, 2.4, maps[i])
        ax.set_title(name_head(layers, layer, head))
        ax.tick_params(labelleft=i % 2 == 0, labelbottom=i + 2 >= len(heads))  # none between two maps
    for ax in axes.flat[len(heads) :]:
        ax.axis("off")
    fig.supxlabel("token that is looked at", fontsize="medium")
    fig.supylabel("token that looks", fontsize="medium")
    return fig


def name_head(layers: list, layer: int, head: int) -> str:
    """A head's name, with its layer where there are several."""
    return f"layer {layer}, head {head}" if len(layers) > 1 else f"head {head}"


def attention_panel(model, tokenizer, sentence: str, head: tuple[int, int] = (0, 0)) -> Panel:
    """Any sentence, and any head of any layer."""
    from ipywidgets import IntSlider, Text

    @lru_cache(1)
    def found(sentence):
        return heads_of(model, tokenizer, sentence)

    def draw(figure, sentence, head, layer=0):
        layers, labels = found(sentence)
        weights = layers[layer][head]
        ax = figure.subplots()
        draw_head(ax, weights, labels, 4.4)
        ax.set(xlabel="token that is looked at", ylabel="token that looks")
        most = weights[-1].argmax().item()
        name = name_head(layers, layer, head)
        return (
            f"{name[0].upper()}{name[1:]}. The last token, “{labels[-1]}”, looks most at “{labels[most]}”, "
            f"token {most}: {weights[-1, most]:.0%} of its weight."
        )

    parts = attention_layers(model)
    controls = {"sentence": Text(sentence, continuous_update=False)}
    if len(parts) > 1:
        controls["layer"] = IntSlider(head[0], 0, len(parts) - 1)
    controls["head"] = IntSlider(head[1], 0, len(found(sentence)[0][0]) - 1)
    for name, control in controls.items():
        control.description = name
    return Panel(draw, (plots.WIDTH, 5.6), controls)


def attention(model, tokenizer, sentence: str, heads: Sequence[tuple[int, int]], colors=None) -> None:
    """Show which tokens look at which, in the maps of some heads.

    With controls, show any head on the reader's sentence. The controls are the sentence, the layer if there
    are several, and the head. They begin at heads[0].

    Args:
        model: Takes tokens (1, T) int64. Its attention layers are the parts whose project(x) makes q, k, v.
        tokenizer: The model's tokenizer. Its <|endoftext|> is put in front of the sentence.
        sentence: At most 39 tokens.
        heads: The strip's (layer, head) pairs, counted from 0.
        colors: A color for each of heads, if other figures show them in colors. None is blue for all.

    Raises:
        ValueError: If the sentence is empty or too long.
    """
    attention_strip(model, tokenizer, sentence, heads, colors)
    show(lambda: attention_panel(model, tokenizer, sentence, heads[0]))


# Sampling


def next_logits(model, tokenizer, prompt: str):
    """The logits (V,) of the token after a prompt.

    Raises:
        ValueError: If the prompt is longer than the model's context.
    """
    tokens = begin(model, tokenizer, prompt)
    limit = model.config.context_length
    if tokens.shape[1] > limit:
        raise ValueError(
            f"The prompt has {tokens.shape[1]:,} tokens, and the model reads {limit}: shorten it."
        )
    with torch.no_grad(), eval_mode(model):
        return model(tokens)[0, -1].float().cpu()


def draw_choice(ax: Axes, probabilities: Callable, logits, names: Mapping[int, str], **setting) -> str:
    """Draw the next token's probabilities under a setting, with an outline of those before the cuts.

    Args:
        ax: Axes to draw in.
        probabilities: As for `sampling`.
        logits: The logits of the next token, (V,).
        names: Names of the tokens that have a bar, by id, from the top down. The last bar has all other
            tokens together.
        setting: temperature, top_k and top_p. None stands for a setting that is not used.

    Returns:
        A sentence about the setting, how many tokens stay, and the likeliest token if it has a bar.
    """
    setting = {name: value for name, value in setting.items() if value is not None}
    before = probabilities(logits, temperature=setting.get("temperature", 1.0))  # (V,)
    after = probabilities(logits, **setting)  # (V,)
    shown = list(names)
    rows = range(len(shown) + 1)
    outline = {"fill": False, "edgecolor": plots.INK, "linewidth": 0.8}
    for p, style in ((after, {"color": [plots.BLUE] * len(shown) + [plots.GRAY]}), (before, outline)):
        ax.barh(rows, [*p[shown].tolist(), max(0.0, 1 - p[shown].sum().item())], height=0.76, **style)
    ax.set_yticks(rows, [*names.values(), "all others"], parse_math=False)
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlabel="probability")
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    cuts = [f"{name.replace('_', '-')} {setting[name]:g}" for name in ("top_k", "top_p") if name in setting]
    stay = int((after > 0).sum())
    best = after.argmax().item()
    lines = [f"T = {setting.get('temperature', 1.0):g}", ", ".join(cuts) or "no cut", f"{stay:,} kept"]
    ax.set_title("\n".join(lines))
    likeliest = f"the likeliest, “{names[best]}”, has {after[best]:.0%}." if best in names else ""
    return f"{', '.join(lines[:2])}: {stay:,} of {len(logits):,} tokens kept; {likeliest}"


def likeliest_names(tokenizer, logits) -> dict[int, str]:
    """The tokens with the greatest logits, by id, greatest first, each with a dot for its space."""
    ids = logits.topk(min(BARS, len(logits))).indices.tolist()
    return {i: label(tokenizer, i).replace(" ", "·") for i in ids}


def sampling_strip(probabilities: Callable, model, tokenizer, prompt: str, states: Sequence[dict]) -> Figure:
    """The next token's probabilities under each of states, side by side. Errors as for sampling."""
    logits = next_logits(model, tokenizer, prompt)
    names = likeliest_names(tokenizer, logits)
    size = (plots.WIDTH, 3.8)
    fig, axes = plt.subplots(1, len(states), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, state in zip(axes[0], states, strict=True):
        draw_choice(ax, probabilities, logits, names, **state)
    return fig


def sampling_panel(probabilities: Callable, model, tokenizer, prompt: str, state: dict) -> Panel:
    """Any prompt, and any setting of temperature, top-k and top-p."""
    from ipywidgets import FloatSlider, SelectionSlider, Text

    @lru_cache(1)
    def logits_of(prompt):
        return next_logits(model, tokenizer, prompt)

    def draw(figure, prompt, temperature, top_k, top_p):
        logits = logits_of(prompt)
        setting = {"temperature": temperature, "top_k": top_k or None, "top_p": top_p if top_p < 1 else None}
        names = likeliest_names(tokenizer, logits)
        ax = figure.subplots()
        ax.set_xlim(0, 1)
        return draw_choice(ax, probabilities, logits, names, **setting)

    wanted = state.get("top_k") or 0  # 0 stands for no cut
    sizes = sorted({1, 2, 3, 5, 10, 20, 50, 100, wanted} - {0}, reverse=True)
    controls = {
        "prompt": Text(prompt, description="prompt", continuous_update=False),
        "temperature": FloatSlider(state.get("temperature", 1.0), min=0, max=2, step=0.05),
        "top_k": SelectionSlider(options=[("all", 0), *((str(k), k) for k in sizes)], value=wanted),
        "top_p": FloatSlider(state.get("top_p", 1.0), min=0.05, max=1, step=0.05),
    }
    for name, control in controls.items():
        control.description = name.replace("_", "-")
    return Panel(draw, (plots.WIDTH, 3.8), controls)


def sampling(probabilities: Callable, model, tokenizer, prompt: str, states: Sequence[dict]) -> None:
    """Show what temperature, top-k and top-p do to the next token's probabilities. With controls, at will.

    The controls are the prompt, the temperature from 0 to 2, top-k and top-p. They begin at the last state.

    Args:
        probabilities: Called as probabilities(logits, temperature=…, top_k=…, top_p=…), logits (V,) -> (V,),
            such as chapter 8's next_token_probabilities. A cut that is not used is left out of the call.
        model: Maps tokens (1, T) int64 to logits (1, T, V), and has config.context_length.
        tokenizer: The model's tokenizer. Its <|endoftext|> is put in front of the prompt.
        prompt: A prompt, which may be empty, for a text's first token.
        states: The strip's settings, such as {"temperature": 2.0, "top_p": 0.9}.

    Raises:
        ValueError: If the prompt is longer than the model's context, or if probabilities raises it.
    """
    sampling_strip(probabilities, model, tokenizer, prompt, states)
    show(lambda: sampling_panel(probabilities, model, tokenizer, prompt, states[-1]))
