"""companion finetune instructions, which teaches a model to answer from conversations."""

import json
import math
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch

from companion import load
from companion.cli._learning import (
    check_floats,
    check_method,
    hang_on,
    measuring,
    output_of,
    save_learned,
    take_all_steps,
)
from companion.cli._options import refuse, take
from companion.cli._parsing import Range
from companion.cli._shared import ModelOptions, said_of
from companion.datasets import load_text
from companion.evaluation import wilson_interval
from companion.generation import LanguageModel
from companion.gpt import GPT
from companion.instructions import (
    CHAT_TOKENS,
    add_chat_tokens,
    chat_rows,
    kept_loss,
    masked_batches,
    says,
    text_rows,
)
from companion.lora import merge
from companion.models.names import folder_of, origin_of
from companion.runtime.data.conversations import read_chats
from companion.runtime.files.atomic import claim, write_atomic
from companion.runtime.models.devices import move, pick_device
from companion.runtime.models.modules import eval_mode
from companion.runtime.terminal import as_typed, waiting
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, next_token_loss
from companion.village import fresh_stories
from companion.village.dialogues import course

VILLAGE = "village"
TEXTS = 4000  # plain texts to keep to, at most
KEEP = 3.0
RATES = {"full": (1e-3, 2e-2, 1e-4), "lora": (5e-3, 5e-2, 1e-3)}  # method: of ours, a swift, public ones
Rows = list[tuple[list[int], list[bool]]]  # of each text its tokens, and which of them are learned


@dataclass(kw_only=True)
class Options(ModelOptions):
    """Teach a model to answer, with a file of conversations.

    Args:
        data: Conversations in the format messages, ShareGPT or Alpaca, as JSON Lines, JSON or Parquet; or
            village, for new conversations about stories of the village.
        conversations: Village only: number of conversations to make. Default: 4,000.
        output: Folder to write to. Default: runs/instructions/<name of the data>.
        overwrite: Replace the model, if there is one in that folder.
        replay: Plain texts on which the model should stay as it is: a file, a folder, or a corpus such as
            village. Default: none; of --data village, village.
        keep: Weight in the loss of staying as it is on those texts; 0 switches it off. Default: 3.
        all_tokens: Train on the questions as well, not only on the answers.
        shorten: Leave out the last exchanges of a conversation that does not fit into the context.
        method: Full trains the weights themselves, lora a small adapter beside them (chapter 17)
        rank: Rank of the adapter. Default: 8.
        alpha: Scale of the adapter. Default: 8.
        steps: Number of training steps. Default: two passes over the conversations.
        batch_size: Conversations in a batch.
        lr: Learning rate. Default: 0.001, with lora 0.005; for a swift 0.02, with lora 0.05; for a public
            model 0.0001, with lora 0.001.
        held_out: Share of the conversations that is held out to measure the model.
        seed: Seed of all random choices.
    """

    data: str
    conversations: Annotated[int | None, Range(50, 1_000_000)] = None
    output: Path | None = None
    overwrite: bool = False
    replay: str | None = None
    keep: Annotated[float | None, Range(0, 1000)] = None
    all_tokens: bool = False
    shorten: bool = False
    method: Literal["full", "lora"] = "full"
    rank: Annotated[int | None, Range(1, 100_000)] = None
    alpha: Annotated[float | None, Range(1e-06, 1_000_000)] = None
    steps: Annotated[int | None, Range(1, 10_000_000)] = None
    batch_size: Annotated[int, Range(1, 4096)] = 16
    lr: Annotated[float | None, Range(1e-09, 1)] = None
    held_out: float = 0.05
    seed: Annotated[int, Range(0, 1_000_000)] = 0


def run(options: Options) -> None:
    with ExitStack() as held:
        plan = make_plan(options, held)
        report(plan, do(plan))


@dataclass
class InstructPlan:
    """Conversations to learn from that were checked, and the model that is to learn from them."""

    args: Options  # the options, with their defaults
    model: GPT  # with --method lora, the adapter is on already
    tokenizer: Tokenizer  # has the chat tokens, or a template of its own
    learned: Rows
    asked: Rows  # conversations that are held out
    kept: Rows  # plain texts, which the model is to continue as it does now
    forgotten: Rows  # plain texts that are held out, to measure what the model forgets
    folder: Path  # where the model is from
    origin: dict  # the model, as origin_of describes it
    output: Path


