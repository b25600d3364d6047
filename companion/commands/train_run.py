"""companion train at work: the steps that were planned, and what came of them."""

import copy
import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.optim import Optimizer

from companion import load
from companion.caching import SlidingCache
from companion.commands import preparing
from companion.commands.naming import RUNS, VILLAGE
from companion.commands.train_command import TrainPlan
from companion.datasets import load_prepared
from companion.generation import LanguageModel
from companion.runtime.acceleration import cross_entropy
from companion.runtime.command_line.settings import Generation, write_run_settings
from companion.runtime.command_line.terminal import as_typed
from companion.runtime.data.prepared import Corpus, prepared_source
from companion.runtime.files.atomic import claim
from companion.runtime.models.devices import pick_device
from companion.runtime.training.distributed import broadcast, is_main, world_size
from companion.runtime.training.reports import BEST, Reporter, best_is_elsewhere, long_rows, print_results
from companion.runtime.training.validation import evaluations_within, steps_within, warmup_within
from companion.training import TrainConfig, Trainer, train, training_batches
from companion.village.measures import reference_lines

WAIT = 600  # seconds to wait for another process that prepares the same text


@dataclass
class TrainResult:
    """What came of a training: the text that was learned from, and a row for each evaluation."""

    corpus: Corpus
    history: list[dict]


def do(plan: TrainPlan) -> TrainResult:
    """Prepare the village if it is not there yet, train, and save."""
    prepare_village(plan)
    corpus = load_prepared(plan.data)
    torch.manual_seed(plan.train.seed)
    model = first_weights(plan)
    warning = long_rows(corpus.train, plan.train.context_length, plan.model)
    if warning:
        print(warning)
    if plan.minutes > 0:
        plan.train = with_steps(plan, corpus, model)
    print_what_begins(plan, model)
    history = train(
        model,
        corpus,
        plan.train,
        plan.folder,
        plan.resume,
        reporter(corpus, plan),
        sys.stderr.isatty(),
        optimizers_of(plan, model),
        trainer_of(plan),
    )
    if is_main():
        write_run_settings(plan)
    return TrainResult(corpus, history)


def prepare_village(plan: TrainPlan) -> None:
    """Prepare the village, if there is no prepared text yet; the other processes wait for the first."""
    if is_main() and prepared_source(plan.data) is None:
        with claim(plan.data, seconds=WAIT):  # of two runs one prepares the village, the other waits
            if prepared_source(plan.data) is None:
                print(f"Making {preparing.STORIES:,} stories of the village to train on, in {plan.data} …")
                preparing.do(preparing.Preparation(plan.data, "village", stories=preparing.STORIES))
    broadcast(None)


def print_what_begins(plan: TrainPlan, model: nn.Module) -> None:
    """Say which model is trained, for how long, and by how many processes."""
    config = plan.train
    n_parameters = sum(p.numel() for p in model.parameters())
    if plan.origin:
        print(
            f"Training continues from the weights of {plan.origin['name']}, in rows of at most"
            f" {config.context_length} tokens."
        )
    print(
        f"The model has {n_parameters:,} parameters and takes {config.steps:,} steps of {config.batch_size}"
        " rows. Ctrl-C saves it and ends the training."
    )
    n = world_size()
    if n > 1:
        print(f"{n} processes ({plan.parallel}) share a step's {config.accumulate} batches.")


def first_weights(plan: TrainPlan) -> nn.Module:
    """A model as the run begins with it: untrained, or with the weights that it goes on from."""
    if not plan.weights:
        model = plan.build(plan.model)
    else:
        model = plan.build(plan.model, meta=True)
        loaded = load(plan.weights, device="cpu").model
        model.load_state_dict(loaded.state_dict(), assign=True)
    model.origin = plan.origin  # which the run notes in its provenance
    return model


