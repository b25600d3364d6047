"""Working draft of chapter 7; regenerated from the chapter's exported cells."""

import hashlib
import json
import math
import os
import signal
import tempfile
import threading
import time
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from tqdm import tqdm

from companion.datasets import Corpus, Split, bits_per_byte, document_rows, random_batches
from companion.gpt import gpt2
from companion.tokenization import Tokenizer

POOL = 8


def perplexity(nats_per_token: float) -> float:
    """exp of a loss in nats per token: the number of equally likely tokens that would surprise as much."""
    return math.exp(nats_per_token) if nats_per_token < 709 else math.inf  # a float ends near e**709


def _whole(least: int):
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least


def _real(test):
    return lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and test(v)


RULES: dict[str, tuple[Callable, str]] = {
    "steps": (_whole(1), "a whole number of at least 1; try 1000"),
    "batch_size": (_whole(1), "a whole number of at least 1; try 8"),
    "context_length": (_whole(1), "a whole number of at least 1; try 256"),
    "accumulate": (_whole(1), "a whole number of at least 1; 1 switches it off"),
    "lr": (_real(lambda v: 0 < v <= 1), "above 0 and at most 1; try 0.003"),
    "warmup_steps": (_whole(0), "a whole number of at least 0; try 50"),
    "weight_decay": (_real(lambda v: 0 <= v < math.inf), "at least 0; try 0.1"),
    "betas": (lambda v: len(v) == 2 and all(0 <= b < 1 for b in v), "two numbers from 0 to below 1"),
    "grad_clip": (_real(lambda v: v > 0), "above 0; try 1.0, or float('inf') for no clipping"),
    "eval_every": (_whole(1), "a whole number of at least 1; try 250"),
    "seed": (_whole(0), "a whole number of at least 0"),
    "dtype": (lambda v: v in ("auto", "float32", "bfloat16"), "auto, float32 or bfloat16"),
}


@dataclass
class TrainConfig:
    """What `train` does.

    steps updates, each on accumulate batches of batch_size rows of at most context_length tokens. The
    learning rate climbs to lr in warmup_steps, then falls to min_lr (a tenth of lr unless given). Gradients
    longer than grad_clip are shortened to it. The run is evaluated and saved every eval_every steps.
    device: auto, cpu, cuda, cuda:N or mps. dtype: auto (the faster), float32 or bfloat16.
    Raises ValueError for a value out of its range.
    """

    steps: int = 1000
    batch_size: int = 8
    context_length: int = 256
    accumulate: int = 1
    lr: float = 3e-3
    min_lr: float | None = None
    warmup_steps: int = 50
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    grad_clip: float = 1.0
    eval_every: int = 250
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    compile: bool = False

    def __post_init__(self):
        for name, (holds, rule) in RULES.items():
            if not holds(getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)!r} must be {rule}")
        self.min_lr = self.lr / 10 if self.min_lr is None else self.min_lr
        if not 0 <= self.min_lr <= self.lr:
            raise ValueError(f"min_lr={self.min_lr} must be from 0 to lr={self.lr}; leave it out")


def cosine_schedule(step: int, steps: int, lr: float, min_lr: float, warmup_steps: int) -> float:
    """The learning rate of a step (0 to steps - 1): up a straight line, then down half a cosine.

    Step warmup_steps - 1 is the first at lr; the last step is at min_lr. Source: Loshchilov & Hutter, 2017
    (arXiv:1608.03983), equation (5), without restarts.
    """
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, steps - 1 - warmup_steps))
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; auto is CUDA, else MPS, else the CPU. ValueError for one that is not there."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if cuda else "mps" if mps else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
        raise ValueError(f"device={name!r} must be auto, cpu, cuda, cuda:0 (or another number) or mps")
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise ValueError(
            f"device={name!r} is not there: PyTorch sees no {kind.upper()} here; use cpu or auto"
        )
    if index and int(index) >= torch.cuda.device_count():
        raise ValueError(f"device={name!r} is not there: there are {torch.cuda.device_count()}; use cuda:0")
    return torch.device(name)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The type to multiply in: as named, or for auto the faster of the two, measured in milliseconds."""
    if name not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"dtype={name!r} must be auto, float32 or bfloat16")
    if name != "auto":
        return getattr(torch, name)
    if device.type == "mps":
        return torch.float32
    seconds = dict.fromkeys((torch.float32, torch.bfloat16), math.inf)
    with faster_products(device, torch.float32):
        for _ in range(5):
            for dtype in seconds:
                a = torch.ones(512, 512, device=device, dtype=dtype)
                start = time.perf_counter()
                (a @ a)[0, 0].item()
                seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return torch.bfloat16 if 1.2 * seconds[torch.bfloat16] < seconds[torch.float32] else torch.float32


@contextmanager
def faster_products(device: torch.device, dtype: torch.dtype):
    """Inside, matrix products run in bfloat16 (autocast), or in float32 with the processor's short cuts."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass
