"""The shipped model in four engines: how near its answers are to ours, and how long they take.

    pip install -e '.[serve,peers]' llama-cpp-python==0.3.36
    OMP_NUM_THREADS=1 python benchmarks/engines.py

Ours, transformers and onnxruntime in float32, llama.cpp in each kind that is written (keys and values in
float32, no flash attention), all on one thread. Bits per byte of 100 stories of the test split, with their
ends; how many greedy tokens behind the beginnings of 20 stories are ours; and kl, the nats a token by which
an engine's words differ from those of our model with the weights rounded as the file has them (kl_exact:
from our model as it is). Tokens a second of processor time: a prompt of 12 and 100 more; the engines take
turns, and the median is written. It writes data/models/engines.jsonl, a row for each.
"""

import json
import math
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
import torch
from logs import machine, processor

from companion import load
from companion.caching import KVCache
from companion.cli._shared import SHIPPED
from companion.generation import generate
from companion.gpt import gpt2
from companion.models.gguf_files import KINDS, write_gguf
from companion.models.onnx_graphs import FILE, OnnxModel, write_onnx
from companion.pretrained import save_pretrained
from companion.village import DATA, load_split

LOG = DATA / "models" / "engines.jsonl"
STORIES, ASKED, PROMPT, NEW, ROUNDS = 100, 20, 12, 100, 7


class Ours:
    """A model of ours, with its cache."""

    def __init__(self, model):
        self.model = model

    @torch.no_grad()
    def logits(self, ids: list[int]) -> torch.Tensor:
        """(T, V) of one text."""
        return self.model(torch.tensor([ids]))[0]

    def greedy(self, ids: list[int], n: int) -> list[int]:
        """The n likeliest tokens behind a text, one at a time."""
        cache = KVCache(self.model.config, 1)
        return generate(self.model, torch.tensor([ids]), n, temperature=0, cache=cache)[0].tolist()


class Transformers:
    """A folder of save_pretrained, read by transformers."""

    def __init__(self, folder: Path):
        import transformers

        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
        self.model.generation_config.eos_token_id = None  # it goes on past a story's end
        self.model.generation_config.pad_token_id = 0

    @torch.no_grad()
    def logits(self, ids: list[int]) -> torch.Tensor:
        return self.model(torch.tensor([ids])).logits[0]

    @torch.no_grad()
    def greedy(self, ids: list[int], n: int) -> list[int]:
        rows = torch.tensor([ids])
        mask = torch.ones_like(rows)
        told = self.model.generate(rows, attention_mask=mask, max_new_tokens=n, do_sample=False)
        return told[0, len(ids) :].tolist()


class Onnx:
    """A folder of write_onnx, run by onnxruntime on one thread."""

    def __init__(self, folder: Path):
        self.graph = OnnxModel(folder, threads=1)

    def logits(self, ids: list[int]) -> torch.Tensor:
        return self.graph.logits([ids])[0][0]

    def greedy(self, ids: list[int], n: int) -> list[int]:
        return self.graph.generate([ids], n)[0].tolist()


class LlamaCpp:
    """A GGUF file in llama.cpp on one thread, with keys and values in float32."""

    def __init__(self, path: Path, n_ctx: int = 256):
        import llama_cpp

        exact = {"type_k": 0, "type_v": 0, "flash_attn": False, "logits_all": True}
        alone = {"n_threads": 1, "n_threads_batch": 1, "n_ctx": n_ctx, "n_batch": n_ctx}
        self.llm = llama_cpp.Llama(str(path), verbose=False, **exact, **alone)

    def logits(self, ids: list[int]) -> torch.Tensor:
        self.llm.reset()
        self.llm.eval(ids)
        return torch.tensor(np.array(self.llm.scores[: len(ids)]))

    def greedy(self, ids: list[int], n: int) -> list[int]:
        self.llm.reset()
        drawn = self.llm.generate(ids, temp=0.0, top_k=1, repeat_penalty=1.0)
        return [next(drawn) for _ in range(n)]


