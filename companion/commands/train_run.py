"""companion train at work: the steps that were planned, and what came of them."""

import dataclasses
import sys
from types import SimpleNamespace
from typing import Any

from companion.commands import preparing
from companion.commands.naming import RUNS, VILLAGE
from companion.runtime.command_line.settings import Generation, write_run_settings
from companion.runtime.command_line.terminal import as_typed
from companion.runtime.files.whole_files import claim
from companion.village.measures import reference_lines

WAIT = 600
"""Seconds to wait for another process that prepares the same text."""


def do(plan: SimpleNamespace) -> tuple[Any, list[dict]]:
    """Train; return the corpus and the run's history."""
    import torch

    from companion.datasets import load_prepared
    from companion.runtime.data.prepared import prepared_source
    from companion.runtime.training.reports import long_rows
    from companion.training import train

    peers = plan.peers
    if peers.first and prepared_source(plan.data) is None:
        with claim(plan.data, seconds=WAIT):  # of two runs one prepares the village, the other waits
            if prepared_source(plan.data) is None:
                print(
                    f"The village tells {preparing.STORIES:,} stories to train on; they go into {plan.data} …"
                )
                preparing.do(preparing.Preparation(plan.data, "village", stories=preparing.STORIES))
    peers.meet()
    corpus = load_prepared(plan.data)
    torch.manual_seed(plan.train.seed)
    model = first_weights(plan)
    if plan.resume:
        check_resume(plan, corpus, model)
    if said := long_rows(corpus.train, plan.train.context_length, plan.model):
        print(said)
    config = with_steps(plan, corpus, model) if plan.minutes > 0 else plan.train
    plan.train = config
    n_parameters = sum(p.numel() for p in model.parameters())
    if plan.origin:
        print(f"It goes on from {plan.origin['name']}, in rows of at most {config.context_length} tokens.")
    print(f"{n_parameters:,} parameters, {config.steps:,} steps of {config.batch_size} rows. Ctrl-C saves.")
    if peers.size > 1:
        print(f"{peers.size} processes ({plan.parallel}) share a step's {config.accumulate} batches.")
    report, seen, optimizers = reporter(corpus, plan), sys.stderr.isatty(), optimizers_of(plan, model)
    make_trainer = trainer_of(plan)
    history = train(model, corpus, config, plan.folder, plan.resume, report, seen, optimizers, make_trainer)
    if peers.first:
        write_run_settings(plan)
    return corpus, history


def check_resume(plan: SimpleNamespace, corpus, model) -> None:
    """ValueError, before a step is timed, for settings or data other than those of the run to go on with."""
    from companion.runtime.training.resuming import check_resumable
    from companion.runtime.training.validation import data_identity
    from companion.training import make_optimizer

    optimizers = optimizers_of(plan, model) or [make_optimizer(model, plan.train)]
    there = SimpleNamespace(model=model, config=plan.train, optimizers=optimizers)
    check_resumable(there, plan.folder, data_identity(corpus), corpus.tokenizer)


def first_weights(plan: SimpleNamespace) -> Any:
    """A model as the run begins with it: untrained, or with the weights that it goes on from."""
    from companion import load

    if not plan.init:
        model = plan.build(plan.model)
    else:
        model = plan.build(plan.model, meta=True)
        model.load_state_dict(load(plan.init, device="cpu").model.state_dict(), assign=True)
    model.origin = plan.origin  # which the run notes in its provenance
    return model


def with_steps(plan: SimpleNamespace, corpus, model) -> Any:
    """The settings of training with as many steps as fit into the minutes, found on a copy of the model."""
    import copy
    from functools import partial

    from companion.runtime.training.validation import steps_within, warmup_within
    from companion.training import training_batches

    config, other = plan.train, copy.deepcopy(model)
    batches, optimizers = partial(training_batches, corpus.train, config), optimizers_of(plan, other)
    trial = trainer_of(plan)(other, batches, config, optimizers=optimizers)
    steps = plan.saved + steps_within(trial, plan.minutes, len(corpus.val.tokens))
    steps = min(steps, plan.at_most or steps)
    if plan.own_warmup and steps < config.warmup_steps:
        other = "" if plan.resume else ", or fewer --warmup-steps"
        short = f"{steps} steps, and the learning rate climbs for {config.warmup_steps}"
        raise ValueError(f"--minutes={plan.minutes:g} is enough for {short}; give more minutes{other}")
    fitted = {} if plan.own_warmup else {"warmup_steps": warmup_within(steps, config.warmup_steps)}
    return dataclasses.replace(config, steps=steps, **fitted)


