"""Chapter 7: the loss, the optimizer's settings, batches, a run that can be stopped, and its files."""

import copy
import io
import itertools
import json
import math
import re
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.folders import raises_one_line
from support.runs import (
    config,
    press_ctrl_c,
    restore_run,
    same_weights,
    save_run,
    small_model,
    texts,
    trainer_of,
)

import companion
from companion import training
from companion.datasets import Corpus, Split, encode_documents, random_batches
from companion.gpt import GPTConfig, gpt2
from companion.runtime.models import devices
from companion.runtime.models.devices import pick_device, pick_dtype
from companion.runtime.runs.sessions import TIMED, Clock, TrainingDiverged
from companion.training import (
    TrainConfig,
    Trainer,
    cosine_schedule,
    evaluate,
    load_checkpoint,
    make_optimizer,
    next_token_loss,
    save_checkpoint,
    set_gradients,
    train,
    training_batches,
)

POOL = 8
CPU = torch.device("cpu")


# ---------------------------------------- loss and schedule


@pytest.mark.parametrize("context_length", [29, 7, 1])
def test_evaluate_counts_every_token_once_and_equals_one_piece_at_a_time(data, context_length):
    model = small_model(data).eval()
    nats, count = 0.0, 0
    tokens, starts = data.val.tokens.astype(np.int64), data.val.starts
    for start, end in itertools.pairwise(starts):
        for a in range(start, end, context_length):
            b = min(a + context_length, end)
            log_probs = model(torch.from_numpy(tokens[None, a:b]))[0].double().log_softmax(-1)
            nats -= sum(log_probs[i, tokens[a + 1 + i]].item() for i in range(b - a))
            count += b - a
    assert count == len(tokens) - 1
    model.train()
    for batch_size in (4, 1):
        loss = evaluate(model, data.val, context_length, batch_size)
        assert loss.nats_per_token == pytest.approx(nats / count, rel=1e-5)
        assert loss.bits_per_byte == pytest.approx(nats / math.log(2) / data.val.n_bytes, rel=1e-5)
    assert model.training, "evaluate must leave the mode as it was"
    assert all(p.grad is None for p in model.parameters())


def test_evaluate_in_bfloat16_is_close_and_an_empty_split_is_named(data):
    model = small_model(data)
    exact, close = (evaluate(model, data.val, 29, dtype=t) for t in (torch.float32, torch.bfloat16))
    assert close.nats_per_token == pytest.approx(exact.nats_per_token, rel=1e-2)
    with pytest.raises(ValueError, match="split has no documents"):
        evaluate(model, Split(np.array([0], np.uint16), np.array([0]), 1), 29)


def test_the_schedule_at_its_corners():
    rates = [cosine_schedule(step, 101, 0.5, 0.1, 10) for step in range(101)]
    corners = [rates[step] for step in (0, 4, 9, 10, 55, 100)]
    assert corners == pytest.approx([0.05, 0.25, 0.5, 0.5, 0.3, 0.1])
    assert all(a < b for a, b in itertools.pairwise(rates[:10]))
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert cosine_schedule(0, 1, 0.5, 0.1, 0) == 0.5
    assert cosine_schedule(500, 101, 0.5, 0.1, 10) == pytest.approx(0.1)
    assert cosine_schedule(2, 3, 0.5, 0.1, 50) == pytest.approx(0.03), "a run shorter than its warm-up"


# ---------------------------------------- optimizer and step


def test_the_optimizer_is_adamw_with_decay_on_matrices_but_the_embeddings(data):
    model = small_model(data)
    optimizer = make_optimizer(model, config(lr=0.02, weight_decay=0.3, betas=(0.8, 0.95)))
    decays = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {(group["lr"], group["betas"]) for group in optimizer.param_groups} == {(0.02, (0.8, 0.95))}
    for name, p in model.named_parameters():
        decayed = p.ndim > 1 and not name.startswith("embed.")
        assert decays[p] == (0.3 if decayed else 0.0), name


