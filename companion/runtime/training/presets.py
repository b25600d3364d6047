"""Models and trainings that are known to go well, by name, with the minutes that they take."""

import argparse
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

OPTIMIZERS = ("adamw", "muon")
"""AdamW for all parameters (chapter 7), or Muon for the matrices and AdamW for the rest (chapter 10)."""


@dataclass
class Preset:
    """What differs from the defaults: fields of the model and of training, architecture and optimizer.

    minutes: that training may take.
    """

    help: str
    model: dict
    train: dict
    minutes: float
    architecture: str = "gpt2"
    optimizer: str = "adamw"


PRESETS = {
    name: Preset(**table)
    for name, table in tomllib.loads(Path(__file__).with_name("presets.toml").read_text("utf-8")).items()
}
GOING_ON = PRESETS.pop("init")  # what --init takes


def pick_preset(args: argparse.Namespace) -> Preset:
    """The preset that was named, or the one whose rates suit the optimizer; ValueError where none does.

    Without a preset and an architecture, a model is a swift, or GPT-2 where it has one of GPT-2's sizes.
    """
    architecture = args.architecture or ("gpt2" if args.size else None)
    optimizer = args.optimizer or ("adamw" if architecture == "gpt2" else "muon")
    usual = "village" if optimizer == "adamw" else "modern"
    preset = GOING_ON if args.init else PRESETS[args.preset or usual]
    if args.optimizer not in (None, preset.optimizer) and args.lr is None and not args.resume:
        named = f"--init={args.init}" if args.init else f"preset {args.preset}"
        raise ValueError(f"--optimizer={args.optimizer} needs --lr: {named} has one for {preset.optimizer}")
    return replace(preset, architecture=architecture or PRESETS[args.preset or "modern"].architecture)
