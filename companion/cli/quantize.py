"""companion quantize: a model with 8 or 4 bits a weight."""

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from companion import BUILDERS, load
from companion.cli._learning import bits_of, counted_passes
from companion.cli._parsing import Range
from companion.cli._shared import OfModel, said_of
from companion.datasets import load_text, pad_batch
from companion.generation import LanguageModel
from companion.models.names import check_floats, folder_of, origin_of, shape_of
from companion.pretrained import FAMILIES
from companion.quantization import calibrate, quantize, save_quantized
from companion.runtime.files.arguments import check_output, holds_only
from companion.runtime.files.atomic import claim
from companion.runtime.storage.checkpoints import CONFIG, TOKENIZER, holds_model, read_config
from companion.runtime.terminal import as_typed, waiting
from companion.village import fresh_stories, load_split

TEXTS, MEASURED, BATCH = 100, 200, 20
"""Texts to calibrate with, and to measure with, at most; and to calibrate with at once."""
LARGE, FEW = 50_000_000, 40
"""A model with more parameters than this is measured on so many texts at most: each takes it a second."""
WEIGHTS = "model.safetensors"


@dataclass(kw_only=True)
class Options(OfModel):
    """Make a smaller copy of a model, with 8 or 4 bits for each weight.

    Args:
        bits: Bits for each weight.
        group: Number of weights that share a scale. Default: 32 with 4 bits, else a whole row.
        calibrate: Choose the integers so that the layers' outputs on 100 texts change least.
        data: Texts to calibrate and to measure with: a file, a folder, or a corpus.
        output: Folder to write to.
        overwrite: Replace the quantized model, if there is one in that folder.

    Example:
        companion quantize --bits 4 --calibrate --output runs/small
    """

    bits: Literal[8, 4] = 8
    group: Annotated[int | None, Range(1, 1_000_000)] = None
    calibrate: bool = False
    data: str = "village"
    output: Path
    overwrite: bool = False


def run(options: Options) -> None:
    with ExitStack() as held:
        plan = make_plan(options, held)
        report(plan, do(plan))


@dataclass
class QuantizePlan:
    """A model to quantize, and texts to calibrate and to measure with."""

    teller: LanguageModel
    bits: int
    group: int | None  # weights that share a scale; None for a whole row
    calibrate: bool
    data: str  # the texts, as --data named them
    origin: dict[str, Any]  # the original model's name and origin, for the provenance of the new one
    calibration: list[list[int]]  # token ids of each text to calibrate with
    measured: list[str]  # texts to measure with
    before: int  # bytes of the weights that are quantized, in float32
    output: Path


@dataclass
class Quantized:
    """What was measured of a model before and after."""

    bits_per_byte_before: float
    bits_per_byte_after: float
    size: int  # bytes of the quantized weights


def make_plan(args: Options, held: ExitStack) -> QuantizePlan:
    folder = folder_of(args.model)
    config, build = shape_of(folder, BUILDERS, FAMILIES)
    check_floats("--model", folder)
    if args.calibrate and config.architecture == "experts":
        rule = "not every layer of architecture=experts reads every token"
        raise ValueError(f"--calibrate: {rule}; leave it out")
    group = args.group or (32 if args.bits == 4 else None)
    quantize(build(config, meta=True), args.bits, group)  # what does not fit is said here
    check_output("--output", args.output, is_quantized, args.overwrite)
    teller = load(folder, device="cpu", fast=True)
    calibration, measured = texts_of(args.data)
    if sum(p.numel() for p in teller.model.parameters()) > LARGE:
        measured = measured[:FEW]
    held.enter_context(claim(args.output))
    return QuantizePlan(
        teller=teller,
        bits=args.bits,
        group=group,
        calibrate=args.calibrate,
        data=args.data,
        origin=origin_of(args.model, folder),
        calibration=rows_of(teller, calibration),
        measured=measured,
        before=sum(p.numel() * p.element_size() for p in teller.model.parameters()),
        output=args.output,
    )


def is_quantized(folder: Path) -> bool:
    """Whether a folder holds a quantized model and nothing else: what another may replace."""
    whole = holds_only(folder, CONFIG, {CONFIG, TOKENIZER, WEIGHTS}) and holds_model(folder)
    return whole and "quantization" in read_config(folder)


def texts_of(name: str) -> tuple[list[str], list[str]]:
    """Texts to calibrate with, and others to measure with. ValueError for fewer than two."""
    if name == "village":
        return fresh_stories(TEXTS, 19), load_split("test")[:MEASURED]
    try:
        found = load_text(name)
    except ValueError as error:
        raise ValueError(said_of("--data", error)) from None
    if len(found) < 2:
        found = [part for part in "".join(found).split("\n\n") if part.strip()]
    if len(found) < 2:
        raise ValueError(f"--data={name} is one text without a blank line; give two, or a folder of texts")
    return found[1::2][:TEXTS], found[::2][:MEASURED]


def rows_of(teller, texts: list[str]) -> list[list[int]]:
    """Each text to its end as token ids, cut to what the model reads."""
    longest = teller.model.config.context_length + 1  # the last is only predicted
    start = teller.tokenizer.begin or [teller.tokenizer.start]  # so that the first token is predicted, too
    return [[*start, *teller.tokenizer.encode(text), teller.end][:longest] for text in texts]


def batches(teller, rows: list[list[int]]):
    """(tokens, targets), (B, T) each; -100 where there is nothing to predict."""
    for i in range(0, len(rows), BATCH):
        tokens, real = pad_batch(rows[i : i + BATCH], teller.end)
        yield tokens[:, :-1], tokens[:, 1:].masked_fill(~real[:, 1:], -100)


def do(plan: QuantizePlan) -> Quantized:
    """Measure, quantize, write, load what was written, measure; return the figures."""
    teller = plan.teller
    before = bits_of(teller, plan.measured, "Measuring the model as it is")
    grams = None
    if plan.calibrate:
        n_batches = math.ceil(len(plan.calibration) / BATCH)
        with counted_passes(teller.model, "Reading texts to calibrate with", n_batches):
            grams = calibrate(teller.model, batches(teller, plan.calibration))
    with waiting("Rounding the weights"):
        quantize(teller.model, plan.bits, plan.group, grams)
        about = {"init": plan.origin, "calibrated": plan.data if plan.calibrate else None}
        save_quantized(plan.output, teller.model, teller.tokenizer, about)
        quantized = load(plan.output, device="cpu", fast=True)
    after = bits_of(quantized, plan.measured, "Measuring the quantized model")
    return Quantized(before, after, (plan.output / WEIGHTS).stat().st_size)


def report(plan: QuantizePlan, found: Quantized) -> None:
    scale = f"a scale for {plan.group} weights" if plan.group else "a scale for a row"
    corrected = ", corrected" if plan.calibrate else ""
    print(f"{plan.bits} bits a weight, {scale}{corrected}; before and after:")
    print(f"  {plan.before / 1e6:.2f} MB  {found.size / 1e6:.2f} MB")
    figures = f"{found.bits_per_byte_before:.4f}   {found.bits_per_byte_after:.4f} bits per byte"
    kind = "village stories" if plan.data == "village" else f"texts of {plan.data}"
    print(f"  {figures}, on {len(plan.measured)} {kind}")
    generate = as_typed("companion", "generate", "--model", plan.output)
    print(f"In {plan.output}: the model. Next:\n\n  {generate}")
