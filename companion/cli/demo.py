"""companion demo: a part of the model at work on a sentence."""

import shutil
from dataclasses import dataclass, field
from typing import Annotated, Literal

from companion import load
from companion.cli._parsing import MayBeEmpty, Positional, Range
from companion.cli._shared import ModelOptions, refuse
from companion.show import demo

TEXT = "Once Mara and Leo met at the mill. Leo said good night to"
"""What is read where nothing is typed. The next word is in it, for a model that looks back."""
BEGINNING = "Once the baker Mara sat at the mill and admired the red lantern Mara had found."
"""The beginning of a story of the village, for `odds`, which needs one that the village could tell."""
PARTS = {
    "tokenization": demo.tokenization,
    "embeddings": demo.embeddings,
    "attention": demo.attention,
    "blocks": demo.blocks,
    "gpt": demo.gpt,
    "odds": demo.odds,
}


@dataclass(kw_only=True)
class Options(ModelOptions):
    """Show one part of a model at work on your sentence.

    Args:
        part: What to show. tokenization: the pieces into which the text is cut, its tokens, and their bytes;
            embeddings: the embedding of each token: its first numbers, its length, and the most similar
            embeddings; attention: the attention weights of one head as a map: a row for each query, a column
            for each key; blocks: the residual stream through the blocks: its length, what each part adds, the
            next token so far; gpt: the parameters of each part, and the five most probable next tokens;
            odds: how likely each next token is, for the model and in truth.
        text: Your sentence. Default: "Once Mara and Leo met at the mill. Leo said good night to";
            for odds the beginning of a story that the village could tell.
        layer: Its map is shown. Default: the head that attends most to the next word, or far back.
        head: Its map is shown. Default: the head that attends most to the next word, or far back.

    Example:
        companion demo attention "Mara found a red key"
    """

    part: Annotated[
        Literal["tokenization", "embeddings", "attention", "blocks", "gpt", "odds"], Positional()
    ] = "attention"
    text: Annotated[list[str], Positional(), MayBeEmpty()] = field(default_factory=list)
    layer: Annotated[int | None, Range(0)] = None
    head: Annotated[int | None, Range(0)] = None


def run(options: Options) -> None:
    if options.part != "attention":
        refuse(options, ["layer", "head"], "works with attention only")
    own = BEGINNING if options.part == "odds" else TEXT
    text = " ".join(options.text) if options.text else own
    if not text.strip():
        raise ValueError("TEXT is empty; type a few words, or nothing at all for a sentence of the village")
    teller = load(options.model, device=options.device, fast=True)
    config = teller.model.config
    for name, value, size in (
        ("layer", options.layer, config.n_layers),
        ("head", options.head, config.n_heads),
    ):
        if value is not None and value >= size:
            raise ValueError(f"--{name}={value} must be from 0 to {size - 1}: the model has {size}")
    tokens = teller.encode(text)
    width = shutil.get_terminal_size().columns
    subject = demo.Subject(teller.model, teller.tokenizer, text, tokens, width, options.layer, options.head)
    for line in PARTS[options.part](subject):
        print(line)
