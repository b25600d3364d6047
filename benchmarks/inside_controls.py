"""What chapter 14 says about the model that comes with the course, asked again with other data.

    OMP_NUM_THREADS=1 python benchmarks/inside_controls.py      # every row that is missing; ten minutes

Rows are appended to data/models/inside_controls.jsonl, and those that are there are skipped. `questions`: the
share of 100 other questions that is right without each list of heads. `pairs`: the same for all 120 pairs of
heads and 50 questions. `patches`: in 20 other pairs of stories, the least share of the answer that moves with
the state at the name, and the largest that moves with any other state. `probes`: the share of 600 new
questions in which a probe at the thing finds the holder, and names a person of the story, by layer, by the
number of questions that it is fitted on, and by its ridge. `changes`: of 30 things that change their holder
in stories of the validation split, how often the model changes the holder that it expects only once, at the
new name directly behind the thing (`once`); how often its last change is there (`last`); and at how many ends
of stories it expects the right one (`right`). The seed is the number of the first story.
"""

import itertools
import math
from functools import partial

import torch
from logs import add_missing

from companion import load
from companion.datasets import pad_batch
from companion.inside import ablate, ask, hidden_states, patch, probe
from companion.tokenization import END_OF_TEXT
from companion.village import DATA, KINDS, load_split
from companion.village.spots import holders, named_things
from companion.village.tasks import held, twins

LOG = DATA / "models" / "inside_controls.jsonl"
CUTS = [[], [(2, 1)], [(1, 0)], [(2, 1), (1, 0)], [(3, 0)], [(3, 1)], [(3, 0), (3, 1)]]
PROBE_DRAWN = 16_000
N_TEST = 600
FITTED_ON = (600, 1200, 2400, 4000)
RIDGES = (1e-4, 1e-2, 1e-1, 1.0)

teller = load(DATA / "models" / "village", device="cpu")
model, tokenizer = teller.model, teller.tokenizer
end = tokenizer.special_tokens[END_OF_TEXT]
names = [f" {name}" for name in KINDS["name"]]
token = {name: tokenizer.encode(name)[0] for name in names}


def row_of(question) -> list[int]:
    """The tokens of a question."""
    return [end, *tokenizer.encode(question.prompt)]


def short_questions(n: int, seed: int) -> list:
    """The n shortest of 200 questions, as the chapter's test has the shorter half."""
    return sorted(held(200, seed=seed), key=lambda question: len(question.prompt))[:n]


def measured(asked: list) -> dict:
    """The share of right answers among the people of each story, and the bits of the right name."""
    log_probs = ask(model, [row_of(question) for question in asked])  # (n, V)
    n_right, nats = 0, 0.0
    for i, question in enumerate(asked):
        of_people = {name: log_probs[i, token[name]].item() for name in question.choices}
        n_right += max(of_people, key=of_people.get) == question.answer
        nats -= of_people[question.answer]
    return {"right": round(n_right / len(asked), 3), "bits": round(nats / len(asked) / math.log(2), 2)}


def questions(seed: int) -> dict:
    """Other questions, without the chapter's heads."""
    asked = short_questions(100, seed)
    chance = sum(1 / len(question.choices) for question in asked) / len(asked)
    without = []
    for heads in CUTS:
        with ablate(model, heads):
            without.append({"heads": heads} | measured(asked))
    return {"chance": round(chance, 3), "without": without}


def pairs(seed: int) -> dict:
    """All pairs of heads, the pair with the fewest right answers first."""
    asked = short_questions(50, seed)
    found = []
    for heads in itertools.combinations(itertools.product(range(4), range(4)), 2):
        with ablate(model, heads):
            found.append({"heads": heads} | measured(asked))
    found.sort(key=lambda without: without["right"])
    return {"without": found}


@torch.no_grad()
def lead(question, pair) -> float:
    """The logit of the first answer of a pair minus that of the second."""
    logits = model(torch.tensor([row_of(question)]))[0, -1]  # (V,)
    return (logits[token[pair[0].answer]] - logits[token[pair[1].answer]]).item()


