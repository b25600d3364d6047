"""companion demo: a part of the model at work on a sentence."""

import shutil
from dataclasses import dataclass, field
from typing import Annotated, Literal

from companion import load
from companion.cli._parsing import MayBeEmpty, Positional, Range
from companion.cli._shared import ModelOptions, refuse
from companion.show.demo import PARTS, TEXT, TOLD, Subject


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
    own = TOLD if options.part == "odds" else TEXT
    text = " ".join(options.text) if options.text else own
    if not text.strip():
        raise ValueError("TEXT is empty; type a few words, or nothing at all for a sentence of the village")
    teller = load(options.model, device=options.device, fast=True)
    tokens = teller.encode(text)
    width = shutil.get_terminal_size().columns
    subject = Subject(teller.model, teller.tokenizer, text, tokens, width, options.layer, options.head)
    for line in PARTS[options.part](subject):
        print(line)