def test_gradients_of_several_batches_are_those_of_one(data):
    generator = torch.Generator().manual_seed(0)
    x, y = next(random_batches(data.train.tokens, 7, 29, generator, data.train.starts))
    reference = small_model(data, dropout=0.0).double()  # some CPUs shorten float32
    parts = small_model(data, dropout=0.0).double()
    F.cross_entropy(reference(x).flatten(0, 1), y.flatten(), ignore_index=-100).backward()
    cut = [(x[:1], y[:1]), (x[1:5], y[1:5]), (x[5:], y[5:])]
    loss, n = set_gradients(parts, cut, next_token_loss, CPU, torch.float32)
    assert n == (y != -100).sum().item()
    assert loss == pytest.approx(F.cross_entropy(reference(x).flatten(0, 1), y.flatten()).item(), rel=1e-6)
    for p, q in zip(reference.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-6)


def test_a_step_clips_and_counts_its_tokens(data):
    settings = config(grad_clip=1e-3, warmup_steps=0, lr=0.01)
    trainer = trainer_of(small_model(data, dropout=0.0), data, settings)
    batch = [next(training_batches(data.train, settings))]
    copy = small_model(data, dropout=0.0)
    set_gradients(copy, batch, next_token_loss, CPU, torch.float32)
    length = math.sqrt(sum((p.grad**2).sum().item() for p in copy.parameters()))
    trainer.step()
    assert length > 1e-2
    for p, q in zip(trainer.model.parameters(), copy.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad * 1e-3 / length, rtol=1e-3, atol=1e-8)
    trainer.step()
    batches = itertools.islice(training_batches(data.train, settings), 2)
    assert trainer.tokens == sum(int((y != -100).sum()) for _, y in batches)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_type_is_set_back_before_what_a_caller_runs_at_an_evaluation(data, dtype):
    seen = []

    def on_eval(model, row):
        seen.append((torch.is_autocast_enabled("cpu"), torch.get_float32_matmul_precision(), model.training))

    train(small_model(data), data, config(steps=2, eval_every=1, dtype=dtype), on_eval=on_eval)
    assert seen == [(False, "highest", False)] * 2


# ---------------------------------------- batches


def rows_of(batches, n):
    return [
        [(tuple(a), tuple(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        for x, y in itertools.islice(batches, n)
    ]


def test_a_batch_depends_on_its_number_and_the_seed_alone(data):
    straight = rows_of(training_batches(data.train, config()), 3 * POOL)
    for first in (1, POOL - 1, POOL, POOL + 5):
        assert rows_of(training_batches(data.train, config(), first), 6) == straight[first : first + 6]
    assert rows_of(training_batches(data.train, config(seed=5)), 6) != straight[:6]
    assert straight[:POOL] != straight[POOL : 2 * POOL]


def test_sorting_a_pool_loses_no_row_and_saves_padding(data):
    settings = config(batch_size=5)
    generator = torch.Generator().manual_seed(settings.seed * 10**6)
    x, y = next(random_batches(data.train.tokens, POOL * 5, 29, generator, data.train.starts))
    drawn = sorted(tuple(b[b != -100].tolist()) for b in y)
    batches = list(itertools.islice(training_batches(data.train, settings), POOL))
    assert sorted(tuple(b[b != -100].tolist()) for _, y in batches for b in y) == drawn
    padding = sum((y == -100).sum().item() for _, y in batches)
    assert padding < 0.5 * sum((part == -100).sum().item() for part in y.split(5))
    widths = [x.shape[1] for x, _ in batches]
    assert widths != sorted(widths), "the short batches must not all come first"


def test_long_documents_are_cut_and_a_few_long_ones_become_windows(data):
    long = encode_documents([*texts(30, 5, 2, 5), " ".join(texts(9, 6))], data.tokenizer)
    assert max(np.diff(long.starts)) > 29
    batches = itertools.islice(training_batches(long, config()), 90)
    seen = {tuple(row[row != -100].tolist()) for _, y in batches for row in y}
    last = long.tokens[long.starts[-2] + 1 :].tolist()
    assert {tuple(last[i : i + 29]) for i in range(0, len(last), 29)} <= seen
    novel = encode_documents([" ".join(texts(40, 7))], data.tokenizer)
    firsts = set()
    for x, y in itertools.islice(training_batches(novel, config()), 40):
        assert x.shape == (3, 29) and torch.equal(x[:, 1:], y[:, :-1])
        firsts |= {tuple(row[:5].tolist()) for row in x}
    assert len(firsts) > 80, "windows are cut anywhere"


# ---------------------------------------- settings and devices


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("steps", 0), ("steps", 2.5), ("steps", 10**20), ("accumulate", 0), ("lr", 1.5), ("lr", math.nan)],
        *[("min_lr", 0.1), ("warmup_steps", 1001), ("weight_decay", -0.1), ("betas", (0.9, 1.0))],
        *[("grad_clip", math.nan), ("seed", -1), ("dtype", "float16"), ("lr", "fast"), ("betas", 0.9)],
    ],
)
def test_settings_out_of_range_are_named(field, value):
    with raises_one_line(ValueError, rf"^{field}=.* must be "):
        TrainConfig(**{field: value})