class Loss:
    """The mean surprise on a split: nats_per_token, and bits_per_byte of its text."""

    nats_per_token: float
    bits_per_byte: float


def cut_long(starts: np.ndarray, context_length: int) -> np.ndarray:
    """starts, and a cut every context_length tokens inside a longer document: each token stays in one row."""
    pieces = [np.arange(a, b, context_length) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    return np.concatenate([*pieces, starts[-1:]]).astype(np.int64)


@torch.no_grad()
@torch.no_grad()
def evaluate(model, split: Split, context_length: int, batch_size: int = 32, dtype=torch.float32) -> Loss:
    """The loss on every token of a split, each document from its start and, past context_length, in pieces.

    Rows go sorted by length, so that little is padding. dtype: bfloat16 is faster, and right to three digits.
    Raises ValueError for a split without documents.
    """
    if len(split.starts) < 2:
        raise ValueError("split has no documents to take a loss on; give it at least one")
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    starts = cut_long(split.starts, context_length)
    order = np.argsort(np.diff(starts), kind="stable").tolist()
    nats = 0.0
    for i in range(0, len(order), batch_size):
        x, y = document_rows(split.tokens, starts, order[i : i + batch_size], context_length)  # (B, T) each
        with nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype):
            logits = model(x.to(device))  # (B, T, V)
        nats += F.cross_entropy(logits.float().flatten(0, 1), y.to(device).flatten(), reduction="sum").item()
    model.train(was_training)
    return Loss(nats / int(starts[-1] - starts[0]), bits_per_byte(nats, split.n_bytes))


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW in one fused pass. Matrices decay; biases and the vectors of norms do not.

    Source: Loshchilov & Hutter, 2019 (arXiv:1711.05101), algorithm 2.
    """
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=tuple(config.betas), fused=True)


def training_batches(split: Split, config: TrainConfig, first: int = 0) -> Iterator[tuple]:
    """Endless batches (x, y), each (B, T), from number first on. Seed and number decide what is in one.

    A row is a document (or a piece of one past context_length) where documents have at most context_length
    tokens on average, else a window cut anywhere: a few long texts would make too few different rows. POOL
    batches are drawn at once and sorted by length, so that little is padding, then come in random order.
    Raises ValueError where the split has no more than context_length tokens.
    """
    c, n_tokens = config, len(split.tokens)
    if n_tokens <= c.context_length:
        raise ValueError(
            f"context_length={c.context_length} must be below the {n_tokens} tokens of the data; shorten it"
        )
    documents = n_tokens - 1 <= c.context_length * (len(split.starts) - 1)
    starts = cut_long(split.starts, c.context_length) if documents else None
    generator = torch.Generator()
    pools = random_batches(split.tokens, POOL * c.batch_size, c.context_length, generator, starts)
    while True:
        generator.manual_seed(c.seed * 10**6 + first // POOL)
        x, y = next(pools)  # (POOL * B, T) each
        lengths = (y != -100).sum(dim=1)
        rows = lengths.argsort(stable=True).view(POOL, c.batch_size)[
            torch.randperm(POOL, generator=generator)
        ]
        for i in rows[first % POOL :]:
            longest = int(lengths[i].max())
            yield x[i, :longest], y[i, :longest]
        first += POOL - first % POOL


class TrainingDiverged(RuntimeError):
    """The loss or its gradient stopped being a number; the message says at which step, and what to try."""


def check_finite(trainer: "Trainer", loss: float, norm: float = 0.0) -> None:
    """TrainingDiverged where the loss, or the length of its gradient, is infinite or NaN."""
    if not math.isfinite(loss + norm):
        c = trainer.config
        raise TrainingDiverged(
            f"step {trainer.steps + 1}: loss {loss:.4g}, length of its gradient {norm:.4g}; the last save"
            f" is good; lower lr={c.lr:g}, grad_clip={c.grad_clip:g} or raise warmup_steps={c.warmup_steps}"
        )


def add_gradients(run, batches: list, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, int]:
    """Add to .grad the gradient of the mean loss over the targets of all batches; return it, and how many.

    Each batch's sum is divided by the targets of all: rows differ in length, so a mean of means is not the
    mean. Targets of -100 do not count.
    """
    n_targets = sum(int((y != -100).sum()) for _, y in batches)
    mean = torch.zeros((), device=device)
    for x, y in batches:
        with faster_products(device, dtype):
            logits = run(x.to(device))  # (B, T, V)
            total = F.cross_entropy(logits.float().flatten(0, 1), y.to(device).flatten(), reduction="sum")
            (total / n_targets).backward()
        mean += total.detach() / n_targets
    return mean, n_targets


class Trainer:
    """A model, its optimizer and its place in the data: all that the next step depends on."""

    def __init__(self, model: nn.Module, split: Split, config: TrainConfig):
        self.model, self.split, self.config = model, split, config
        self.device = pick_device(config.device)
        self.dtype = pick_dtype(config.dtype, self.device)
        self.optimizer = make_optimizer(model.to(self.device), config)
        self.run = torch.compile(model, dynamic=True) if config.compile else model
        self.batches = training_batches(split, config)
        self.steps, self.tokens, self.seconds, self.losses, self.history = 0, 0, 0.0, [], []

    def step(self) -> float:
        """Update the weights once; return the loss. If that is no number: TrainingDiverged, and no update."""
        c, begun = self.config, time.perf_counter()
        torch.manual_seed(c.seed * 10**6 + self.steps)  # dropout depends on the step alone
        for group in self.optimizer.param_groups:
            group["lr"] = cosine_schedule(self.steps, c.steps, c.lr, c.min_lr, c.warmup_steps)
        batches = [next(self.batches) for _ in range(c.accumulate)]
        self.model.train()
        loss, n_targets = add_gradients(self.run, batches, self.device, self.dtype)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), c.grad_clip)
        check_finite(self, loss.item(), norm.item())
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(loss.item())
        self.steps, self.tokens = self.steps + 1, self.tokens + n_targets
        self.seconds += time.perf_counter() - begun
        return self.losses[-1]


@contextmanager
def finish_the_step():
    """Yield a list in which the first Ctrl-C is noted, so that no step is cut short; a second interrupts."""
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number, frame):
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def check_fit(model, data: Corpus, config: TrainConfig) -> None:
    """ValueError where config asks for positions, or data for tokens, that the model does not have."""
    shape = model.config
    if config.context_length > shape.context_length:
        raise ValueError(
            f"context_length={config.context_length} is longer than the model's "
            f"{shape.context_length}; shorten it, or build the model with more"
        )
    if data.tokenizer.vocab_size > shape.vocab_size:
        raise ValueError(
            f"vocab_size={shape.vocab_size} of the model is below the {data.tokenizer.vocab_size} of the "
            "data's tokenizer; build the model with that"
        )


def train(
    model, data: Corpus, config: TrainConfig, folder=None, resume=False, on_eval=None, progress=False
) -> list[dict]:
    """Train model in place on data.train; return the history: a dict for each evaluation on data.val.

    Its keys: step, tokens, seconds (of training), train (mean loss since the last row, nats per token), val
    (the same of data.val), bits_per_byte, and those of the dict that on_eval(model, row) returned, if any.
    folder: saves a checkpoint, log.jsonl (the history) and what resuming needs at each evaluation and on
    Ctrl-C, which ends the run after the step. resume: goes on there, to the weights of a run never stopped.
    Raises ValueError for data or a folder that does not fit, and TrainingDiverged when the loss is no number
    any more; model and folder then keep the last good weights.
    """
    check_fit(model, data, config)
    trainer = Trainer(model, data.train, config)
    if resume:
        restore(trainer, folder)
    bar = tqdm(total=config.steps, initial=trainer.steps, unit="step", disable=not progress)
    with bar, torch.random.fork_rng(devices=[]), finish_the_step() as pressed:
        while trainer.steps < config.steps and not pressed:
            loss = trainer.step()
            bar.postfix = f"loss {loss:.3f}, {trainer.tokens / trainer.seconds:,.0f} tokens/s"
            bar.update()
            due = trainer.steps % config.eval_every == 0 or trainer.steps == config.steps
            if due:
                add_row(trainer, data.val, on_eval)
            if folder is not None and (due or pressed):
                save_run(folder, trainer, data)
    model.eval()
    return trainer.history


def add_row(trainer: Trainer, val: Split, on_eval) -> None:
    """Evaluate, and append what came out to the history."""
    with faster_products(trainer.device, torch.float32):
        loss = evaluate(trainer.model, val, trainer.config.context_length, dtype=trainer.dtype)
    check_finite(trainer, loss.nats_per_token)
    row = {"step": trainer.steps, "tokens": trainer.tokens, "seconds": round(trainer.seconds, 2)}
    row |= {"train": sum(trainer.losses) / len(trainer.losses), "val": loss.nats_per_token}
    row |= {"bits_per_byte": loss.bits_per_byte}
    trainer.losses.clear()
    trainer.model.eval()
    more = on_eval(trainer.model, dict(row)) if on_eval else None
    trainer.history.append(row | (more or {}))


def write_files(folder, files: dict[str, bytes]) -> None:
    """Write files into folder so that a kill or a full disk at any moment leaves each one whole, old or new.

    All are on the disk, beside their places, before the first one is moved over its old version.
    Raises OSError, with the old files as they were and nothing half-written, where that fails.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = {name: folder / (name + ".partial") for name in files}
    try:
        for name, content in files.items():
            with partial[name].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # out of the operating system's memory, onto the disk
        for name in files:
            os.replace(partial[name], folder / name)  # one move, which cannot be seen half done
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


