"""Fewer bits a weight: what a reader notices, which part suffers, and how fast it is. Chapter 19's figures.

    OMP_NUM_THREADS=1 python benchmarks/quantization.py stories   # a quarter of an hour
    OMP_NUM_THREADS=1 python benchmarks/quantization.py avoidable # five minutes
    OMP_NUM_THREADS=1 python benchmarks/quantization.py parts     # a minute
    OMP_NUM_THREADS=1 python benchmarks/quantization.py damping   # a minute
    OMP_NUM_THREADS=1 python benchmarks/quantization.py controls  # a minute
    OMP_NUM_THREADS=1 python benchmarks/quantization.py speed     # needs transformers; two minutes

`stories`: the shipped model with the matrices of its blocks on a grid of so many bits, its token rows at 8
bits; `true` is the share of 1,000 ends (NUMBERS: others) of begun stories, at temperature 0.8, without a
contradiction, and `bits_per_byte` the loss on 500 test stories. group 0: a scale for a row; "matrix": for
all of it. inputs 14: all products are those of PyTorch's int8 kernel, and each input is two digits of 7 bits.
corrected: columns one after the other, errors pushed on, with the activations of 100 new stories.
`avoidable`: what the words of 300 of the test stories cost such models beyond what the perfect reader pays,
by kind of word, with intervals as in benchmarks/excess.py; `more` is what a kind costs beyond float32's.
`parts`:
the loss on 200 test stories with one kind of matrix alone at 3 bits, or with all of the blocks' at once
("blocks"); of the token rows also only where they
are looked up, and only where they score, and at 4 and 8 bits. `damping`: the loss on the same 200, corrected
with each damp. `controls`: the loss on 300 new stories with the matrices of the blocks at 3 and 4 bits,
in groups of 32: to nearest, with the largest weights of a group cut off where this lowers the squared error
of its weights, or corrected after three different hundreds of stories.
`speed`: tokens a second of processor time at batch 1 on GPT-2 small's shape, in turns with the GPT-2 of
transformers in float32; FBGEMM_ENABLE_INSTRUCTIONS=AVX2, with the variables that benchmarks/peers.py
names, shows a processor without AVX-512 and VNNI.
Rows are appended to data/models/quantization.jsonl; those that are there are skipped.
"""

import argparse
import copy
import itertools
import math
import os
import statistics
from functools import partial

import torch
from excess import group_of, read_once, with_intervals
from logs import add_missing, append_row, holds, machine, memory_speed, processor, processor_time
from rewards import asked, bits_per_byte, shipped, story_batch

from companion.lora import linear_layers
from companion.quantization import calibrate, corrected, quantize, restore, round_to_grid
from companion.runtime.models import quantization as int8_products
from companion.training import next_token_loss
from companion.village import DATA, floor, fresh_stories, load_split
from companion.village.excess import word_losses

LOG = DATA / "models" / "quantization.jsonl"
SEED, TABLES = 19, 8
STORIES = [(32, 0, False), (4, 32, True), (3, 32, False), (8, 0, False), (4, 32, False), (3, 32, True)]
STORIES += [(2, 32, False), (4, 0, False), (4, "matrix", False), (8, "matrix", False), (2, 32, True)]
STORIES = [{"bits": b, "group": g, "corrected": c, "inputs": 32} for b, g, c in STORIES]
STORIES.append({"bits": 8, "group": 0, "corrected": False, "inputs": 14})
NUMBERS = {32: 2000, 2: 300}
"""Stories asked for, where not 1,000."""
PARTS = ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj")
PARTS += ("token", "token, looked up", "token, scores", "blocks")
AVOIDABLE = [(32, 0, False), (8, 0, False), (4, 32, False), (3, 32, False), (3, 32, True), (2, 32, False)]
DAMPS = (0.01, 0.1, 0.3, 1.0)
NEW_SEED, NEW_STORIES = 77, 300
WAYS = [("nearest", 0), ("cut off", 0), ("corrected", SEED), ("corrected", 21), ("corrected", 22)]
"""How the controls round, and the seed of the stories that correct."""
ROUNDS, MANY = 5, int8_products.MANY


def batches(teller, texts: list[str]):
    """Whole stories, fifty at a time, as calibrate takes them."""
    for i in range(0, len(texts), 50):
        yield story_batch(teller, texts[i : i + 50])


def on_grid(weight, bits: int, group: int | str, gram=None):
    """A matrix rounded, as floats. gram: correct with it."""
    if group == "matrix":
        return restore(*round_to_grid(weight.reshape(1, -1), bits)).view_as(weight)
    kept = (
        round_to_grid(weight, bits, group or None)
        if gram is None
        else corrected(weight, gram, bits, group or None)
    )
    return restore(*kept)


