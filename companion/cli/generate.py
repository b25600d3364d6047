"""companion generate: a text from a prompt."""

import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, ClassVar

from companion import load
from companion.cli._parsing import MayBeEmpty, Range
from companion.cli._shared import ABOUT_DOT, DRAWING, DrawingOptions, tells_of_the_village, trained_on
from companion.runtime.terminal import NO_TEXT, cleaned, is_terminal
from companion.serve.village_words import note_of_unknown_words
from companion.show.demo import Subject, odds_of_tokens
from companion.show.judged_text import marked, marks_for


@dataclass(kw_only=True)
class Options(DrawingOptions):
    """Let a model continue a text.

    Args:
        config: File with settings, such as the config.toml that a training run writes; options that you type
            win over the file.
        prompt: First words of the text. Default: Once; none for a model of your own text.
        max_new_tokens: Largest number of tokens to generate. Default: 250.
        temperature: 0 always takes the most probable token, higher values give more varied text. Default:
            what the model's generation_config.json says, else 0.8.
        seed: The same seed gives the same text. Default: a new seed each time.
        odds: Show for each token how probable it was, by the model and in truth. For models of the village.

    Example:
        companion generate --prompt "Once" --seed 3
    """

    TABLES: ClassVar = "generation"
    config: Path | None = None
    prompt: Annotated[str | None, MayBeEmpty()] = None
    max_new_tokens: Annotated[int | None, Range(1)] = None
    odds: bool = False


def run(options: Options) -> None:
    given = {name: getattr(options, name) for name in DRAWING if getattr(options, name) is not None}
    teller = load(options.model, options.device, revision=options.revision, fast=True)
    of_village = tells_of_the_village(options.model, teller.tokenizer)
    usual = DRAWING if trained_on(options.model) in (None, "", "village") else DRAWING | {"prompt": ""}
    drawing = usual | teller.tokenizer.sampling | given
    prompt = drawing.pop("prompt")
    if options.odds and not of_village:
        raise ValueError("--odds needs a model of the village's stories, whose true probabilities are known")
    teller.encode(prompt)
    if prompt != usual["prompt"] and of_village:
        note = note_of_unknown_words(prompt)
        if note:
            print(f"companion: {note} Try a name such as Mara or Otto.", file=sys.stderr)

    draws = drawing["temperature"] > 0 and drawing["top_k"] != 1
    if draws and options.seed is None:
        drawing["seed"] = secrets.randbelow(1_000_000)
    pieces = []

    def drawn() -> Iterator[str]:
        for piece in chain([prompt], teller.stream(prompt, **drawing)):
            pieces.append(piece)
            yield cleaned(piece)

    shown = drawn()
    if of_village:
        shown = marked(shown, marks_for(options.marks))
    for piece in shown:
        print(piece, end="", flush=True)
    print()
    text = "".join(pieces)
    if NO_TEXT.search(text):
        print(f"companion: {ABOUT_DOT}", file=sys.stderr)
    if options.odds:
        tokens = teller.encode(text)[:, : teller.model.config.context_length]
        print()
        for line in odds_of_tokens(Subject(teller.model, teller.tokenizer, text, tokens)):
            print(line)
    if draws and options.seed is None and is_terminal():
        seed = drawing["seed"]
        print(f"(seed {seed}; the same command with --seed {seed} gives this text again)")