def tokenizer_json(tokenizer: Tokenizer) -> bytes:
    """What tokenizer.save writes."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder) / "tokenizer.json")
        return (Path(folder) / "tokenizer.json").read_bytes()


def fingerprint(config: dict, tokenizer: bytes) -> str:
    """What ties weights to the configuration and the tokenizer that they were trained with."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode() + tokenizer).hexdigest()


def safetensors_bytes(tensors: dict[str, torch.Tensor], notes: dict[str, str]) -> bytes:
    """Tensors, from any device, and notes as a safetensors file."""
    return save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, notes)


def model_files(model, tokenizer: Tokenizer, provenance: dict | None = None) -> dict[str, bytes]:
    """The three files of a checkpoint: tokenizer.json, config.json, model.safetensors."""
    words = tokenizer_json(tokenizer)
    config = {"architecture": model.config.architecture, **asdict(model.config)}
    about = json.dumps({"config": config, "provenance": provenance or {}}, indent=1, ensure_ascii=False)
    weights = safetensors_bytes(model.state_dict(), {"fingerprint": fingerprint(config, words)})
    return {"tokenizer.json": words, "config.json": about.encode() + b"\n", "model.safetensors": weights}


def save_checkpoint(folder, model, tokenizer: Tokenizer, provenance: dict | None = None) -> None:
    """Write what load_checkpoint reads. provenance: where the weights came from, a dict that JSON can hold.

    Raises OSError, with the files as they were, where a write fails.
    """
    write_files(folder, model_files(model, tokenizer, provenance))


