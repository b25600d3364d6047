"""The options that every command shares: which model, and where it works."""

from pathlib import Path

from companion import village

SHIPPED = village.DATA / "models" / "village"
"""The model that comes with the course."""
ANSWERER = village.DATA / "models" / "answerer"
"""What chapter 16 made of it."""


def add_model(parser):
    parser.add_argument(
        *("--model", "--checkpoint"),
        type=Path,
        default=SHIPPED,
        help="trained folder, folder in Hugging Face's layout, or a model of the hub, such as gpt2 or"
        " HuggingFaceTB/SmolLM2-135M (default: the shipped model)",
    )


def add_model_and_revision(parser):
    add_model(parser)
    parser.add_argument("--revision", help="of the hub's model: branch, tag or commit (default: the newest)")


def add_device(parser):
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
