"""A trained model into data/models, its weights in float16, which halves its file.

    python benchmarks/ship.py "runs/instructions/course, kept" answerer --init data/models/village
    python benchmarks/ship.py runs/rewards/mean rewarded
    python benchmarks/ship.py runs/storyteller-2 storyteller --init runs/storyteller --mean

What the rounding costs is printed: bits per byte on the test split before and after. --init: what the model
began as, where its folder does not say so; --mean: ship the mean of both models' weights. Logs go along.
"""

import argparse
import shutil
from pathlib import Path

import torch

from companion import load
from companion.datasets import encode_documents
from companion.runtime.files.atomic import staged
from companion.runtime.storage.checkpoints import read_config, write_model
from companion.training import evaluate
from companion.village import DATA, load_split


def bits_per_byte(teller) -> float:
    split = encode_documents(load_split("test"), teller.tokenizer)
    return evaluate(teller.model, split, teller.model.config.context_length).bits_per_byte


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("--init")
    parser.add_argument("--mean", action="store_true")
    args = parser.parse_args()
    teller, to = load(args.folder, device="cpu"), DATA / "models" / args.name
    if args.mean:
        before = load(args.init, device="cpu").model.state_dict()
        mean = {name: (weight + before[name]) / 2 for name, weight in teller.model.state_dict().items()}
        teller.model.load_state_dict(mean)
    half = {name: weight.to(torch.float16) for name, weight in teller.model.state_dict().items()}
    about = read_config(args.folder)["provenance"] | {"dtype": "float16"}
    about |= {"init": args.init} if args.init else {}
    about |= {"mean": True} if args.mean else {}
    with staged(to) as new:
        write_model(new, teller.model, teller.tokenizer, about, half)
        for folder, name in ((args.folder, "log.jsonl"), (args.init, "log-before.jsonl")):
            if folder and (folder == args.folder or args.mean) and (Path(folder) / "log.jsonl").exists():
                shutil.copy(Path(folder) / "log.jsonl", new / name)
    print(f"bits per byte {bits_per_byte(teller):.4f}, rounded {bits_per_byte(load(to, device='cpu')):.4f}")


if __name__ == "__main__":
    main()