def with_steps(plan: TrainPlan, corpus: Corpus, model: nn.Module) -> TrainConfig:
    """The settings of training with as many steps as fit into the minutes, timed on a copy of the model."""
    config = plan.train
    timed = copy.deepcopy(model)
    batches = partial(training_batches, corpus.train, config)
    trial = trainer_of(plan)(timed, batches, config, optimizers=optimizers_of(plan, timed))
    steps = plan.saved_steps + steps_within(trial, plan.minutes, len(corpus.val.tokens))
    if plan.at_most:
        steps = min(steps, plan.at_most)
    if not plan.own_eval:
        eval_every = evaluations_within(steps - plan.saved_steps, config.eval_every)
        config = dataclasses.replace(config, eval_every=eval_every)
    if not plan.own_warmup:
        warmup_steps = warmup_within(steps, config.warmup_steps)
        return dataclasses.replace(config, steps=steps, warmup_steps=warmup_steps)
    if steps < config.warmup_steps:
        remedy = "" if plan.resume else ", or fewer --warmup-steps"
        short = f"{steps} steps, and the learning rate climbs for {config.warmup_steps}"
        raise ValueError(f"--minutes={plan.minutes:g} is enough for {short}; give more minutes{remedy}")
    return dataclasses.replace(config, steps=steps)


def trainer_of(plan: TrainPlan) -> Callable:
    """What makes the trainer: chapter 7's class, or chapter 12's for several processes; see train."""
    trainer = Trainer
    if world_size() > 1:
        from companion.scaling import DistributedTrainer

        trainer = partial(DistributedTrainer, shard=plan.parallel == "fsdp")
    on_cpu = pick_device(plan.train.device).type == "cpu"
    if on_cpu and plan.model.vocab_size >= cross_entropy.LARGE_VOCABULARY and not plan.train.compile:
        trainer = partial(trainer, loss=cross_entropy.next_token_loss)
    return trainer


def optimizers_of(plan: TrainPlan, model: nn.Module) -> list[Optimizer] | None:
    """What train takes for plan.optimizer: None for AdamW, its own; for Muon a list, with AdamW beside it."""
    if plan.optimizer == "adamw":
        return None

    from companion.modern import Muon
    from companion.runtime.training.joint_optimizers import beside_adamw

    config = plan.train
    return beside_adamw(Muon, model, config.lr, config.betas, config.weight_decay)


def reporter(corpus: Corpus, plan: TrainPlan) -> Reporter:
    """What train calls at each evaluation."""

    def teller_of(model: nn.Module) -> LanguageModel:
        return LanguageModel(model, corpus.tokenizer, SlidingCache)

    return Reporter(teller_of, corpus, plan)


def report(plan: TrainPlan, result: TrainResult) -> None:
    history = result.history
    resume = resuming(plan)
    is_village = result.corpus.meta.get("source") == "village"
    try:
        if history:
            report_results(plan, result.corpus, history)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the run is saved, to go on with: {as_typed(*resume)}") from None
    reached = history[-1]["step"] if history else 0
    if reached < plan.train.steps:
        print(f"\nIt stopped before step {plan.train.steps:,}. To train the rest:\n\n  {as_typed(*resume)}")
    print(f"\nTo train it for 10 more minutes:\n\n  {as_typed(*resume, '--minutes', 10)}")
    if history:
        best = plan.folder / BEST if best_is_elsewhere(history, plan.folder) else plan.folder
        generate = ["companion", "generate", "--checkpoint", best]
        if is_village:
            print("\nTo let it tell more stories, and to see how it works:\n")
            print(f"  {as_typed(*generate, '--prompt', Generation.prompt)}")
            print(f"  {as_typed('jupyter', 'lab', '--notebook-dir=.', 'chapters/00_start.ipynb')}")
        else:
            print("\nTo let it write more; add --prompt and a few words, and it continues them:\n")
            print(f"  {as_typed(*generate)}")


def report_results(plan: TrainPlan, corpus: Corpus, history: list[dict]) -> None:
    """Draw the curve of a run, and print what it came to."""
    from companion.show import plots

    lines = reference_lines() if corpus.meta.get("source") == "village" else {}
    plots.save(plan.folder / "loss.png", plots.loss_curve, history, lines, True)
    print_results(load(plan.folder), plan.folder, corpus, history, plan.marks)


def resuming(plan: TrainPlan) -> list:
    """The words of the command that goes on with a run."""
    words = ["companion", "train"]
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
