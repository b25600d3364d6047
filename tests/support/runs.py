"""Small trainings, which the tests of training and of checkpoints share."""

import random
import signal
from functools import partial

import pytest
import torch

from companion.gpt import GPTConfig, gpt2
from companion.runtime.runs import resuming
from companion.runtime.runs.resuming import restore
from companion.runtime.runs.validation import data_identity
from companion.training import TrainConfig, Trainer, load_checkpoint, training_batches

WORDS = "Mara Tom Ivy found gave lost a the red key lamp plum to at mill . , ! on under".split()


def texts(n, seed, shortest=4, longest=17):
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(shortest, longest))) for _ in range(n)]


def small_model(data, dropout=0.2, seed=3, **shape):
    torch.manual_seed(seed)
    fields = {"context_length": 29, "n_layers": 2, "n_heads": 3, "d_model": 15, "d_ff": 22} | shape
    return gpt2(GPTConfig(vocab_size=data.tokenizer.vocab_size, dropout=dropout, **fields))


def config(**changes) -> TrainConfig:
    fields = {"steps": 40, "batch_size": 3, "context_length": 29, "eval_every": 17, "seed": 4}
    fields |= {"dtype": "float32", "device": "cpu"} | changes
    return TrainConfig(**{"warmup_steps": min(5, fields["steps"])} | fields)


def trainer_of(model, data, settings, **options) -> Trainer:
    return Trainer(model, partial(training_batches, data.train, settings), settings, **options)


def save_run(folder, trainer, data) -> None:
    resuming.save_run(folder, trainer, data.tokenizer, data_identity(data), {"steps": trainer.steps})


def restore_run(trainer, folder, data) -> None:
    restore(trainer, folder, data_identity(data))


def same_weights(a, b) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def contents(folder) -> dict[str, bytes]:
    """The files of a folder, its locks aside; what a save left unfinished would show."""
    hidden = (".lock",)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in hidden}


def press_ctrl_c(*_):
    signal.raise_signal(signal.SIGINT)


def refuse(folder, match, **options):
    with pytest.raises(ValueError, match=match) as error:
        load_checkpoint(folder, **options)
    assert "\n" not in str(error.value)
