"""What a batch that rows join and leave gains, and what a server of it does under load: chapter 20's figures.

    OMP_NUM_THREADS=1 python tests/benchmarks/serving.py          # every row that is missing, five minutes
    python tests/benchmarks/serving.py --table                    # what is there

A row of kind "batch" is 32 answers of the shipped answerer, of 1 to 200 tokens drawn by lot, by continuous
batching or by generate, in static batches: steps, and tokens per second of CPU time, prompts read included,
the better of two runs in turn. One of kind "load" is clients that ask at once over HTTP on this machine, each
once, for up to 60 tokens: whole answers, refusals (429), seconds until the last had either, tokens per
second of wall time.
Rows are appended to data/models/serving.jsonl; those that are there are skipped.
"""

import argparse
import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from random import Random

import torch
from logs import append_row, holds, machine, read_rows

from companion import load
from companion.caching import SlidingCache
from companion.generation import generate
from companion.instructions import chat_ids
from companion.runtime.sampling import seeded
from companion.serve.questions import Limits
from companion.serve.server import running
from companion.serving import ContinuousBatch, Request
from companion.village import DATA
from companion.village.dialogues import orders

LOG = DATA / "models" / "serving.jsonl"
ANSWERS, MOST, SLOTS, CLIENTS = 32, 200, (1, 4, 8), (1, 8, 40, 100)
TELLER = load(DATA / "models" / "answerer", "cpu")
ASKED = [order.messages[0] for order in orders(ANSWERS, seed=200)]


def requests() -> list[Request]:
    """Orders of stories, with answers of lengths that do not depend on the model."""
    rng = Random(20)
    prompts = [chat_ids([message], TELLER.tokenizer, reply=True) for message in ASKED]
    return [Request(ids, rng.randint(1, MOST), seed=i) for i, ids in enumerate(prompts)]


def continuous(slots: int) -> tuple[int, int, float]:
    """Steps, tokens and seconds of CPU time, where rows join and leave."""
    batch, asked, steps = ContinuousBatch(TELLER.model, slots), requests(), 0
    waiting, begun = list(asked), time.process_time()
    while waiting or batch.rows:
        while waiting and len(batch.rows) < slots:
            batch.join(waiting.pop(0))
        batch.step()
        steps += 1
    return steps, sum(len(one.drawn) for one in asked), time.process_time() - begun


def static(slots: int) -> tuple[int, int, float]:
    """The same by chapter 8's generate, batch after batch: each as long as its longest row."""
    asked, steps, begun, config = requests(), 0, time.process_time(), TELLER.model.config
    for i in range(0, len(asked), slots):
        here = asked[i : i + slots]
        rows, longest = [torch.tensor(one.tokens) for one in here], max(one.max_new_tokens for one in here)
        generate(TELLER.model, rows, longest, generator=seeded(i), cache=SlidingCache(config, len(here)))
        steps += longest
    return steps, sum(one.max_new_tokens for one in asked), time.process_time() - begun


def measure_batches() -> None:
    for slots in SLOTS:
        kinds = {"continuous": continuous, "static": static}
        if holds(LOG, {"kind": "batch", "slots": slots}):
            continue
        runs = {kind: [] for kind in kinds}
        for _ in range(2):  # in turn, since others work on this machine
            for kind, serve in kinds.items():
                runs[kind].append(serve(slots))
        for kind, found in runs.items():
            steps, tokens, seconds = min(found, key=lambda run: run[2])
            row = {"kind": "batch", "batching": kind, "slots": slots, "answers": ANSWERS, "tokens": tokens}
            row |= {"steps": steps, "used": round(tokens / slots / steps, 4)}
            append_row(LOG, row | {"tokens_per_s": round(tokens / seconds), "machine": machine()})


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


def measure_load(slots: int = 8, waiting: int = 32) -> None:
    for clients in CLIENTS:
        row = {"kind": "load", "clients": clients, "slots": slots, "waiting": waiting}
        if holds(LOG, row):
            continue
        limits = Limits(slots=slots, waiting=waiting, seconds=300)
        with running(TELLER, "answerer", limits) as url, ThreadPoolExecutor(clients) as pool:
            begun = time.perf_counter()
            tokens = list(pool.map(lambda i, url=url: ask(url, i), range(clients)))
            seconds = time.perf_counter() - begun
        row |= {"answered": sum(n > 0 for n in tokens), "refused": tokens.count(0), "tokens": sum(tokens)}
        row |= {"seconds": round(seconds, 2), "tokens_per_s": round(sum(tokens) / seconds)}
        append_row(LOG, row | {"machine": machine()})


def table() -> None:
    for row in read_rows(LOG):
        print("  ".join(f"{name} {value}" for name, value in row.items() if name != "machine"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="print what is there, and no more")
    if not parser.parse_args().table:
        measure_batches()
        measure_load()
    table()
