"""Rows of our own in the formats of public benchmarks, and files of them."""

import csv
import gzip
import json

HELLASWAG = [
    {
        "ind": 4,
        "activity_label": "Baking bread",
        "ctx_a": "A woman kneads dough.",
        "ctx_b": "she",
        "ctx": "A woman kneads dough. she",
        "endings": ["puts it into the oven.", "sings [substeps] to  a horse.", "is a key.", "sleeps."],
        "label": 0,
    },
    {
        "ind": 5,
        "activity_label": "Home",
        "ctx_a": "[header] How to mend a kettle [title] Look at it. [step] Then wait.",
        "ctx_b": "",
        "ctx": "[header] How to mend a kettle [title] Look at it. [step] Then wait.",
        "endings": ["Fill it.", "Eat the stove.", "[title] Ask Mara.", "Run."],
        "label": "2",
    },
    {
        "ind": 6,
        "activity_label": "Walking",
        "ctx_a": "A boy walks to the pond.",
        "ctx_b": "the dog",
        "ctx": "A boy walks to the pond. the dog",
        "endings": ["follows.", "is a red lantern, and the boy reads it.", "flies home.", "was two."],
        "label": 1,
    },
]
ARC_HUB = [
    {
        "id": "a1",
        "question": "Which of these is warm?",
        "choices": {"text": ["ice", "a stove that burns", "snow"], "label": ["A", "B", "C"]},
        "answerKey": "B",
    },
    {
        "id": "a2",
        "question": "What do seeds need?",
        "choices": {"text": ["stone", "keys", "sand", "water"], "label": ["1", "2", "3", "4"]},
        "answerKey": "4",
    },
    {
        "id": "a3",
        "question": "Who has legs?",
        "choices": {"text": ["a bed", "the moon", "air", "a pond"], "label": ["A", "B", "C", "D"]},
        "answerKey": "A",
    },
]
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
MMLU = [
    {
        "question": " What is a shed?",
        "subject": "village_life",
        "choices": ["A place", "A person", "A tool", "A day"],
        "answer": 0,
    },
    {
        "question": "How many, and why: 2, 3?",
        "subject": "village_life",
        "choices": ["one", "five", 'none, "never"', "four"],
        "answer": 3,
    },
    {
        "question": "Who hid it?",
        "subject": "village_life",
        "choices": ["Mara", "Tom", "the dog", "no one"],
        "answer": 1,
    },
]
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
