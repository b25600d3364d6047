"""Models and trainings that are known to go well, by name, with the minutes that they take."""

import argparse
from dataclasses import dataclass, replace

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
    "village": Preset(
        "GPT-2's blocks and AdamW as in chapters 1 to 7, 0.6M parameters, for the village",
        {"context_length": 256, "n_layers": 4, "n_heads": 2, "d_model": 96},
        {
            "steps": 6000,
            "batch_size": 16,
            "lr": 3.5e-3,
            "min_lr": 0.0,
            "warmup_steps": 100,
            "eval_every": 400,
        },
        2.8,
    ),
    "modern": Preset(
        "the parts of chapter 10, 0.5M parameters, for the village; it tells a story after 3 minutes on"
        " two cores",
        {"context_length": 256, "n_layers": 4, "n_heads": 2, "d_model": 96},
        {
            "steps": 6000,
            "batch_size": 16,
            "lr": 0.03,
            "min_lr": 0.0,
            "warmup_steps": 100,
            "weight_decay": 0.0,
            "eval_every": 400,
        },
        2.8,
        "swift",
        "muon",
    ),
    "text": Preset(
        "3M parameters with dropout, for 100 KB to 10 MB of your own text; 15 minutes on two cores",
        {"context_length": 256, "n_layers": 6, "n_heads": 6, "d_model": 192, "dropout": 0.1},
        {"steps": 4000, "batch_size": 8, "lr": 2e-3, "min_lr": 1e-4, "warmup_steps": 100, "eval_every": 250},
        15,
    ),
    "gpu": Preset(
        "25M parameters, for 10 MB and more of text on a GPU; an hour at most",
        {"context_length": 512, "n_layers": 8, "n_heads": 8, "d_model": 512, "dropout": 0.1},
        {
            "steps": 10000,
            "batch_size": 64,
            "lr": 1e-3,
            "min_lr": 1e-4,
            "warmup_steps": 200,
            "eval_every": 500,
        },
        60,
    ),
}

GOING_ON = Preset(
    "the weights of another model, trained further on your text in small steps; 15 minutes",
    {"context_length": 256},
    {
        "steps": 1000,
        "batch_size": 4,
        "lr": 1e-4,
        "min_lr": 0.0,
        "warmup_steps": 20,
        "eval_every": 100,
    },
    15,
)
"""What --init takes. The model's shape is its own; context_length: of the rows, if it reads so many."""


def pick_preset(args: argparse.Namespace) -> Preset:
    """The preset that was named, or the one whose rates suit the optimizer; ValueError where none does.

    args: has init, resume, preset, architecture, size, optimizer and lr, each None where it was not given.
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
