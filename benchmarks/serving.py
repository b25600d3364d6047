"""What a batch that rows join and leave gains, and what a server of it does under load: chapter 20's figures.

    OMP_NUM_THREADS=1 python benchmarks/serving.py          # every row that is missing, three minutes

A row of kind "batch" is 32 answers of 1 to 200 tokens drawn by lot, by the shipped answerer, or of 1 to 40
by an untrained model of GPT-2 small's shape: by continuous batching, by the same program in static batches,
or by chapter 8's generate. Steps, and tokens per second of CPU time, prompts read included, the best of three
runs in turn. One of kind "again" has the seconds of four runs of the answerer in each way, in turn, on
another day. One of kind "load" is clients that ask the answerer at once over HTTP on this machine, each
once, for up to 60 tokens: whole answers, refusals (429), seconds until the last had either, tokens per
second of wall time.
Rows are appended to data/models/serving.jsonl; those that are there are skipped.
"""

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

import torch
from decoding import SHAPES
from logs import add_missing, append_row, holds, machine, processor

from companion import load
from companion.caching import SlidingCache
from companion.generation import generate
from companion.gpt import gpt2
from companion.instructions import chat_ids
from companion.runtime.generation.sampling_arguments import seeded
from companion.serve.chat_requests import Limits
from companion.serve.server import running
from companion.serving import ContinuousBatch, Request
from companion.village import DATA
from companion.village.dialogues import orders

LOG = DATA / "models" / "serving.jsonl"
ANSWERS, SLOTS, CLIENTS = 32, (1, 4, 8), (1, 8, 40, 100)
TELLER = load(DATA / "models" / "answerer", "cpu")
ASKED = [order.messages[0] for order in orders(ANSWERS, seed=200)]


def requests(most: int) -> list[Request]:
    """Orders of stories, with answers of 1 to `most` tokens, drawn by lot."""
    rng = Random(20)
    prompts = [chat_ids([message], TELLER.tokenizer, reply=True) for message in ASKED]
    return [Request(ids, rng.randint(1, most), seed=i) for i, ids in enumerate(prompts)]


def batched(model, asked: list[Request], slots: int, continuous: bool) -> int:
    """Steps in which all are answered; static: nobody joins while somebody is in the batch."""
    batch, steps, waiting = ContinuousBatch(model, slots), 0, list(asked)
    while waiting or batch.rows:
        if continuous or not batch.rows:
            while waiting and len(batch.rows) < slots:
                batch.join(waiting.pop(0))
        batch.step()
        steps += 1
    return steps


def generated(model, asked: list[Request], slots: int) -> int:
    """Static batches by chapter 8's generate, where nobody can join or leave: each as long as its longest."""
    steps = 0
    for i in range(0, len(asked), slots):
        here = asked[i : i + slots]
        rows, longest = [torch.tensor(one.tokens) for one in here], max(one.max_new_tokens for one in here)
        generate(model, rows, longest, generator=seeded(i), cache=SlidingCache(model.config, len(here)))
        steps += longest
    return steps


KINDS = {"generate": generated}
KINDS |= {"static": partial(batched, continuous=False), "continuous": partial(batched, continuous=True)}


def measure_batches() -> None:
    torch.manual_seed(0)
    models = {
        "answerer": (TELLER.model, 200, SLOTS),
        "GPT-2's shape": (gpt2(SHAPES["GPT-2 124 M"]), 40, (8,)),
    }
    for name, (model, most, all_slots) in models.items():
        for slots in all_slots:
            key = {"kind": "batch", "model": name, "slots": slots}
            if holds(LOG, key):
                continue
            runs = {kind: [] for kind in KINDS}
            for _ in range(3):  # in turn, since others work on this machine
                for kind, serve in KINDS.items():
                    asked, begun = requests(most), time.process_time()
                    runs[kind].append((serve(model.eval(), asked, slots), time.process_time() - begun))
            tokens = sum(one.max_new_tokens for one in asked)
            for kind, found in runs.items():
                steps, seconds = min(found, key=lambda run: run[1])
                row = key | {"batching": kind, "answers": ANSWERS, "tokens": tokens, "steps": steps}
                row |= {"used": round(tokens / slots / steps, 4), "tokens_per_s": round(tokens / seconds, 1)}
                append_row(LOG, row | {"processor": processor(), "machine": machine()})


def measure_again(slots: int, rounds: int = 4) -> dict:
    """The answerer's two ways in turn, with the seconds of each round, to see how far the gain varies."""
    seconds = {"static": [], "continuous": []}
    for _ in range(rounds):
        for kind, taken in seconds.items():
            asked, begun = requests(200), time.process_time()
            KINDS[kind](TELLER.model.eval(), asked, slots)
            taken.append(round(time.process_time() - begun, 3))
    return {"seconds": seconds, "processor": processor()}


def ask(url: str, i: int) -> int:
    """Tokens of a client's answer, 0 for one that was refused."""
    body = {"model": "answerer", "messages": [ASKED[i % ANSWERS]], "seed": i, "max_tokens": 60}
    sent = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode())
    sent.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(sent, timeout=300) as answer:
            return json.load(answer)["usage"]["completion_tokens"]
    except urllib.error.HTTPError as error:
        if error.code != 429:
            raise
        return 0


def measure_load(clients: int, slots: int, waiting: int) -> dict:
    """Clients that ask the server at once."""
    limits = Limits(slots=slots, waiting=waiting, seconds=300)
    with running(TELLER, "answerer", limits) as url, ThreadPoolExecutor(clients) as pool:
        begun = time.perf_counter()
        tokens = list(pool.map(lambda i: ask(url, i), range(clients)))
        seconds = time.perf_counter() - begun
    row = {"answered": sum(n > 0 for n in tokens), "refused": tokens.count(0), "tokens": sum(tokens)}
    row |= {"seconds": round(seconds, 2), "tokens_per_s": round(sum(tokens) / seconds)}
    return row | {"processor": processor()}


if __name__ == "__main__":
    measure_batches()
    for slots in (4, 8):
        add_missing(
            LOG, {"kind": "again", "model": "answerer", "slots": slots}, partial(measure_again, slots)
        )
    for clients in CLIENTS:
        key = {"kind": "load", "clients": clients, "slots": 8, "waiting": 32}
        add_missing(LOG, key, partial(measure_load, clients, 8, 32))
