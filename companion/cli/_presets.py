"""Models and trainings that are known to go well, by name, with the minutes that they take."""

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


def pick_preset(asked: dict) -> Preset:
    """The preset that was named, or the one whose rates suit the optimizer; ValueError where none does.

    Without a preset and an architecture, a model is a swift, or GPT-2 where it has one of GPT-2's sizes.
    """
    architecture = asked.get("architecture") or ("gpt2" if asked.get("size") else None)
    optimizer = asked.get("optimizer") or ("adamw" if architecture == "gpt2" else "muon")
    usual = "village" if optimizer == "adamw" else "modern"
    preset = GOING_ON if "init" in asked else PRESETS[asked.get("preset", usual)]
    if optimizer != preset.optimizer and "optimizer" in asked and not {"lr", "resume"} & set(asked):
        named = f"--init={asked['init']}" if "init" in asked else f"preset {asked['preset']}"
        raise ValueError(f"--optimizer={optimizer} needs --lr: {named} has one for {preset.optimizer}")
    return replace(preset, architecture=architecture or PRESETS[asked.get("preset", "modern")].architecture)
