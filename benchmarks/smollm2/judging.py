"""SmolLM2-135M-Instruct as a judge of village stories, beside the village's own judge (chapter 13).

    OMP_NUM_THREADS=1 python benchmarks/smollm2/judging.py      # writes data/models/smollm2/judging.json

Each of the 100 pairs has two stories that the shipped model of the village told from the same first sentence,
at temperature 1. In one of them the village's judge finds a contradiction, in the other none. SmolLM2 reads
both in its own chat template and is asked which one has no contradiction, once with the true story as story A
and once with it as story B. The log has a row for each pair: the first sentence, the lengths of the true and
of the false story in characters, and for both orders the logit of the answer A minus that of the answer B
(`true_is_a`, `true_is_b`). About six minutes on one core.
"""

import json

import torch

from companion import load
from companion.generation import next_logits
from companion.village import DATA, judge, load_split

LOG = DATA / "models" / "smollm2" / "judging.json"
PAIRS = 100
STORIES = 8  # drawn for each first sentence, of which at most one pair is taken


def pairs() -> list[tuple[str, str, str]]:
    """First sentence, a story without a contradiction, and one with a contradiction."""
    teller = load(DATA / "models" / "village", device="cpu")
    found = []
    for seed, text in enumerate(load_split("val")):
        first = text.split(". ")[0] + "."
        true = []
        false = []
        for story, ended in teller.tell_many(STORIES, first, seed=seed, temperature=1.0):
            kinds = {verdict.kind for verdict in judge(story)}
            if ended and kinds == {"ok"}:
                true.append(story)
            elif ended and "contradiction" in kinds:
                false.append(story)
        if true and false:
            found.append((first, true[0], false[0]))
        if len(found) == PAIRS:
            break
    return found


@torch.no_grad()
def preference(teller, story_a: str, story_b: str) -> float:
    """The logit of the answer A minus that of the answer B, in the model's chat template."""
    question = (
        "Here are two stories. In one of them, a sentence contradicts an earlier sentence.\n\n"
        f"Story A: {story_a}\n\nStory B: {story_b}\n\n"
        "Which story has no contradiction? Answer with A or B."
    )
    ids = teller.tokenizer.chat([{"role": "user", "content": question}])
    logits = next_logits(teller.model, torch.tensor([ids]))[0]  # (V,)
    letter_a = teller.tokenizer.encode("A")[0]
    letter_b = teller.tokenizer.encode("B")[0]
    return round((logits[letter_a] - logits[letter_b]).item(), 3)


def main():
    found = pairs()
    teller = load("smollm2", device="cpu")
    rows = []
    for first, true, false in found:
        row = {"first": first, "true_length": len(true), "false_length": len(false)}
        row["true_is_a"] = preference(teller, true, false)
        row["true_is_b"] = preference(teller, false, true)
        rows.append(row)
    lines = ",\n".join(json.dumps(row) for row in rows)
    LOG.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