def run_identity(trainer: Trainer) -> dict:
    """What must be the same for a resumed run to be the same run."""
    settings = asdict(trainer.config)
    for free in ("eval_every", "device", "dtype", "compile"):
        del settings[free]
    n_tokens, n_rows = len(trainer.split.tokens), len(trainer.split.starts) - 1
    return json.loads(
        json.dumps(settings | asdict(trainer.model.config) | {"tokens": n_tokens, "documents": n_rows})
    )


def save_run(folder, trainer: Trainer, data: Corpus) -> None:
    """Write the checkpoint, the log, and the one file that resuming reads: state.safetensors."""
    names = {p: name for name, p in trainer.model.named_parameters()}
    tensors = {f"model.{name}": t for name, t in trainer.model.state_dict().items()}
    for p, state in trainer.optimizer.state.items():
        tensors |= {f"optimizer.{names[p]}.{key}": t for key, t in state.items()}
    notes = {name: getattr(trainer, name) for name in PLACE} | {"identity": run_identity(trainer)}
    notes["dtype"] = str(trainer.dtype).removeprefix("torch.")
    log = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in trainer.history)
    about = {"steps": trainer.steps, "train": asdict(trainer.config), "data": data.meta}
    files = model_files(trainer.model, data.tokenizer, about) | {"log.jsonl": log.encode()}
    write_files(
        folder, files | {"state.safetensors": safetensors_bytes(tensors, {"notes": json.dumps(notes)})}
    )


