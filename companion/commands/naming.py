"""The options that every command shares: which model, and where it works."""

from pathlib import Path

from companion import village

SHIPPED = village.DATA / "models" / "village"
"""The model that comes with the course."""
ANSWERER = village.DATA / "models" / "answerer"
"""What chapter 16 made of it."""


def add_model(parser, default: Path = SHIPPED, said: str = "the shipped model"):
    parser.add_argument(
        *("--model", "--checkpoint"),
        type=Path,
        default=default,
        help="trained folder, folder in Hugging Face's layout, or a model of the hub, such as gpt2 or"
        f" HuggingFaceTB/SmolLM2-135M (default: {said})",
    )


def add_model_and_revision(parser, **default):
    add_model(parser, **default)
    parser.add_argument("--revision", help="of the hub's model: branch, tag or commit (default: the newest)")


def add_device(parser):
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def check_answers(name: Path, teller) -> None:
    """ValueError, with what teaches it, for a model whose tokenizer has no chat tokens and no template."""
    from companion.instructions import chat_ids

    try:
        chat_ids([{"role": "user", "content": "Hi"}], teller.tokenizer, reply=True)
    except ValueError as error:
        if "no <|" not in str(error) and "no chat template" not in str(error):
            raise
        how = "companion finetune instructions --data village"
        raise ValueError(f"--model={name} was not taught to answer; teach it first: {how}") from None
