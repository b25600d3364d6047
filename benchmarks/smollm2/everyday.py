"""How SmolLM2-135M scores the four endings of each question in data/everyday.jsonl (chapter 13).

    OMP_NUM_THREADS=1 python benchmarks/smollm2/everyday.py     # writes data/models/smollm2/everyday.json

For each question, in the order of the file, the log has a row with the name of its topic and four numbers
for each of three things, in the order of the endings: `sums` is the log-probability of the ending after the
context, in nats; `blind` is that after the topic alone ("Cooking:"), without the context; `bytes` is the
length of the ending with the space before it. `letter` is the most probable of A, B, C and D where the
question is asked in a chat. About five minutes on one core.
"""

import json
from dataclasses import replace

import torch

from companion import load
from companion.evaluation import Example, choice_scores
from companion.generation import next_logits
from companion.village import DATA

LOG = DATA / "models" / "smollm2" / "everyday.json"


def measure(teller, items) -> list[dict]:
    """One row of the log for each item."""
    blind_items = [replace(item, prompt=topic_of(item) + ":") for item in items]
    sums = choice_scores(teller, items)
    blind = choice_scores(teller, blind_items)
    rows = []
    for item, with_context, without in zip(items, sums, blind, strict=True):
        row = {"topic": topic_of(item)}
        row["sums"] = [round(score, 3) for score in with_context.tolist()]
        row["blind"] = [round(score, 3) for score in without.tolist()]
        row["bytes"] = [len(choice.encode()) for choice in item.choices]
        row["letter"] = letter_of(teller, item)
        rows.append(row)
    return rows


@torch.no_grad()
def letter_of(teller, item) -> str:
    """The letter that the model prefers as its answer, in the chat's template."""
    lines = [item.prompt + " …"]
    for letter, choice in zip("ABCD", item.choices, strict=True):
        lines.append(letter + "." + choice)
    lines.append("Which ending is right? Answer with A, B, C or D.")
    ids = teller.tokenizer.chat([{"role": "user", "content": "\n".join(lines)}])
    logits = next_logits(teller.model, torch.tensor([ids]))[0]  # (V,)
    letters = [teller.tokenizer.encode(letter)[0] for letter in "ABCD"]
    return "ABCD"[int(logits[letters].argmax())]


def topic_of(item) -> str:
    """The activity label, which stands before the first colon of the prompt."""
    return item.prompt.split(":")[0]


def read_questions() -> list[Example]:
    """The 200 questions, as chapter 13 reads them."""
    items = []
    for line in (DATA / "everyday.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        choices = tuple(" " + ending for ending in row["endings"])
        items.append(Example(f"{row['activity_label']}: {row['ctx']}", choices, choices[row["label"]]))
    return items


def main():
    items = read_questions()
    rows = measure(load("smollm2", device="cpu"), items)
    lines = ",\n".join(json.dumps(row) for row in rows)
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