def dequantized(model, path: Path):
    """A GPT-2 of ours with the numbers that a GGUF file holds, as the library gguf reads them."""
    tensors = {}
    for tensor in gguf.GGUFReader(path).tensors:
        numbers = torch.tensor(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        tensors[tensor.name] = numbers.view([int(size) for size in reversed(tensor.shape)])
    names = {"embed.token": "token_embd", "embed.position": "position_embd", "norm": "output_norm"}
    for i in range(model.config.n_layers):
        theirs = {"norm_1": "attn_norm", "attn.o_proj": "attn_output", "norm_2": "ffn_norm"}
        theirs |= {"mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
        names |= {f"blocks.{i}.{part}": f"blk.{i}.{name}" for part, name in theirs.items()}
        names |= {f"blocks.{i}.attn.{part}_proj": f"blk.{i}.{part}" for part in "qkv"}
        for end in ("weight", "bias"):
            for part, numbers in zip("qkv", tensors[f"blk.{i}.attn_qkv.{end}"].chunk(3), strict=True):
                tensors[f"blk.{i}.{part}.{end}"] = numbers
    other, state = gpt2(model.config).eval(), {}
    for name in other.state_dict():
        part, _, end = name.rpartition(".")
        state[name] = tensors[f"{names[part]}.{end}"]
    other.load_state_dict(state)
    return other


def compare(engine, stories: list[list[int]], n_bytes: int, *others) -> tuple[float, list[float]]:
    """An engine's bits per byte of stories, and the nats a token by which it differs from each other one."""
    nats, apart, n = 0.0, [0.0] * len(others), 0
    for ids in stories:
        found = engine.logits(ids[:-1]).double().log_softmax(-1)  # (T, V)
        nats -= found[torch.arange(len(found)), torch.tensor(ids[1:])].sum().item()
        n += len(found)
        for i, other in enumerate(others):
            wanted = other.logits(ids[:-1]).double().log_softmax(-1)
            apart[i] += (wanted.exp() * (wanted - found)).sum().item()
    return nats / math.log(2) / n_bytes, [one / n for one in apart]


def measure(folder: Path) -> list[dict]:
    """A row for each engine and format, whose files are written into a folder."""
    teller = load(SHIPPED, device="cpu")
    model, tokenizer, end = teller.model, teller.tokenizer, teller.end
    texts = load_split("test")[:STORIES]
    stories = [[end, *tokenizer.encode(text), end] for text in texts]
    n_bytes = sum(len(text.encode()) + 1 for text in texts)
    ours = Ours(model)
    save_pretrained(model, tokenizer, folder / "hf")
    write_onnx(model, tokenizer, folder / "onnx")
    made = [
        ("ours", "float32", SHIPPED / "model.safetensors", ours, ours),
        ("transformers", "float32", folder / "hf" / "model.safetensors", Transformers(folder / "hf"), ours),
        ("onnxruntime", "float32", folder / "onnx" / FILE, Onnx(folder / "onnx"), ours),
    ]
    for kind in KINDS:
        path = folder / f"{kind}.gguf"
        write_gguf(model, tokenizer, path, kind)
        made.append(("llama.cpp", kind, path, LlamaCpp(path), Ours(dequantized(model, path))))
    prompts = [ids[:PROMPT] for ids in stories[:ASKED]]
    speeds = {engine: [] for *_, engine, _ in made}
    for turn in range(ROUNDS):
        for engine in speeds:
            start = time.process_time()
            engine.greedy(prompts[turn], NEW)
            speeds[engine].append(NEW / (time.process_time() - start))
    wanted, rows = [ours.greedy(prompt, NEW) for prompt in prompts], []
    for name, form, path, engine, same_bits in made:
        bits, (apart, from_exact) = compare(engine, stories, n_bytes, same_bits, ours)
        told = [engine.greedy(prompt, NEW) for prompt in prompts]
        equal = sum(a == b for row in zip(told, wanted, strict=True) for a, b in zip(*row, strict=True))
        rows.append(
            {
                **{"engine": name, "format": form, "megabytes": round(path.stat().st_size / 1e6, 3)},
                **{"bits_per_byte": round(bits, 5), "stories": STORIES, "greedy_equal": equal},
                **{
                    "greedy": ASKED * NEW,
                    "kl": float(f"{apart:.2e}"),
                    "kl_exact": float(f"{from_exact:.2e}"),
                },
                "tokens_per_second": round(statistics.median(speeds[engine])),
                **{"version": version_of(name), "processor": processor(), "machine": machine()},
            }
        )
    return rows


def version_of(engine: str) -> str:
    """The version of an engine's library."""
    names = {"ours": "companion", "llama.cpp": "llama-cpp-python"}
    return f"{names.get(engine, engine)} {version(names.get(engine, engine))}"


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    LOG.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