def megabytes(model, bits: int, group: int | str) -> float:
    """What its file would hold: integers, scales of two bytes, and the rest in float32."""
    layers, table = linear_layers(model).values(), model.embed.token.weight
    total = sum(p.numel() for p in model.parameters()) * 4
    if bits == 32:
        return total / 1e6
    for weight in [layer.weight for layer in layers]:
        scales = 1 if group == "matrix" else weight.numel() // (group or weight.shape[1])
        total += weight.numel() * (bits / 8 - 4) + 2 * scales
    return (total + table.numel() * (TABLES / 8 - 4) + 2 * len(table)) / 1e6


@torch.no_grad()
def rounded(bits: int, group: int | str, correct: bool):
    """The shipped model with its matrices on a grid."""
    teller = shipped()
    if bits == 32:
        return teller
    grams = calibrate(teller.model, batches(teller, fresh_stories(100, SEED))) if correct else {}
    for layer in linear_layers(teller.model).values():
        layer.weight.copy_(on_grid(layer.weight, bits, group, grams.get(layer)))
    table = teller.model.embed.token.weight
    table.copy_(on_grid(table, TABLES, 0))
    return teller


def with_kernel():
    """The shipped model in 8 bits, where every product of a matrix is PyTorch's int8 kernel's."""
    teller = shipped()
    quantize(teller.model, 8)
    int8_products.MANY = 0
    probe = teller.model.head  # the token rows
    x = torch.randn(1, probe.in_features)
    if torch.equal(probe(x), torch.nn.functional.linear(x, probe.weight)):
        raise SystemExit("PyTorch has no int8 kernel here")
    return teller


def stories() -> None:
    for one in STORIES:
        add_missing(LOG, {"what": "stories"} | one, partial(stories_row, **one))


def stories_row(bits: int, group: int | str, corrected: bool, inputs: int) -> dict:
    """What a rounded model tells, and what its file holds."""
    kernel = inputs != 32
    teller = with_kernel() if kernel else rounded(bits, group, corrected)
    size = megabytes(teller.model if not kernel else shipped().model, bits, group)
    found = asked(teller, NUMBERS.get(bits, 1000), SEED)
    int8_products.MANY = MANY
    row = {name: found[name] for name in ("stories", "true", "interval", "words", "whole")}
    return row | {"megabytes": round(size, 3), "bits_per_byte": round(found["bits_per_byte"], 5)}


def avoidable() -> None:
    read_once()
    for bits, group, correct in AVOIDABLE:
        key = {"what": "avoidable", "bits": bits, "group": group, "corrected": correct}
        add_missing(LOG, key, partial(avoidable_row, bits, group, correct))


def avoidable_row(bits: int, group: int, correct: bool) -> dict:
    """The avoidable bits of the words of some stories, beside those of the shipped model."""
    texts = load_split("test")[:300]
    exact = word_losses(shipped(), texts)
    losses = word_losses(rounded(bits, group, correct), texts)
    return {
        "stories": len(texts),
        **with_intervals(losses, lambda word: "all", exact),
        "groups": with_intervals(losses, group_of, exact),
        "kinds": with_intervals(losses, lambda word: word.kind, exact),
    }


def matrices(model, part: str) -> list:
    """The layers of one kind; of the token rows, where they are looked up, where they score, or both."""
    table = model.embed.token
    if part == "blocks":
        return list(linear_layers(model).values())
    if not part.startswith("token"):
        return [layer for path, layer in linear_layers(model).items() if path.endswith(part)]
    if part == "token":
        return [table]
    model.head = torch.nn.Linear(*table.weight.T.shape, bias=False)  # the scores get rows of their own
    model.head.weight.copy_(table.weight)
    return [table if part == "token, looked up" else model.head]


def parts() -> None:
    for part, bits, group in [*((part, 3, 32) for part in PARTS), ("token", 4, 32), ("token", 8, 0)]:
        key = {"what": "parts", "part": part, "bits": bits, "group": group}
        add_missing(LOG, key, partial(parts_row, part, bits, group))


@torch.no_grad()
def parts_row(part: str, bits: int, group: int) -> dict:
    """The loss with one kind of matrix rounded, and without."""
    before = bits_per_byte(shipped(), 200)
    teller = shipped()
    chosen = matrices(teller.model, part)
    for layer in chosen:
        layer.weight.copy_(on_grid(layer.weight, bits, group))
    return {
        "numbers": sum(layer.weight.numel() for layer in chosen),
        "bits_per_byte": round(bits_per_byte(teller, 200), 5),
        "before": round(before, 5),
    }


def damping() -> None:
    base = shipped()
    grams = calibrate(base.model, batches(base, fresh_stories(100, SEED)))
    for bits, damp in itertools.product((4, 3), DAMPS):
        key = {"what": "damping", "bits": bits, "group": 32, "damp": damp}
        add_missing(LOG, key, partial(damping_row, base, grams, bits, damp))