def restore(trainer: Trainer, folder) -> None:
    """Put a trainer where save_run left another. Raises ValueError where folder holds no such run."""
    if folder is None:
        raise ValueError("folder=None has nothing to resume; give the folder that the run was saved in")
    path = Path(folder) / "state.safetensors"
    tensors, notes = read_safetensors(path)
    notes = json.loads(notes.get("notes", '{"identity": {}}'))
    check_identity(run_identity(trainer), notes["identity"], path)
    load_weights(trainer.model, {n[6:]: t for n, t in tensors.items() if n.startswith("model.")}, path)
    for name, p in trainer.model.named_parameters():
        key = f"optimizer.{name}."
        state = {n.removeprefix(key): t.to(trainer.device) for n, t in tensors.items() if n.startswith(key)}
        trainer.optimizer.state[p] = state
    for name in PLACE:
        setattr(trainer, name, notes[name])
    if trainer.config.dtype == "auto":
        trainer.dtype = getattr(torch, notes["dtype"])
    trainer.batches = training_batches(
        trainer.split, trainer.config, trainer.steps * trainer.config.accumulate
    )


def check_identity(here: dict, there: dict, path: Path) -> None:
    """ValueError, in one line, at the first setting in which a run differs from the saved one."""
    for name, value in here.items():
        if there.get(name) != value:
            raise ValueError(
                f"{name}={value!r} cannot resume {path}: there {there.get(name)!r}; give that, or start anew"
            )


PLACE = ("steps", "tokens", "seconds", "losses", "history")


