"""companion quantize: a model with 8 or 4 bits a weight."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from companion import load
from companion.cli._learning import bits_of, text_batch
from companion.cli._parsing import Range
from companion.cli._shared import OfModel, check_output, holds_only, texts_named
from companion.models.names import origin_of, shape_of, trainable_folder
from companion.quantization import calibrate, quantize, save_quantized
from companion.runtime.files.atomic import claim
from companion.runtime.storage.checkpoints import CONFIG, TOKENIZER, WEIGHTS, holds_model, read_config
from companion.runtime.terminal import as_typed, waiting
from companion.village import fresh_stories, load_split

TEXTS = 100  # to calibrate with
MEASURED = 200  # texts to measure with, at most
BATCH = 20  # texts to calibrate with at once
LARGE = 50_000_000  # parameters; a larger model takes a second for a text
FEW = 40  # texts to measure such a model with, at most


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
    folder = trainable_folder("--model", options.model)
    config, build = shape_of(folder)
    if options.calibrate and config.architecture == "experts":
        rule = "not every layer of architecture=experts reads every token"
        raise ValueError(f"--calibrate: {rule}; leave it out")
    group = options.group or (32 if options.bits == 4 else None)
    quantize(build(config, meta=True), options.bits, group)  # raises for what does not fit
    check_output("--output", options.output, is_quantized, options.overwrite)
    calibration, measured = texts_of(options.data)
    teller = load(folder, device="cpu")
    if sum(p.numel() for p in teller.model.parameters()) > LARGE:
        measured = measured[:FEW]
    float_bytes = sum(p.numel() * p.element_size() for p in teller.model.parameters())

    with claim(options.output):
        before = bits_of(teller, measured, "Measuring the model as it is")
        grams = None
        if options.calibrate:
            with waiting("Reading texts to calibrate with"):
                starts = range(0, len(calibration), BATCH)
                batches = (text_batch(teller, calibration[i : i + BATCH]) for i in starts)
                grams = calibrate(teller.model, batches)
        with waiting("Rounding the weights"):
            quantize(teller.model, options.bits, group, grams)
            calibrated = options.data if options.calibrate else None
            about = {"init": origin_of(options.model, folder), "calibrated": calibrated}
            save_quantized(options.output, teller.model, teller.tokenizer, about)
            quantized = load(options.output, device="cpu")
        after = bits_of(quantized, measured, "Measuring the quantized model")

    scale = f"a scale for {group} weights" if group else "a scale for a row"
    corrected = ", corrected" if options.calibrate else ""
    print(f"{options.bits} bits a weight, {scale}{corrected}; before and after:")
    int_bytes = (options.output / WEIGHTS).stat().st_size
    print(f"  {float_bytes / 1e6:.2f} MB  {int_bytes / 1e6:.2f} MB")
    kind = "village stories" if options.data == "village" else f"texts of {options.data}"
    print(f"  {before:.4f}   {after:.4f} bits per byte, on {len(measured)} {kind}")
    generate = as_typed("companion", "generate", "--model", options.output)
    print(f"In {options.output}: the model. Next:\n\n  {generate}")


def is_quantized(folder: Path) -> bool:
    """Whether a folder holds a quantized model and nothing else: what another may replace."""
    is_model = holds_only(folder, CONFIG, {CONFIG, TOKENIZER, WEIGHTS}) and holds_model(folder)
    return is_model and "quantization" in read_config(folder)


def texts_of(name: str) -> tuple[list[str], list[str]]:
    """Texts to calibrate with, and others to measure with.

    Raises:
        ValueError: If there is no such text, or if there are fewer than two.
    """
    if name == "village":
        return fresh_stories(TEXTS, 19), load_split("test")[:MEASURED]
    found = texts_named("--data=", name)
    if len(found) < 2:
        found = [part for part in "".join(found).split("\n\n") if part.strip()]
    if len(found) < 2:
        raise ValueError(f"--data={name} is one text without a blank line; give two, or a folder of texts")
    return found[1::2][:TEXTS], found[::2][:MEASURED]
