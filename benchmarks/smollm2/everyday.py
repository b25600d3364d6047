"""How SmolLM2-135M scores the four endings of each question in data/everyday.jsonl (chapter 13).

    OMP_NUM_THREADS=1 python benchmarks/smollm2/everyday.py     # writes data/models/smollm2/everyday.json

For each question, in the order of the file, the log has a row with the name of its topic and four numbers
for each of three things, in the order of the endings: `sums` is the log-probability of the ending after the
context, in nats; `blind` is that after the topic alone ("Cooking:"), without the context; `bytes` is the
length of the ending with the space before it. About three minutes on one core.
"""

import json
from dataclasses import replace

from companion import load
from companion.evaluation import Example, choice_scores
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
        rows.append(row)
    return rows


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