def test_defaults():
    assert TrainConfig().min_lr == pytest.approx(TrainConfig().lr / 10)
    assert [TrainConfig(steps=n).warmup_steps for n in (1, 7, 99, 1000)] == [0, 3, 49, 50]


@pytest.mark.parametrize("name", ["cpu:", "gpu", "cuda:-1"])
def test_a_device_that_is_none_is_named(name):
    with pytest.raises(ValueError, match="must be auto, cpu, cuda"):
        pick_device(name)


@pytest.mark.parametrize(
    ("cuda", "mps", "auto", "others", "missing"),
    [
        (0, False, "cpu", [], ["cuda", "cuda:0", "mps"]),
        (0, True, "mps", ["cpu"], ["cuda"]),
        (2, True, "cuda", ["cpu", "cuda:1", "mps"], ["cuda:2"]),
    ],
)
def test_auto_is_the_fastest_device_that_is_there(monkeypatch, cuda, mps, auto, others, missing):
    """cuda: how many there are."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device().type == pick_device("auto").type == auto
    assert [pick_device(name) for name in others] == [torch.device(name) for name in others]
    for name in missing:
        with pytest.raises(ValueError, match=f"device='{name}' is not there: PyTorch sees only .*cpu"):
            pick_device(name)


@pytest.mark.parametrize(("has_products", "choice"), [(True, torch.bfloat16), (False, torch.float32)])
def test_the_type_is_that_of_the_processors_instructions(monkeypatch, has_products, choice):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device: has_products)
    assert pick_dtype("auto", CPU) == choice
    assert pick_dtype("float32", CPU) == torch.float32 and pick_dtype("bfloat16", CPU) == torch.bfloat16
    with pytest.raises(ValueError, match="dtype='half' must be auto, float32 or bfloat16"):
        pick_dtype("half", CPU)


def test_a_model_that_does_not_fit_is_named(data):
    with pytest.raises(ValueError, match="context_length=29 is above the model's 28"):
        train(small_model(data, context_length=28), data, config())
    few = gpt2(GPTConfig(vocab_size=279, context_length=29, n_layers=1, n_heads=1, d_model=8))
    with pytest.raises(ValueError, match="vocab_size=280 is above the model's 279"):
        train(few, data, config())


# ---------------------------------------- runs


@pytest.mark.gate
def test_a_resumed_run_has_the_same_bits_and_goes_on_to_more_steps(data, tmp_path):
    settings = config(accumulate=2)
    straight, stopped, resumed = (small_model(data, seed=s) for s in (3, 3, 99))
    history = train(straight, data, settings)
    first = train(stopped, data, settings, tmp_path, on_eval=press_ctrl_c)
    assert [row["step"] for row in first] == [17] and not same_weights(straight, stopped)
    again = train(resumed, data, settings, tmp_path, resume=True)
    assert same_weights(straight, resumed)
    keys = ("step", "tokens", "train", "val", "bits_per_byte")
    assert [[row[k] for k in keys] for row in again] == [[row[k] for k in keys] for row in history]
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == again
    finished = train(small_model(data), data, settings, tmp_path, resume=True)
    assert finished == again, "a finished run stays finished"
    longer = train(small_model(data), data, config(accumulate=2, steps=60), tmp_path, resume=True)
    assert [row["step"] for row in longer] == [17, 34, 40, 51, 60] and longer[:3] == again


@pytest.mark.gate
def test_a_signal_in_the_middle_of_a_step_lets_it_finish_and_saves(data, tmp_path):
    straight, stopped = small_model(data), small_model(data)
    history, calls = train(straight, data, config()), itertools.count(1)
    terminate = partial(signal.raise_signal, signal.SIGTERM)
    hook = stopped.register_forward_hook(lambda *_: terminate() if next(calls) == 11 else None)
    assert train(stopped, data, config(), tmp_path) == []
    hook.remove()
    resumed = small_model(data, seed=7)
    again = train(resumed, data, config(eval_every=17), tmp_path, resume=True)
    assert same_weights(straight, resumed)
    losses = [[row["train"] for row in rows] for rows in (again, history)]
    assert losses[0] == losses[1], "losses before the stop count"


def test_a_second_ctrl_c_interrupts_and_the_handler_is_set_back(data, interruptible):
    with pytest.raises(KeyboardInterrupt):
        train(small_model(data), data, config(), on_eval=lambda *_: (press_ctrl_c(), press_ctrl_c()))
    assert signal.getsignal(signal.SIGINT) is interruptible
    train(small_model(data), data, config(steps=2))
    assert signal.getsignal(signal.SIGINT) is interruptible


def test_training_in_a_thread_works(data):
    """Where no handler of Ctrl-C can be set."""
    with ThreadPoolExecutor() as pool:
        history = pool.submit(train, small_model(data), data, config(steps=3)).result()
    assert history[-1]["step"] == 3


@pytest.mark.gate
def test_evaluating_and_sampling_do_not_change_a_run_nor_a_run_the_caller(data):
    quiet, noisy = small_model(data), small_model(data)
    torch.manual_seed(12)
    before = torch.get_rng_state()
    train(quiet, data, config(eval_every=40))
    assert torch.equal(before, torch.get_rng_state())
    train(noisy, data, config(eval_every=3), on_eval=lambda *_: {"drawn": torch.rand(5).tolist()})
    assert same_weights(quiet, noisy)


def test_a_run_that_is_not_the_saved_one_is_not_resumed(data, tmp_path):
    with pytest.raises(ValueError, match="folder=None has nothing to resume"):
        train(small_model(data), data, config(), resume=True)
    with pytest.raises(ValueError, match="has no state.safetensors"):
        train(small_model(data), data, config(), tmp_path, resume=True)
    train(small_model(data), data, config(), tmp_path, on_eval=press_ctrl_c)
    for name, value in {"lr": 0.004, "betas": (0.9, 0.95)}.items():
        with pytest.raises(ValueError, match=rf"^{name}=.* cannot resume .*; give that, or start anew$"):
            train(small_model(data), data, config(**{name: value}), tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"n_heads=5 cannot resume .* there 3"):
        train(small_model(data, n_heads=5), data, config(), tmp_path, resume=True)
    other = Corpus(encode_documents(texts(12, 8), data.tokenizer), data.val, data.tokenizer, {})
    with pytest.raises(ValueError, match="tokens=.* cannot resume"):
        train(small_model(data), other, config(), tmp_path, resume=True)
    save_checkpoint(tmp_path / "other", small_model(data), data.tokenizer)
    shutil.copy(tmp_path / "other" / "model.safetensors", tmp_path / "other" / "state.safetensors")
    with pytest.raises(ValueError, match="is not the state of a run"):
        train(small_model(data), data, config(), tmp_path / "other", resume=True)


def test_a_run_keeps_the_type_that_was_chosen_for_it(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "pick_dtype", lambda name, device: torch.bfloat16)
    train(small_model(data), data, config(dtype="auto"), tmp_path, on_eval=press_ctrl_c)
    monkeypatch.setattr(training, "pick_dtype", lambda name, device: torch.float32)
    trainer = trainer_of(small_model(data), data, config(dtype="auto"))
    assert trainer.dtype == torch.float32
    restore_run(trainer, tmp_path, data)
    assert trainer.dtype == torch.bfloat16


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_run_that_diverges_stops_at_once_with_its_last_good_state(data, tmp_path, what):
    model, calls, biases = small_model(data), itertools.count(1), []

    def damage(m, _, out):
        return out * math.nan if m.training and next(calls) == 12 else out

    if what == "gradient":
        model.norm.weight.register_hook(lambda g: g * math.inf if next(calls) == 12 else g)
    else:
        model.register_forward_hook(damage)

    def keep(model, row):
        biases.append(model.norm.bias.detach().clone())

    remedy = "; lower lr=0.003 or grad_clip=1, or raise warmup_steps=5; see also that each batch has a target"
    with pytest.raises(TrainingDiverged, match=rf"^step \d+: loss .*{remedy}") as error:
        train(model, data, config(eval_every=5), tmp_path, on_eval=keep)
    assert "\n" not in str(error.value)
    saved, _, provenance = load_checkpoint(tmp_path)
    assert all(p.isfinite().all() for m in (saved, model) for p in m.parameters())
    assert "step 12:" in str(error.value) and provenance["steps"] == 10
    assert torch.equal(saved.norm.bias, biases[-1])
    assert isinstance(error.value, RuntimeError)


class Time:
    """A clock that tests move by hand."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


