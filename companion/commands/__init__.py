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
    "prepare": _command("a corpus or your own text, as tokens", "companion prepare my_letters/", "preparing"),
    "train": _command(
        "a model on prepared text",
        "companion train --minutes 10 --seed 7",
        "train_command",
        "train_run",
        shared=True,
    ),
    "course": _command("from bytes to an assistant, in four stages", "companion course", "course"),
    "generate": _command("text from a prompt", 'companion generate --prompt "Once" --seed 3', "generating"),
    "eval": _command(
        "loss, perplexity, floor, abilities, tasks", "companion eval --split test", "evaluating"
    ),
    "finetune": _command(
        "a model that goes on learning: a classifier of your texts, answers, or what is rewarded",
        "companion finetune classify --data labelled.csv",
        "finetuning",
    ),
    "classify": _command(
        "texts, by a classifier that finetune made",
        'companion classify --model runs/classifiers/spam "You have won!"',
        "classify_texts",
    ),
    "chat": _command(
        "with a model that learned to answer", "companion chat --model runs/instructions/village", "chatting"
    ),
    "serve": _command(
        "a model that answers over HTTP, as OpenAI's API does", "companion serve --port 8000", "serve_command"
    ),
    "app": _command(
        "tell, chat, compare and classify in a browser", "companion app --models runs", "app_command"
    ),
    "quantize": _command(
        "a model with 8 or 4 bits a weight",
        "companion quantize --bits 4 --calibrate --output runs/small",
        "quantizing",
    ),
    "info": _command(
        "what a checkpoint is and where it came from", "companion info --model runs/village", "info"
    ),
    "export": _command(
        "a model for other engines", "companion export gguf --output village.gguf", "exporting"
    ),
    "verify": _command(
        "a public model in our parts, against transformers", "companion verify gpt2", "verify"
    ),
    "demo": _command(
        "a part of the model at work on your sentence",
        'companion demo attention "Mara found a red key"',
        "demo_command",
    ),
}
