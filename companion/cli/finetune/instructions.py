"""companion finetune instructions, which teaches a model to answer from conversations."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import torch

from companion import load
from companion.cli._learning import (
    AdapterOptions,
    Row,
    add_adapter,
    check_turn_end,
    measuring,
    output_of,
    rows_of,
    save_report,
    take_all_steps,
)
from companion.cli._parsing import Range
from companion.cli._shared import each_once, refuse, take, texts_named
from companion.evaluation import wilson_interval
from companion.generation import LanguageModel
from companion.gpt import GPT
from companion.instructions import (
    CHAT_TOKENS,
    add_chat_tokens,
    exact_matches,
    kept_loss,
    masked_batches,
    text_rows,
)
from companion.lora import merge
from companion.models.names import origin_of, trainable_folder
from companion.runtime.data.conversations import read_chats
from companion.runtime.files.atomic import claim
from companion.runtime.models.devices import move, pick_device
from companion.runtime.models.modules import eval_mode
from companion.runtime.terminal import amount, as_typed, waiting
from companion.runtime.text.documents import held_out
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, next_token_loss, save_checkpoint
from companion.village import fresh_stories
from companion.village.dialogues import course

VILLAGE = "village"
TEXTS = 4000  # plain texts to keep to, at most
KEEP = 3.0
RATES = {"full": (1e-3, 2e-2, 1e-4), "lora": (5e-3, 5e-2, 1e-3)}  # method: of ours, a swift, public ones


@dataclass(kw_only=True)
class Options(AdapterOptions):
    """Teach a model to answer, with a file of conversations.

    Args:
        data: Conversations in the format messages, ShareGPT or Alpaca, as JSON Lines, JSON or Parquet; or
            village, for new conversations about stories of the village.
        conversations: Village only: number of conversations to make. Default: 4,000.
        output: Folder to write to. Default: runs/instructions/<name of the data>.
        replay: Plain texts on which the model should stay as it is: a file, a folder, or a corpus such as
            village. Default: none; of --data village, village.
        keep: Weight in the loss of staying as it is on those texts; 0 switches it off. Default: 3.
        shorten: Leave out the last exchanges of a conversation that does not fit into the context.
        steps: Number of training steps. Default: two passes over the conversations.
        batch_size: Conversations in a batch.
        lr: Learning rate. Default: 0.001, with lora 0.005; for a swift 0.02, with lora 0.05; for a public
            model 0.0001, with lora 0.001.
        held_out: Share of the conversations that is held out to measure the model.
    """

    MOST_USED: ClassVar = "data model output overwrite method replay shorten steps lr"
    data: str
    conversations: Annotated[int | None, Range(50, 1_000_000)] = None
    replay: str | None = None
    keep: Annotated[float | None, Range(0, 1000)] = None
    shorten: bool = False
    steps: Annotated[int | None, Range(1, 10_000_000)] = None
    batch_size: Annotated[int, Range(1, 4096)] = 16
    lr: Annotated[float | None, Range(1e-09, 1)] = None
    held_out: Annotated[float, Range(0.0001, 0.9999)] = 0.05


def run(options: Options) -> None:
    if options.method == "full":
        refuse(options, ["rank", "alpha"], "works with --method lora only")
    if options.data != VILLAGE and options.replay is None:
        why = "needs plain texts on which the model stays as it is; name them with --replay"
        refuse(options, ["keep"], why)
    take(options, {"keep": KEEP})
    conversations = conversations_of(options)
    output = output_of(options, "instructions")
    folder = trainable_folder("--model", options.model)

    teller = load(folder, device="cpu", fast=True)
    if teller.tokenizer.is_public and teller.tokenizer.template is None:
        rule = "has no chat template, and a public tokenizer gets none here; name one that was taught to chat"
        raise ValueError(f"--model={options.model} {rule}")
    if teller.tokenizer.is_public:
        check_turn_end(options.model, teller.tokenizer)
    model = teller.model
    tokenizer = add_chat_tokens(model, teller.tokenizer)
    if options.method == "lora":
        add_adapter(model, options)
        if not tokenizer.is_public:  # a public model has learned what the tokens of its template mean
            learn_rows(model, [tokenizer.special_tokens[name] for name in CHAT_TOKENS])
    longest = model.config.context_length
    shorten = options.shorten or options.data == VILLAGE  # whose stories have as many questions as may fit
    rows = rows_of(conversations, tokenizer, longest, shorten, "add --shorten")
    rows = each_once(rows, "conversations", key=lambda row: tuple(row[0]))
    if len(rows) < 2:
        raise ValueError(f"--data={options.data} has one conversation; one more must be held out")
    learned, asked = split_rows(rows, options.held_out, options.seed)
    kept, forgotten = replayed(options, tokenizer, longest)
    take(options, {"lr": usual_rate(teller, options.method)})

    with claim(output):
        model.to(pick_device(options.device))
        parts = {"answers": asked, "texts": forgotten}
        before = losses(model, parts)
        trainer = learn(options, model, folder, learned, kept)
        merge(model)  # nothing for all weights; an adapter is folded in, so that everything reads the folder
        model.eval()
        about = {"init": origin_of(options.model, folder), "data": options.data, "steps": trainer.steps}
        save_checkpoint(output, model, tokenizer, about | {"seed": options.seed, "lr": options.lr})
        with measuring(output), waiting("Measuring what the model can do"):
            right = exact_matches(model, asked)
            report = {
                "conversations": len(learned),
                "held out": len(asked),
                "texts": len(kept),
                "steps": trainer.steps,
                "before": before,
                "after": losses(model, parts),
                "seconds": round(trainer.seconds, 1),
                "word for word": right.double().mean().item(),
                "interval": list(wilson_interval(int(right.sum()), len(right))),
            }
            save_report(output, report)
    print_report(report)
    print(f"In {output}: the model, its tokenizer, report.json. To talk with it:\n")
    print(f"  {as_typed('companion', 'chat', '--model', output)}")


def learn(options: Options, model: GPT, folder: Path, rows: list[Row], kept: list[Row]) -> Trainer:
    """Let a model learn from conversations, and stay as it is on plain texts."""
    steps = options.steps or 2 * math.ceil(len(rows) / options.batch_size)
    shrinks = options.method == "lora" and model.head is not None  # the old rows of the head
    config = TrainConfig(
        steps=steps,
        batch_size=options.batch_size,
        lr=options.lr,
        min_lr=0.0,
        warmup_steps=min(20, steps // 2),
        weight_decay=0.0 if shrinks else 0.01,
        context_length=model.config.context_length,
        seed=options.seed,
        device=options.device,
    )
    batches, loss = training_of(options, folder, rows, kept)
    trainer = Trainer(model, batches, config, loss)
    take_all_steps(trainer)
    return trainer


def usual_rate(teller: LanguageModel, method: str) -> float:
    """The learning rate unless one is given.

    A swift was trained in longer steps than other models. A public model has learned most of what it needs.
    """
    of_ours, of_swift, of_public = RATES[method]
    if teller.tokenizer.is_public:
        return of_public
    return of_swift if teller.model.config.architecture == "swift" else of_ours


def split_rows(rows: list[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(rows to learn from, rows that are held out), drawn at random; each has at least one.

    The share is one of tokens where the rows have very different lengths: see documents.held_out.
    """
    n = len(rows)
    order = random.Random(seed).sample(rows, n)
    n_held = min(n - 1, max(1, round(share * n)))
    sizes = [len(ids) for ids, _ in reversed(order)]  # held_out takes from the end, and here it is the start
    held = {n - 1 - i for i in held_out(sizes, n_held / n)}
    learned = [row for i, row in enumerate(order) if i not in held]
    asked = [row for i, row in enumerate(order) if i in held]
    return learned, asked