def patches(seed: int) -> dict:
    """Other pairs of stories that differ in one name."""
    at_name, elsewhere = [], []
    for pair in twins(20, seed=seed):
        own, others = row_of(pair[0]), row_of(pair[1])
        states = hidden_states(model, torch.tensor([others]))  # (L + 1, 1, T, C)
        first, second = lead(pair[0], pair), lead(pair[1], pair)
        for layer, position in itertools.product(range(4), range(len(own))):
            with patch(model, layer, [position], states[layer]):
                moved = (lead(pair[0], pair) - first) / (second - first)
            (elsewhere if own[position] == others[position] else at_name).append(moved)
    most_elsewhere = round(max(elsewhere, key=abs), 3)
    return {"pairs": 20, "least_at_name": round(min(at_name), 3), "most_elsewhere": most_elsewhere}


def probes(seed: int) -> dict:
    """Probes for the holder, fitted on more states and with other penalties."""
    single = [question for question in held(PROBE_DRAWN, seed) if len(named_things(question)) == 1]
    single = single[: max(FITTED_ON) + N_TEST]
    rows = [row_of(question) for question in single]
    by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = [None] * len(rows)
    for first in range(0, len(rows), 50):
        batch, _ = pad_batch([rows[i] for i in by_length[first : first + 50]], end)
        states = hidden_states(model, batch)  # (L + 1, 50, T, C)
        for place, i in enumerate(by_length[first : first + 50]):
            found[i] = states[:, place, len(rows[i]) - 1].clone()
    at_thing = torch.stack(found, dim=1)  # (L + 1, N, C)
    labels = torch.tensor([names.index(question.answer) for question in single])
    tested = single[-N_TEST:]
    chance = sum(1 / len(question.choices) for question in tested) / N_TEST
    results = []
    for layer, n, ridge in itertools.product((2, 3, 4), FITTED_ON, RIDGES):
        fitted = probe(at_thing[layer, :n], labels[:n], ridge)
        guesses = fitted(at_thing[layer, -N_TEST:]).argmax(-1)
        right = (guesses == labels[-N_TEST:]).double().mean().item()
        n_people = 0
        for question, number in zip(tested, guesses.tolist(), strict=True):
            n_people += names[number] in question.choices
        result = {"layer": layer, "fitted_on": n, "ridge": ridge, "right": round(right, 3)}
        results.append(result | {"people": round(n_people / N_TEST, 3)})
    return {"tested_on": N_TEST, "chance": round(chance, 3), "probes": results}


def expected_holders(ids: list[int], words: list[str], thing: str) -> list[str]:
    """Whom the model expects to have a thing, at each word from the first that names it."""
    people = sorted(name for name in KINDS["name"] if f" {name}" in words)
    asked = []
    for i in range(words.index(f" {thing}"), len(words)):
        asked.append([*ids[: i + 2], *tokenizer.encode(f" The {thing}")])
    of_people = ask(model, asked)[:, [token[f" {name}"] for name in people]]
    return [people[i] for i in of_people.argmax(1).tolist()]


def changes(first: int, n: int = 30, longest: int = 150) -> dict:
    """Things that change their holder: where the holder that the model expects changes."""
    found = {"things": 0, "once": 0, "last": 0, "right": 0}
    for text in load_split("val")[first:]:
        ids = [end, *tokenizer.encode(text)]
        words = [tokenizer.decode([number]) for number in ids[1:]]
        letters = [len("".join(words[: i + 1])) - 1 for i in range(len(words))]
        for thing in sorted(KINDS["thing"]):
            if f" {thing}" not in words or len(ids) > longest or found["things"] == n:
                continue
            if len({name for name in holders(text, thing, letters) if name}) < 2:
                continue
            expected = expected_holders(ids, words, thing)
            start = len(words) - len(expected)
            at_new_name = []  # for each change, whether it is at the new name directly behind the thing
            for i in range(1, len(expected)):
                if expected[i] != expected[i - 1]:
                    here = words[start + i - 1 : start + i + 1] == [f" {thing}", f" {expected[i]}"]
                    at_new_name.append(here)
            [holder] = holders(text, thing, [len(text) + 5])
            found["things"] += 1
            found["once"] += at_new_name == [True]
            found["last"] += at_new_name[-1:] == [True]
            found["right"] += expected[-1] == holder
        if found["things"] == n:
            break
    return found


SEEDS = {questions: (101, 102, 103), pairs: (101,), patches: (6, 50), probes: (140,), changes: (43,)}


def main() -> None:
    torch.set_num_threads(1)
    for control, seeds in SEEDS.items():
        for seed in seeds:
            add_missing(LOG, {"what": control.__name__, "seed": seed}, partial(control, seed))


if __name__ == "__main__":
    main()