PICKLES = ("*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "pytorch_model*.bin")


def whole(path: Path) -> Path:
    """path, a file of a checkpoint. ValueError, in one line, where it is missing, or a pickle."""
    if path.is_file():
        return path
    folder = path.parent
    pickles = sorted(p for kind in PICKLES for p in folder.glob(kind))
    if folder.is_file() and any(folder.match(kind) for kind in PICKLES):
        pickles = [folder]
    if pickles:
        raise ValueError(f"{pickles[0]} is not opened: unpickling runs the code in a file; use safetensors")
    if folder.is_file():
        raise ValueError(f"checkpoint {folder} is a file; give the folder that it lies in")
    there = "has no" if folder.is_dir() else "is not there, nor its"
    raise ValueError(f"checkpoint {folder} {there} {path.name}; check the path, or use companion train")


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the notes of a safetensors file. ValueError, in one line, if missing or damaged."""
    try:
        with safe_open(whole(path), "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        pickled = path.read_bytes()[:2] in (b"PK", b"\x80\x02", b"\x80\x04")
        reason = "a pickle, which is never opened" if pickled else str(error)
        raise ValueError(f"{path} is no whole safetensors file ({reason}); copy or train it again") from None


def write_atomically(path: Path, write) -> None:
    """write(temporary path), then move it over path."""
    temporary = path.with_name(path.name + ".partial")
    write(temporary)
    os.replace(temporary, path)


def load_weights(model: nn.Module, weights: dict[str, torch.Tensor], path) -> None:
    """Copy weights into model. ValueError, in one line, where a name or a shape differs."""
    wanted = model.state_dict()
    for name in sorted(wanted.keys() | weights.keys()):
        shapes = [list(some[name].shape) if name in some else "none" for some in (weights, wanted)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{path} is of another model: {name} has shape {shapes[0]} there, {shapes[1]} here"
            )
    model.load_state_dict(weights)


def build_model(saved: dict, builders: dict[str, Callable], path: Path) -> nn.Module:
    """A new model of the architecture and configuration in saved, a parsed config.json."""
    try:
        fields = dict(saved["config"])
        build = builders[fields.pop("architecture")]
        return build(typing.get_type_hints(build)["config"](**fields))
    except KeyError as error:
        known = ", ".join(builders)
        raise ValueError(
            f"{path}: {error} is missing or unknown; architectures known here: {known}"
        ) from None
    except TypeError as error:
        raise ValueError(f"{path} is not a model configuration: {error}") from None


def load_checkpoint(folder, builders: dict[str, Callable] | None = None) -> tuple[nn.Module, Tokenizer, dict]:
    """(model, tokenizer, provenance) of a folder that save_checkpoint or train wrote.

    The model is on the CPU, in evaluation mode. builders: for each architecture's name the function from a
    configuration to a model; {"gpt2": gpt2} unless given. Raises ValueError, in one line, for a folder that
    is missing, incomplete, damaged, of an architecture without a builder, or of pickles, never opened.
    """
    folder = Path(folder)
    try:
        saved = json.loads(whole(folder / "config.json").read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(
            f"{folder / 'config.json'} is not whole JSON; copy it again, or train again"
        ) from None
    model = build_model(saved, {"gpt2": gpt2} if builders is None else builders, folder / "config.json")
    weights, notes = read_safetensors(folder / "model.safetensors")
    words = whole(folder / "tokenizer.json").read_bytes()
    if notes.get("fingerprint", fingerprint(saved["config"], words)) != fingerprint(saved["config"], words):
        raise ValueError(f"{folder}: model.safetensors belongs to another config.json or tokenizer.json")
    load_weights(model, weights, folder / "model.safetensors")
    return model.eval(), Tokenizer.load(folder / "tokenizer.json"), saved.get("provenance", {})


def steps_within(model, data: Corpus, config: TrainConfig, minutes: float) -> int:
    """How many steps of config, evaluations included, take about that many minutes here; at least 1.

    Trains a copy for two seconds or so. A token evaluated is counted as a third of one trained on: the pass
    forward. What on_eval takes is not counted.
    """
    if not 0 < minutes < math.inf:
        raise ValueError(f"minutes={minutes} must be above 0")
    check_fit(model, data, config)
    trainer = Trainer(deepcopy(model), data.train, config)
    with torch.random.fork_rng(devices=[]):
        for _ in range(3):  # the first ones are slower
            trainer.step()
        tokens, seconds = trainer.tokens, trainer.seconds
        while trainer.seconds - seconds < 2 and trainer.steps < 63:
            trainer.step()
    seconds, tokens = trainer.seconds - seconds, trainer.tokens - tokens
    evaluation = len(data.val.tokens) * seconds / tokens / 3
    step = seconds / (trainer.steps - 3) + evaluation / config.eval_every
    return max(1, int((60 * minutes - evaluation) / step))
