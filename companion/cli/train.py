"""companion train: a model of the village's stories, or of a text of yours."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import nn

from companion import load
from companion.cli import prepare
from companion.cli._parsing import Alias, Range
from companion.cli._shared import RUNS, VILLAGE
from companion.cli._training_plan import TrainPlan, make_plan
from companion.cli._training_report import (
    Reporter,
    best_elsewhere,
    is_overfitted,
    print_results,
    teller_of,
    time_of,
    write_run_settings,
)
from companion.datasets import load_prepared
from companion.modern import Muon
from companion.runtime.data.prepared import Corpus, prepared_source
from companion.runtime.files.atomic import claim
from companion.runtime.runs.distributed import broadcast, is_main, world_size
from companion.runtime.runs.optimizers import beside_adamw
from companion.runtime.runs.resuming import BEST
from companion.runtime.runs.validation import MAX_COUNT
from companion.runtime.terminal import amount, as_typed
from companion.training import Trainer, train


@dataclass(kw_only=True)
class Options:
    """Train a language model on the village's stories or on a prepared text.

    Args:
        preset: A model and its training settings. village: GPT-2's blocks and AdamW as in chapters 1 to 7,
            0.6M parameters, for the village; modern: the parts of chapter 10, 0.5M parameters, for the
            village, which tells a story after 3 minutes on two cores; text: the parts of chapter 10 with
            dropout, about 1M parameters, for 100 KB to 10 MB of your own text; gpu: 25M parameters, for 10 MB
            and more of text on a GPU.
            Default: modern; with --architecture gpt2 or --optimizer adamw, village.
        config: File with settings, such as the config.toml that a training run writes; options that you type
            win over the file.
        data: Folder that companion prepare wrote. Default: the village's stories, which are made first if
            they are missing.
        checkpoint: Folder to write the model to. Default: runs/<name of the data>.
        init: Start from the weights of this model: a folder, or a public model such as gpt2 or smollm2. The
            text must have been prepared with the tokenizer of that model. Default: start from random weights;
            with --init, AdamW at a learning rate of 1e-4, rows of 256 tokens, 15 minutes.
        resume: Continue the run in --checkpoint from its last save. If you give more --steps or --minutes
            than before, the learning rate rises to the value it has at this point of the longer schedule, and
            falls again to the new end.
        minutes: How long to train, evaluations included, but for at most --steps. The learning rate falls
            with the time, so on a slower machine a run has fewer steps and the same end. With --resume, train
            for this much longer. 0 means no limit. Default: the preset's minutes, and at most its steps; no
            limit with --steps; what is left with --resume.
        judge: Village only: number of stories that the judge checks at each evaluation. Default: 0.
        marks: How to show what the village's judge says of each sentence in a village story: in color, with
            signs, or not at all. auto is color in a terminal that shows it, unless NO_COLOR is set, and signs
            in another terminal; a pipe or a file gets the story with signs.
        architecture: Kind of model; chapter 10 describes swift, chapters 1 to 7 build gpt2. Default: swift,
            or the preset's.
        optimizer: AdamW of chapter 7 or Muon of chapter 10. Default: the preset's.
        parallel: How several processes under torchrun divide the work. ddp: each process holds a copy of the
            model; fsdp: each holds a share of it. They share the batches of a step, and there are as many
            batches as processes unless --accumulate says otherwise. Default: ddp.
        steps: Number of training steps, that is, updates of the weights. Default: the preset's.
        batch_size: Rows in a batch. Default: the preset's.
        context_length: Largest number of tokens that the model reads at once.
        accumulate: Batches whose gradients are added up for one step.
        lr: Highest learning rate. Default: the preset's.
        min_lr: Learning rate at the end. Default: a tenth of --lr.
        warmup_steps: Steps in which the learning rate rises from 0. Default: 50, or half of a shorter run.
        weight_decay: How strongly matrices shrink at each step, as a multiple of the learning rate.
        betas: How much of AdamW's two moving averages is kept at each step; Muon uses the first one too.
        grad_clip: Longer gradients are shortened to this length.
        eval_every: Steps between two evaluations; the run is saved at each (a short run has at least three).
        seed: Seed of the first weights, the batches and dropout.
        device: Where to compute: auto, cpu, cuda, cuda:N or mps.
        dtype: Number format of the matrix products: auto, float32 or bfloat16.
        compile: Use torch.compile.
        n_layers: Number of blocks.
        n_heads: Attention heads in each block.
        d_model: Width of the model: numbers in the vector of a token.
        d_ff: Width inside each MLP. Default: 4 times --d-model, or 8/3 times in models of llama's kind.
        dropout: Share of numbers that are set to 0 in training.
        n_kv_heads: Heads of keys and values in each block. Default: --n-heads.
        head_width: Numbers in the vectors of one head. Default: --d-model / --n-heads.
        window: How many positions back a query can attend. Default: all.
        qk_norm: Normalize queries and keys.
        qkv_bias: Give queries, keys and values a bias.
        tied: Use the token embedding as the output head.
        norm_eps: Small number that norms add to the mean square.
        rope_theta: Base of RoPE's frequencies.
        rope_factor: By what RoPE's low frequencies are divided, for a longer context.
        rope_original: Context length before RoPE's frequencies were lowered.
        rope_share: Share of each head that RoPE rotates.
        shift: How many earlier tokens are mixed into the input of a layer.
        n_experts: MLPs in each block, of which a token uses a few.
        n_active: MLPs that each token uses.
        balance: How far the bias of an expert moves after each batch if it got too few or too many tokens.
        capacity: Most tokens that an expert takes in training, as a multiple of its even share. Default: no
            limit.

    Example:
        companion train --preset text --data runs/data/my_letters --minutes 10
    """

    CONFIGS: ClassVar = (
        "training.TrainConfig gpt.GPTConfig modern.LlamaConfig pretrained.NeoXConfig experts.ExpertsConfig"
    )
    TABLES: ClassVar = "top model training"
    MOST_USED: ClassVar = "preset data checkpoint init resume minutes steps batch_size lr seed"
    preset: Literal["village", "modern", "text", "gpu"] | None = None
    config: Path | None = None
    data: Path | None = None
    checkpoint: Annotated[Path | None, Alias("--output")] = None
    init: str | None = None
    resume: bool = False
    minutes: Annotated[float | None, Range(0, 10**6)] = None
    judge: Annotated[int | None, Range(0, 10**5)] = None
    marks: Literal["auto", "color", "signs", "off"] = "auto"
    architecture: Literal["gpt2", "llama", "storyteller", "swift", "neox", "experts"] | None = None
    optimizer: Literal["adamw", "muon"] | None = None
    parallel: Literal["ddp", "fsdp"] | None = None
    fields: dict = field(default_factory=dict)


def run(options: Options) -> None:
    with ExitStack() as held:
        plan = make_plan(options, held)
        corpus, model, history = learn(plan)
        if is_main():
            report(plan, corpus, model, history)


# -- the work --------------------


def learn(plan: TrainPlan) -> tuple[Corpus, nn.Module, list[dict]]:
    """Prepare the village if it is not there, train, and save.

    Returns:
        The text, the model, and a row for each evaluation.
    """
    prepare_if_missing(plan.data)
    corpus = load_prepared(plan.data)
    torch.manual_seed(plan.train.seed)
    start = plan.start
    model = start.build(start.config, meta=bool(start.weights))
    if start.weights:
        model.load_state_dict(load(start.weights, device="cpu").model.state_dict(), assign=True)
    config = plan.train
    if start.origin:
        begun = f"Training continues from the weights of {start.origin['name']}"
        print(f"{begun}, in rows of at most {config.context_length} tokens.")
    n_parameters = sum(p.numel() for p in model.parameters())
    source = "the village's stories" if plan.is_village else plan.data
    print(
        f"The model has {n_parameters:,} parameters and trains for {length_of(plan)} of {config.batch_size}"
        f" rows of {source}. Ctrl-C saves it and ends the training."
    )
    if plan.marks:
        print("On the way it begins stories, and a judge marks each sentence:")
        print("  ", plan.marks.legend(), sep="")
    if not plan.is_village:
        print(f"At each evaluation it continues words of the held-out text: {plan.prompt}")
    n = world_size()
    if n > 1:
        print(f"{n} processes ({plan.parallel}) share a step's {config.accumulate} batches.")
    optimizers = None  # AdamW, which is train's own
    if plan.optimizer == "muon":
        optimizers = beside_adamw(Muon, model, config.lr, config.betas, config.weight_decay)
    history = train(
        model,
        corpus,
        config,
        plan.folder,
        plan.resume,
        Reporter(corpus, plan),
        progress=True,
        optimizers=optimizers,
        make_trainer=trainer_of(plan),
        clock=plan.clock,
        origin=start.origin,
    )
    if is_main():
        write_run_settings(plan)
    return corpus, model, history


def length_of(plan: TrainPlan) -> str:
    """How long a run will be, in minutes or in steps."""
    clock = plan.clock
    if clock.seconds is None:
        return amount(plan.train.steps, "step")
    steps = "steps" if clock.most_steps == MAX_COUNT else f"at most {amount(clock.most_steps, 'step')}"
    return f"{time_of(clock.seconds - clock.before)}{' more' if clock.before else ''} in {steps}"


def prepare_if_missing(folder: Path) -> None:
    """Prepare the village, if there is no prepared text yet; the other processes wait for the first."""
    if is_main() and prepared_source(folder) is None:
        with claim(folder):
            print(f"Making {prepare.STORIES:,} stories of the village to train on, in {folder} …")
            prepare.prepare_village(folder, prepare.STORIES)
    broadcast(None)


def trainer_of(plan: TrainPlan) -> Callable:
    """What makes the trainer: chapter 7's class, or chapter 12's for several processes; see train."""
    if world_size() == 1:
        return Trainer
    from companion.scaling import DistributedTrainer

    return partial(DistributedTrainer, shard=plan.parallel == "fsdp")


# -- what came of it --------------------


def report(plan: TrainPlan, corpus: Corpus, model: nn.Module, history: list[dict]) -> None:
    """Draw the curve, print what the run came to, and the commands that go on from here."""
    resume = resuming(plan)
    if plan.parallel == "fsdp":  # each process has a part of the weights
        model = load(plan.folder, plan.train.device).model
    try:
        if history:
            print_results(plan, teller_of(model, corpus.tokenizer), corpus, history)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the run is saved, to go on with: {as_typed(*resume)}") from None
    reached = history[-1]["step"] if history else 0
    if reached < plan.train.steps:
        end = f"step {plan.train.steps:,}" if plan.clock.seconds is None else "its time was over"
        print(f"\nIt stopped before {end}. To train the rest:\n\n  {as_typed(*resume)}")
    if not history or not is_overfitted(history):
        print(f"\nTo train it for 10 more minutes:\n\n  {as_typed(*resume, '--minutes', 10)}")
    if not history:
        return
    best = plan.folder / BEST if best_elsewhere(history, plan.folder) else plan.folder
    generate = ["companion", "generate", "--checkpoint", best]
    if plan.is_village:
        print("\nTo let it tell more stories, and to see how it works:\n")
    else:
        print("\nTo let it continue other words, put them in the place of these:\n")
    print(f"  {as_typed(*generate, '--prompt', plan.prompt)}")
    if plan.is_village:
        print(f"  {as_typed('jupyter', 'lab', '--notebook-dir=.', 'chapters/00_start.ipynb')}")


def resuming(plan: TrainPlan) -> list:
    """The words of the command that goes on with a run."""
    words: list[Any] = ["companion", "train"]
    if world_size() > 1:
        words = ["torchrun", "--nproc-per-node", str(world_size()), "-m", *words]
    if plan.data != VILLAGE:
        words += ["--data", plan.data]
    if plan.folder != RUNS / plan.data.resolve().name:
        words += ["--checkpoint", plan.folder]
    if plan.parallel == "fsdp":
        words += ["--parallel", "fsdp"]
    words += ["--resume"]
    if plan.judge:
        words += ["--judge", plan.judge]
    return words