def make_plan(args: Options, held: ExitStack) -> InstructPlan:
    check_floats(args)
    if not 0 < args.held_out < 1:
        raise ValueError(f"--held-out={args.held_out} must be above 0 and below 1; try 0.05")
    check_method(args)
    if args.data != VILLAGE and args.replay is None:
        refuse(args, ["keep"], "needs plain texts on which the model stays as it is; name them with --replay")
    take(args, {"keep": KEEP})
    pick_device(args.device)
    conversations = conversations_of(args)
    if len(conversations) < 2:
        raise ValueError(f"--data={args.data} has one conversation; one more must be held out")
    output = output_of(args, "instructions")
    folder = folder_of(args.model)

    teller = load(folder, device="cpu", fast=True)
    if teller.tokenizer.is_public and teller.tokenizer.template is None:
        rule = "has no chat template, and a public tokenizer gets none here; name one that was taught to chat"
        raise ValueError(f"--model={args.model} {rule}")
    tokenizer = add_chat_tokens(teller.model, teller.tokenizer)
    if args.method == "lora":
        hang_on(teller.model, args)
        if not tokenizer.is_public:  # a public model has learned what the tokens of its template mean
            learn_rows(teller.model, [tokenizer.special_tokens[name] for name in CHAT_TOKENS])
    longest = teller.model.config.context_length
    shorten = args.shorten or args.data == VILLAGE  # whose stories have as many questions as may fit
    rows = rows_of(conversations, tokenizer, longest, shorten)
    learned, asked = split_rows(rows, args.held_out, args.seed)
    kept, forgotten = replayed(args, tokenizer, longest)
    held.enter_context(claim(output))
    take(args, {"lr": usual_rate(teller, args.method)})
    return InstructPlan(
        args=args,
        model=teller.model,
        tokenizer=tokenizer,
        learned=learned,
        asked=asked,
        kept=kept,
        forgotten=forgotten,
        folder=folder,
        origin=origin_of(args.model, folder),
        output=output,
    )


def usual_rate(teller: LanguageModel, method: str) -> float:
    """The learning rate unless one is given.

    A swift was trained in longer steps than other models. A public model has learned most of what it needs.
    """
    of_ours, of_swift, of_public = RATES[method]
    if teller.tokenizer.is_public:
        return of_public
    return of_swift if teller.model.config.architecture == "swift" else of_ours


def rows_of(conversations: list, tokenizer: Tokenizer, longest: int, shorten: bool) -> Rows:
    """The conversations as tokens. Raises ValueError, with its place, for one that does not fit the model."""
    rows = []
    for place, messages in conversations:
        try:
            rows += chat_rows([messages], tokenizer, longest, shorten)
        except ValueError as error:
            said = str(error).replace("conversation 0", place).replace("shorten it", "add --shorten")
            raise ValueError(said) from None
    return rows


def split_rows(rows: Rows, held_out: float, seed: int) -> tuple[Rows, Rows]:
    """(rows to learn from, rows that are held out), drawn at random; each has at least one."""
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    n_held = max(1, round(held_out * len(rows)))
    n_held = min(len(rows) - 1, n_held)
    asked = [rows[i] for i in order[:n_held]]
    learned = [rows[i] for i in order[n_held:]]
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


def conversations_of(args: Options) -> list[tuple[str, list[dict]]]:
    """The conversations, each with its place."""
    if args.data != VILLAGE:
        refuse(args, ["conversations"], "works with --data village only; a file is used whole")
        return read_chats(args.data)
    n = args.conversations or 4000
    made = course(n, 160 + args.seed, stories=min(4000, n))
    return [(f"conversation {i}", one.messages) for i, one in enumerate(made)]