@torch.no_grad()
def damping_row(base, grams: dict, bits: int, damp: float) -> dict:
    """The loss with the matrices corrected, the token rows at 8 bits."""
    teller = rounded(8, 0, False)
    layers = zip(linear_layers(teller.model).values(), linear_layers(base.model).values(), strict=True)
    for layer, exact in layers:
        layer.weight.copy_(restore(*corrected(exact.weight, grams[exact], bits, 32, damp)))
    return {"bits_per_byte": round(bits_per_byte(teller, 200), 5)}


def cut_off(weight, bits: int, group: int):
    """A matrix rounded with the scale of each group that has the least squared error, as floats."""
    n = 2 ** (bits - 1) - 1
    groups = weight.unflatten(1, (-1, group))  # (out, in / group, group)
    largest = groups.abs().amax(-1, keepdim=True)
    best, least = groups, torch.full_like(largest, torch.inf)
    for share in torch.arange(0.4, 1.01, 0.05).tolist():
        scale = share * largest / n
        tried = (groups / scale).round().clamp(-n, n) * scale
        error = (tried - groups).square().sum(-1, keepdim=True)
        best, least = torch.where(error < least, tried, best), torch.minimum(error, least)
    return best.flatten(1)


def controls() -> None:
    for bits, (way, seed) in itertools.product((4, 3), WAYS):
        key = {"what": "controls", "bits": bits, "group": 32, "way": way, "calibrated_on": seed}
        add_missing(LOG, key, partial(controls_row, bits, way, seed))


@torch.no_grad()
def controls_row(bits: int, way: str, seed: int) -> dict:
    """The loss on new stories, before and after the matrices of the blocks are rounded in one way."""
    texts = list(fresh_stories(NEW_STORIES, NEW_SEED))
    base = shipped()

    def loss(model) -> float:
        """Bits per byte on the new stories."""
        nats = sum(next_token_loss(model, batch)[0].item() for batch in batches(base, texts))
        return round(nats / math.log(2) / sum(len(text.encode()) + 1 for text in texts), 5)

    grams = {}
    if way == "corrected":
        grams = calibrate(base.model, batches(base, fresh_stories(100, seed)))
    model = shipped().model
    layers = zip(linear_layers(model).values(), linear_layers(base.model).values(), strict=True)
    for layer, from_layer in layers:
        if way == "cut off":
            layer.weight.copy_(cut_off(from_layer.weight, bits, 32))
        else:
            layer.weight.copy_(on_grid(from_layer.weight, bits, 32, grams.get(from_layer)))
    return {"bits_per_byte": loss(model), "before": loss(base.model), "floor": round(floor(texts), 5)}


def speed() -> None:
    import transformers
    from decoding import SHAPES, bytes_moved, our_loop, peer, their_loop

    from companion.gpt import gpt2

    isa = os.environ.get("FBGEMM_ENABLE_INSTRUCTIONS", "all")
    key = {"what": "speed", "threads": torch.get_num_threads(), "instructions": isa, "processor": processor()}
    if holds(LOG, key):
        return
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    shape, new = SHAPES["GPT-2 124 M"], 12
    plain = gpt2(shape).eval()
    theirs, kept = peer(plain), copy.deepcopy(plain)
    models = {"float32": plain, "8 bits": quantize(kept, 8)}
    moved = {"float32": bytes_moved(plain, 1, new), "8 bits": sum(t.nbytes for t in kept.buffers())}
    tokens = torch.randint(1, 1024, (1, 8), generator=torch.Generator().manual_seed(1))
    works = {name: lambda model=model: our_loop(model, tokens, new) for name, model in models.items()}
    works["transformers"] = lambda: their_loop(theirs, tokens, new)
    for work in works.values():
        work()
    memory, times = memory_speed(), {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(processor_time(work))
    for name in models:
        ratio = statistics.median(b / a for a, b in zip(times[name], times["transformers"], strict=True))
        rate = new / statistics.median(times[name])
        row = key | {"kept": name, "tokens_per_second": round(rate, 1), "ratio": round(ratio, 2)}
        row |= {"bandwidth": round(rate * moved[name] / memory, 3), "memory": round(memory / 1e9, 1)}
        append_row(LOG, row | {"machine": machine()})
        print(row, flush=True)


ARMS = {"stories": stories, "avoidable": avoidable, "parts": parts, "damping": damping, "controls": controls}
ARMS["speed"] = speed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("arm", nargs="*", choices=[*ARMS, []], default=[])
    for arm in parser.parse_args().arm or ARMS:
        ARMS[arm]()


if __name__ == "__main__":
    main()