class Timed(Trainer):
    """A trainer whose steps take the seconds that `costs` says, by its number."""

    def __init__(self, *given, clock, costs, **options):
        super().__init__(*given, **options)
        self.clock = clock
        self.costs = costs
        self.rates = []

    def step(self):
        loss = super().step()
        self.rates.append(self.optimizers[0].param_groups[0]["lr"])
        self.clock.now.seconds += self.costs(self.steps)
        return loss


def timed_run(data, monkeypatch, costs, evaluation=0.0, folder=None, seconds=60.0, **changes):
    """Train by a clock; the settings at the end, the history and the trainer."""
    clock = Clock(seconds, now=Time(), eval_every=changes.pop("most_between", None))
    made = []

    def make(*given, **options):
        made.append(Timed(*given, clock=clock, costs=costs, **options))
        return made[0]

    def evaluated(*given, **options):
        clock.now.seconds += evaluation
        return evaluate(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr("companion.training.evaluate", evaluated)
        settings = config(**{"steps": 6000, "eval_every": 10**6, "lr": 0.01, "min_lr": 0.0} | changes)
        history = train(small_model(data), data, settings, folder, make_trainer=make, clock=clock)
    return settings, history, made[0]


COSTS = {
    "an even machine": lambda step: 1.0,
    "one that becomes busy": lambda step: 0.5 if step < 40 else 2.0,
    "one that becomes idle": lambda step: 2.0 if step < 15 else 0.5,
    "a slow first step": lambda step: 6.0 if step == 1 else 1.0,
}


@pytest.mark.parametrize("costs", COSTS.values(), ids=COSTS)
def test_a_run_by_the_clock_ends_with_its_time_and_its_rate_has_fallen_by_then(costs, data, monkeypatch):
    settings, history, trainer = timed_run(data, monkeypatch, costs, warmup_steps=5)
    assert 60 <= trainer.clock.elapsed() < 62
    assert trainer.steps == settings.steps == history[-1]["step"]
    assert max(trainer.rates) > 0.0098 and trainer.rates[-1] < 0.0001
    after_warmup = trainer.rates[settings.warmup_steps :]
    falls = itertools.pairwise(after_warmup[TIMED:])
    assert all(b < a + 0.0002 for a, b in falls)  # but for the rounding of the number of steps


def test_evaluations_count_and_are_three_at_least(data, monkeypatch):
    settings, history, trainer = timed_run(
        data, monkeypatch, lambda step: 0.5, evaluation=4.0, most_between=400, warmup_steps=100
    )
    assert trainer.clock.elapsed() <= 62 and 3 <= len(history) <= 5
    assert 80 <= trainer.steps <= 96 and settings.warmup_steps <= trainer.steps // 2


def test_a_run_of_one_step_a_minute_has_one_and_is_saved(data, monkeypatch, tmp_path):
    settings, history, trainer = timed_run(data, monkeypatch, lambda step: 90.0, folder=tmp_path)
    assert trainer.steps == settings.steps == 1 and len(history) == 1
    assert load_checkpoint(tmp_path)[2]["clock"] == {"elapsed": 90.0, "seconds": 60.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_progress_bar_has_step_and_loss(data, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "200")
    on_eval = lambda model, row: {"marks": "✓✗", "more": 1}  # noqa: E731
    history = train(small_model(data), data, config(steps=3, eval_every=2), progress=True, on_eval=on_eval)
    assert re.search(r" 3/3 \[.*, loss \d\.\d{3}  ✓✗\]", screen.getvalue())
    assert history[-1]["more"] == 1 and "marks" not in history[-1]


def test_a_pipe_has_a_line_every_ten_seconds(data, capsys):
    clock = Clock(60.0, now=Time())
    make_trainer = partial(Timed, clock=clock, costs=lambda step: 2.0)
    settings = config(steps=6000, eval_every=10**6)
    train(small_model(data), data, settings, progress=True, make_trainer=make_trainer, clock=clock)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and len(lines) == 6
    assert re.search(r" step 15 \[.*, loss \d\.\d{3}\]", lines[2])


def test_progress_is_shown_only_if_asked(data, capsys):
    train(small_model(data), data, config(steps=3))
    assert capsys.readouterr() == ("", "")


# ---------------------------------------- seams: other optimizers, frozen parts


def two_optimizers(model):
    """AdamW for the vectors and embeddings, SGD with momentum for the matrices."""
    groups = {True: [], False: []}
    for name, p in model.named_parameters():
        groups[p.ndim == 2 and "embed" not in name].append(p)
    return [torch.optim.AdamW(groups[False], lr=0.004), torch.optim.SGD(groups[True], lr=0.05, momentum=0.9)]


@pytest.mark.gate
def test_two_optimizers_are_trained_saved_and_resumed(data, tmp_path):
    settings = config(steps=30, lr=0.004, accumulate=2)

    def trainer(seed):
        model = small_model(data, seed=seed)
        return trainer_of(model, data, settings, optimizers=two_optimizers(model))

    straight, stopped, resumed = trainer(3), trainer(3), trainer(8)
    losses = [straight.step() for _ in range(30)]
    assert sum(losses[-8:]) < 0.9 * sum(losses[:8])
    assert losses[:13] == [stopped.step() for _ in range(13)]
    save_run(tmp_path, stopped, data)
    restore_run(resumed, tmp_path, data)
    assert losses[13:] == [resumed.step() for _ in range(17)] and same_weights(straight.model, resumed.model)
    for ours, theirs in zip(straight.optimizers, resumed.optimizers, strict=True):
        pairs = zip(ours.state.values(), theirs.state.values(), strict=True)
        assert all(torch.equal(a[key], b[key]) for a, b in pairs for key in a)
    with pytest.raises(ValueError, match=r"^optimizer=.* cannot resume"):
        restore_run(trainer_of(small_model(data), data, settings), tmp_path, data)


def test_each_optimizer_follows_the_schedule_at_its_own_scale(data):
    model = small_model(data)
    trainer = trainer_of(model, data, config(), optimizers=two_optimizers(model))
    for step in range(9):
        trainer.step()
        rate = cosine_schedule(step, 40, 3e-3, 3e-4, 5) / 3e-3
        rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
        assert rates == pytest.approx([0.004 * rate, 0.05 * rate])


def half_frozen(data, seed):
    """A trainer of the last block and norm."""
    model = small_model(data, seed=seed)
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith(("blocks.1", "norm")))
    return trainer_of(model, data, config(weight_decay=0.5))


def test_frozen_parameters_stay_and_cost_nothing(data, tmp_path):
    trainer, resumed = half_frozen(data, 3), half_frozen(data, 9)
    before = copy.deepcopy(trainer.model.state_dict())
    for _ in range(4):
        trainer.step()
    for name, p in trainer.model.named_parameters():
        assert torch.equal(p, before[name]) == (not p.requires_grad), name
        assert p.requires_grad == (p in trainer.optimizers[0].state) == (p.grad is not None), name
    save_run(tmp_path, trainer, data)
    restore_run(resumed, tmp_path, data)
    assert trainer.step() == resumed.step() and same_weights(trainer.model, resumed.model)


# ---------------------------------------- builders


def test_a_table_of_builders_makes_the_model_without_drawing_numbers(data, folder):
    assert list(companion.BUILDERS) == ["gpt2", "llama", "storyteller", "swift", "neox", "experts"]
    assert companion.BUILDERS["gpt2"] == (GPTConfig, gpt2)
    on = []

    def build(config):
        model = gpt2(config)
        on.extend(p.device.type for p in model.parameters())
        return model

    for table in (companion.BUILDERS, {"gpt2": (GPTConfig, build)}, None):
        before = torch.get_rng_state()
        model, _, _ = load_checkpoint(folder, table)
        assert torch.equal(before, torch.get_rng_state()), "loading must not move the global generator"
        assert same_weights(model, small_model(data))
    assert set(on) == {"meta"}
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())
    train(model, data, config(steps=2))