def trainer_of(plan: SimpleNamespace) -> Any:
    """What makes the trainer: chapter 7's class, or chapter 12's for several processes; see train."""
    from functools import partial

    from companion.runtime.acceleration import cross_entropy
    from companion.runtime.models.devices import pick_device
    from companion.training import Trainer

    trainer = Trainer
    if plan.peers.size > 1:
        from companion.scaling import DistributedTrainer

        trainer = partial(DistributedTrainer, shard=plan.parallel == "fsdp")
    on_cpu = pick_device(plan.train.device).type == "cpu"
    if on_cpu and plan.model.vocab_size >= cross_entropy.LARGE_VOCABULARY and not plan.train.compile:
        trainer = partial(trainer, loss=cross_entropy.next_token_loss)
    return trainer


def optimizers_of(plan: SimpleNamespace, model: Any) -> list | None:
    """What train takes for plan.optimizer: None for AdamW, its own; for Muon a list, with AdamW beside it."""
    if plan.optimizer == "adamw":
        return None

    from companion.modern import Muon
    from companion.runtime.training.joint_optimizers import beside_adamw

    c = plan.train
    return beside_adamw(Muon, model, c.lr, c.betas, c.weight_decay)


def reporter(corpus, plan: SimpleNamespace) -> Any:
    """What train calls at each evaluation."""
    from companion.caching import SlidingCache
    from companion.generation import LanguageModel
    from companion.runtime.training.reports import Reporter

    return Reporter(lambda model: LanguageModel(model, corpus.tokenizer, SlidingCache), corpus, plan)


def report(plan: SimpleNamespace, result: tuple[Any, list[dict]]) -> None:
    from companion.runtime.training.reports import BEST, best_is_elsewhere

    corpus, history = result
    resume = resuming(plan)
    try:
        if history:
            report_results(plan, corpus, history)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the run is saved, to go on with: {as_typed(*resume)}") from None
    if (history[-1]["step"] if history else 0) < plan.train.steps:
        print(f"\nStopped before step {plan.train.steps:,}. To go on to it:\n\n  {as_typed(*resume)}")
    print(f"\nTo train it for 10 minutes more:\n\n  {as_typed(*resume, '--minutes', 10)}")
    if history:
        best = plan.folder / BEST if best_is_elsewhere(history, plan.folder) else plan.folder
        print("\nTo hear more of it, and to see how it works:\n")
        print(f"  {as_typed('companion', 'generate', '--checkpoint', best, '--prompt', Generation.prompt)}")
        print("  jupyter lab --notebook-dir=. chapters/00_start.ipynb")


def report_results(plan: SimpleNamespace, corpus, history: list[dict]) -> None:
    """Draw the curve of a run, and print what it came to."""
    from companion import load
    from companion.runtime.training.reports import print_results
    from companion.show import plots

    lines = reference_lines() if corpus.meta.get("source") == "village" else {}
    plots.save_loss_curve(plan.folder / "loss.png", history, lines)
    print_results(load(plan.folder), plan.folder, corpus, history)


def resuming(plan: SimpleNamespace) -> list:
    """The command that goes on with a run."""
    where = [] if plan.data == VILLAGE else ["--data", plan.data]
    where += [] if plan.folder == RUNS / plan.data.resolve().name else ["--checkpoint", plan.folder]
    where += ["--parallel", "fsdp"] if plan.parallel == "fsdp" else []
    where += ["--resume", *(["--judge", plan.judge] if plan.judge else [])]
    return [*plan.peers.command, "train", *where]
