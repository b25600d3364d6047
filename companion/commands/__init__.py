"""The commands of the command line. Each has a file here, which is imported when its command is asked for.

Of its functions *add* adds the options; *plan* finds whatever can be wrong before any work is begun; *do*
works; *report* prints.
"""

from importlib import import_module

from companion.runtime.command_line.steps import Command


def _command(help: str, example: str, file: str, work: str | None = None, shared: bool = False) -> Command:
    """A command with the functions of a file. work: another file, which has do and report."""

    def later(file: str, name: str):
        return lambda *args: getattr(import_module(f"companion.commands.{file}"), name)(*args)

    plans = [later(file, name) for name in ("add", "plan")]
    return Command(help, example, *plans, *[later(work or file, name) for name in ("do", "report")], shared)


COMMANDS = {
    "prepare": _command(
        "turn a text of yours, or a public one, into tokens to train on",
        "companion prepare my_letters/",
        "preparing",
    ),
    "train": _command(
        "train a language model on the village's stories or on a prepared text",
        "companion train --minutes 10 --seed 7",
        "train_command",
        "train_run",
        shared=True,
    ),
    "course": _command(
        "train an assistant from scratch, in four stages and 15 minutes", "companion course", "course"
    ),
    "generate": _command(
        "let a model continue a text", 'companion generate --prompt "Once" --seed 3', "generating"
    ),
    "eval": _command(
        "measure a model: its loss, how true its stories are, its score in tasks",
        "companion eval --split test",
        "evaluating",
    ),
    "finetune": _command(
        "train an existing model further, to classify texts, to answer, or to prefer some texts",
        "companion finetune classify --data labelled.csv",
        "finetuning",
    ),
    "classify": _command(
        "classify texts with a classifier that finetune made",
        'companion classify --model runs/classifiers/spam "You have won!"',
        "classify_texts",
    ),
    "chat": _command(
        "talk with a model that was trained to answer",
        "companion chat --model runs/instructions/village",
        "chatting",
    ),
    "serve": _command(
        "serve a model over HTTP in the protocol of OpenAI's API",
        "companion serve --port 8000",
        "serve_command",
    ),
    "app": _command(
        "open the browser app: tell stories, chat, compare models, classify texts",
        "companion app --models runs",
        "app_command",
    ),
    "quantize": _command(
        "make a smaller copy of a model, with 8 or 4 bits for each weight",
        "companion quantize --bits 4 --calibrate --output runs/small",
        "quantizing",
    ),
    "info": _command(
        "show the size and shape of a model, and how it was trained",
        "companion info --model runs/village",
        "info",
    ),
    "export": _command(
        "convert a model for transformers, llama.cpp or onnxruntime",
        "companion export gguf --output village.gguf",
        "exporting",
    ),
    "verify": _command(
        "check that a public model computes the same here as in transformers",
        "companion verify gpt2",
        "verify",
    ),
    "demo": _command(
        "show one part of a model at work on your sentence",
        'companion demo attention "Mara found a red key"',
        "demo_command",
    ),
}