def learn_rows(model: GPT, ids: list[int]) -> None:
    """Let these rows of the embedding, and of a head of its own, learn beside an adapter."""
    tables = [model.embed.token]
    if model.head is not None:
        tables.append(model.head)
    for table in tables:
        table.weight.requires_grad_(True)
        kept = torch.zeros(len(table.weight), 1)
        kept[ids] = 1.0
        table.weight.register_hook(lambda grad, kept=kept: grad * kept.to(grad.device))


def conversations_of(options: Options) -> list[tuple[str, list[dict]]]:
    """The conversations, each with its place."""
    if options.data != VILLAGE:
        refuse(options, ["conversations"], "works with --data village only; a file is used whole")
        return read_chats(options.data)
    n = options.conversations or 4000
    made = course(n, 160 + options.seed, stories=min(4000, n))
    return [(f"conversation {i}", one.messages) for i, one in enumerate(made)]


def replayed(options: Options, tokenizer: Tokenizer, longest: int) -> tuple[list[Row], list[Row]]:
    """Rows of plain texts.

    Returns:
        The rows on which the model learns to stay as it was, and those that measure what was forgotten.
    """
    name = options.replay or (VILLAGE if options.data == VILLAGE else None)
    if name is None or not options.keep:
        return [], []
    if name == VILLAGE:
        texts = fresh_stories(TEXTS, 190 + options.seed)
    else:
        texts = each_once(texts_named("--replay=", name), "plain texts")
    rows = [(ids[: longest + 1], marks[: longest + 1]) for ids, marks in text_rows(texts, tokenizer)]
    n_test = min(100, len(rows) // 5)
    return rows[n_test:TEXTS], rows[:n_test]


def training_of(
    options: Options, folder: Path, rows: list[Row], kept: list[Row]
) -> tuple[Callable, Callable]:
    """(batches, loss) for a Trainer; with plain texts, half as many beside the rows, to stay as it was on."""
    size = options.batch_size
    seed = options.seed
    if not kept:
        return partial(masked_batches, rows, size, seed), next_token_loss

    def batches(first):
        conversations = masked_batches(rows, size, seed, first)
        texts = masked_batches(kept, max(1, size // 2), seed, first)
        return zip(conversations, texts, strict=True)

    return batches, partial(kept_loss, load(folder, options.device).model, options.keep)


def losses(model: GPT, parts: dict[str, list[Row]]) -> dict[str, float]:
    """Nats per token of held-out rows, by the names of the parts."""
    found = {}
    device = next(model.parameters()).device
    for name, rows in parts.items():
        total = 0.0
        count = 0
        batches = masked_batches(rows, 16) if rows else None
        with torch.no_grad(), eval_mode(model):
            for _ in range(math.ceil(len(rows) / 16)):
                nats, n = next_token_loss(model, move(next(batches), device))
                total += nats.item()
                count += n
        if count:
            found[name] = total / count
    return found


def print_report(report: dict) -> None:
    """Print what was measured."""
    learned = amount(report["conversations"], "conversation")
    if report["texts"]:
        learned += f" and {amount(report['texts'], 'plain text')}"
    print(f"Trained on {learned}, in {amount(report['steps'], 'step')}.")
    share = "{:.3f} ({:.3f} to {:.3f}, 95 %)".format(report["word for word"], *report["interval"])
    held_out = f"Of {report['held out']:,} held-out conversations, the share with all answers word for word"
    print(f"{held_out}: {share}")
    for name, after in report["after"].items():
        before = report["before"][name]
        print(f"  Loss on held-out {name}: {before:.3f} nats per token before, {after:.3f} after")