def replayed(args: Options, tokenizer: Tokenizer, longest: int) -> tuple[Rows, Rows]:
    """Rows of plain texts: (on which to stay as it was, to measure what was forgotten)."""
    name = args.replay or (VILLAGE if args.data == VILLAGE else None)
    if name is None or not args.keep:
        return [], []
    try:
        texts = fresh_stories(TEXTS, 190 + args.seed) if name == VILLAGE else load_text(name)
    except ValueError as error:
        raise ValueError(said_of("--replay", error)) from None
    rows = [(ids[: longest + 1], marks[: longest + 1]) for ids, marks in text_rows(texts, tokenizer)]
    n_test = min(100, len(rows) // 5)
    return rows[n_test:TEXTS], rows[:n_test]


def do(plan: InstructPlan) -> dict:
    """Measure, learn, write the model, measure, and write the report; return its figures."""
    model = plan.model
    model.to(pick_device(plan.args.device))
    rows = plan.learned
    if plan.args.all_tokens:
        rows = [(ids, [i > 0 for i in range(len(ids))]) for ids, _ in plan.learned]
    steps = plan.args.steps or 2 * math.ceil(len(rows) / plan.args.batch_size)
    weight_decay = 0.01
    if plan.args.method == "lora" and model.head is not None:  # a matrix, whose old rows would shrink
        weight_decay = 0.0
    config = TrainConfig(
        steps=steps,
        batch_size=plan.args.batch_size,
        lr=plan.args.lr,
        min_lr=0.0,
        warmup_steps=min(20, steps // 2),
        weight_decay=weight_decay,
        context_length=model.config.context_length,
        seed=plan.args.seed,
        device=plan.args.device,
    )
    batches, loss = beside(plan, rows)
    trainer = Trainer(model, batches, config, loss)
    before = measured(plan)
    take_all_steps(trainer, steps)
    merge(model)  # nothing for all weights; an adapter is folded in, so that everything reads the folder
    model.eval()
    about = {
        "init": plan.origin,
        "data": plan.args.data,
        "steps": steps,
        "seed": plan.args.seed,
        "lr": plan.args.lr,
    }
    save_learned(plan.output, model, plan.tokenizer, about)
    with measuring(plan.output), waiting("Measuring what the model can do"):
        after = measured(plan)
        right = says(model, plan.asked)
    report = {
        "conversations": len(plan.learned),
        "held out": len(plan.asked),
        "texts": len(plan.kept),
        "steps": steps,
        "before": before,
        "after": after,
        "seconds": round(trainer.seconds, 1),
        "word for word": right.double().mean().item(),
        "interval": list(wilson_interval(int(right.sum()), len(right))),
    }
    write_atomic(plan.output / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return report


def beside(plan: InstructPlan, rows: Rows) -> tuple[Callable, Callable]:
    """(batches, loss) for a Trainer; with plain texts, half as many beside the rows, to stay as it was on."""
    if not plan.kept:
        return partial(masked_batches, rows, plan.args.batch_size, plan.args.seed), next_token_loss

    def batches(first):
        conversations = masked_batches(rows, plan.args.batch_size, plan.args.seed, first)
        texts = masked_batches(plan.kept, max(1, plan.args.batch_size // 2), plan.args.seed, first)
        return zip(conversations, texts, strict=True)

    return batches, partial(kept_loss, load(plan.folder, plan.args.device).model, plan.args.keep)


def measured(plan: InstructPlan) -> dict[str, float]:
    """Nats per token of the held-out answers, and of the plain texts that were held out."""
    found = {}
    device = next(plan.model.parameters()).device
    for name, rows in {"answers": plan.asked, "texts": plan.forgotten}.items():
        if not rows:
            continue
        total = 0.0
        count = 0
        batches = masked_batches(rows, 16)
        with torch.no_grad(), eval_mode(plan.model):
            for _ in range(math.ceil(len(rows) / 16)):
                nats, n = next_token_loss(plan.model, move(next(batches), device))
                total += nats.item()
                count += n
        if count:
            found[name] = total / count
    return found


def report(plan: InstructPlan, found: dict) -> None:
    low, high = found["interval"]
    n = found["conversations"]
    learned = f"{n:,} conversation" if n == 1 else f"{n:,} conversations"
    if found["texts"]:
        learned += f" and {found['texts']:,} plain texts"
    print(f"Trained on {learned}, in {found['steps']:,} steps.")
    share = f"{found['word for word']:.3f} ({low:.3f} to {high:.3f}, 95 %)"
    print(
        f"Of {found['held out']:,} held-out conversations, the share with all answers word for word: {share}"
    )
    for name, after in found["after"].items():
        print(
            f"  Loss on held-out {name}: {found['before'][name]:.3f} nats per token before, {after:.3f} after"
        )
    print(f"In {plan.output}: the model, its tokenizer, report.json. To talk with it:\n")
    print(f"  {as_typed('companion', 'chat', '--model', plan.output)}")
