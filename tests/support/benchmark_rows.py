"""Rows of our own in the formats of public benchmarks, and files of them."""

import csv
import gzip
import json

from support.cases import cases

CASES = cases(__file__)

HELLASWAG = CASES["hellaswag"]
ARC_HUB = CASES["arc hub"]
ARC = [
    {
        "id": row["id"],
        "question": {
            "stem": row["question"],
            "choices": [
                {"text": text, "label": label} for text, label in zip(*row["choices"].values(), strict=True)
            ],
        },
        "answerKey": row["answerKey"],
    }
    for row in ARC_HUB
]
MMLU = CASES["mmlu"]
GSM8K = [
    {"question": "Mara has 2 keys and finds 3. How many?", "answer": "She has 2 + 3 = <<2+3=5>>5.\n#### 5"},
    {"question": "A barn costs 1,000 and a bell 200?", "answer": "It is 1,200.\n#### $1,200"},
    {"question": "It is 3 below, and falls by 4.", "answer": "-3 - 4 = -7\n#### -7"},
]
LAMBADA = [
    {"text": "Mara had a key. Tom asked for it, so she gave the key to Tom"},
    {"text": "Nobody saw the dog. They called, and at last came the dog"},
    {"text": "It was, she said, a “very” cold day"},
]
ROWS = {"hellaswag": HELLASWAG, "arc": ARC_HUB, "mmlu": MMLU, "gsm8k": GSM8K, "lambada": LAMBADA}


def write(path, rows):
    """A file of these rows, JSON Lines or, where its name ends so, packed; its name."""
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def write_mmlu_csv(path, rows=MMLU):
    """MMLU's own form: no header; question, four choices, letter."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [[row["question"], *row["choices"], "ABCD"[row["answer"]]] for row in rows]
        )
    return str(path)
