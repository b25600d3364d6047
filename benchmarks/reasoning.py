"""Questions that need several steps: a small GPT answers them with and without writing the steps.

    OMP_NUM_THREADS=1 python benchmarks/reasoning.py             # every row that is missing
    python benchmarks/reasoning.py --arm think --seed 1           # one
    python benchmarks/reasoning.py --table                        # what is there

Each row of data/models/reasoning.jsonl is one training on the same questions, from the long run's model
(`data/models/village`) or from scratch. An arm that thinks learns the simulator's steps and the answer, the
others learn the answer alone. `cells` has, for each kind of question and each number of steps, how many of
the held-out questions were asked, how many were answered rightly, and in how many of these the steps prove
the answer. `steps` counts the judge's verdicts, `false` the answers that follow a false step, `repaired`
those of the false steps that were repaired later. Some ten minutes on one core for the two arms of a seed.
Rates are not tuned: compare arms only where you have tried other rates (--lr).
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import torch
from logs import append_row, holds, machine, read_rows

import companion
from companion.caching import KVCache
from companion.evaluation import wilson_interval
from companion.generation import LanguageModel, generate
from companion.gpt import gpt2
from companion.instructions import masked_batches
from companion.training import TrainConfig, Trainer
from companion.village import DATA
from companion.village.reasoning import QUESTION_KINDS, StepQuestion, step_questions, trace
from companion.village.steps import judge_trace

LOG = DATA / "models" / "reasoning.jsonl"
BATCH = 16
LONGEST = 96  # tokens that a model may write; the simulator's longest traces have some 70
TRAIN, TEST = 1000, 900  # seeds of the questions; a training's own seed is added to the first
ARMS = {
    "answer": {"think": False, "scratch": False},
    "think": {"think": True, "scratch": False},
    "answer, from scratch": {"think": False, "scratch": True},
    "think, from scratch": {"think": True, "scratch": True},
}
FIRST_ARMS = ("answer", "think")


def fitting(teller: LanguageModel, questions: list[StepQuestion]) -> list[StepQuestion]:
    """The questions that leave room for their trace in the context window, about 99 in 100."""
    longest = teller.model.config.context_length - 2
    encode = teller.tokenizer.encode
    return [q for q in questions if len(encode(q.prompt)) + len(encode(trace(q))) <= longest]


def training_rows(teller: LanguageModel, questions: list[StepQuestion], think: bool) -> list[tuple]:
    """The questions as training rows, in which the trace and the answer are learned."""
    rows = []
    for question in questions:
        given = [*teller.begin, *teller.tokenizer.encode(question.prompt)]
        learned = [*teller.tokenizer.encode(trace(question, think)), teller.end]
        rows.append((given + learned, [False] * len(given) + [True] * len(learned)))
    return rows


def written(teller: LanguageModel, questions: list[StepQuestion]) -> list[str]:
    """What the model writes after each question at temperature 0."""
    texts = []
    for start in range(0, len(questions), 50):
        rows = [teller.encode(question.prompt)[0] for question in questions[start : start + 50]]
        room = teller.model.config.context_length - max(len(row) for row in rows)
        cache = KVCache(teller.model.config, len(rows))
        drawn = generate(teller.model, rows, min(room, LONGEST), 0.0, stop=teller.ends, cache=cache)
        texts += [text_before_end(teller, row) for row in drawn.tolist()]
    return texts


def text_before_end(teller: LanguageModel, row: list[int]) -> str:
    """The text of a row up to the token that ends it."""
    end = next((i for i, token in enumerate(row) if token in teller.ends), len(row))
    return teller.tokenizer.decode(row[:end])


def measured(questions: list[StepQuestion], texts: list[str]) -> dict:
    """How many answers are right, by kind and number of steps, and what the judge says of the steps."""
    asked, right, proved, verdicts = Counter(), Counter(), Counter(), Counter()
    false_before, false_steps, repaired = 0, 0, 0
    for question, text in zip(questions, texts, strict=True):
        verdict = judge_trace(question, text)
        cell = f"{question.kind} {len(question.steps)}"
        false = [step for step in verdict.steps if step.kind == "false"]
        asked[cell] += 1
        right[cell] += verdict.right
        proved[cell] += verdict.right and verdict.sound
        verdicts.update(step.kind for step in verdict.steps)
        false_before += bool(false)
        false_steps += len(false)
        repaired += sum(step.repaired for step in false)
    cells = {cell: [asked[cell], right[cell], proved[cell]] for cell in sorted(asked)}
    steps = dict(sorted(verdicts.items()))
    return {"cells": cells, "steps": steps, "false": false_before, "repaired": [repaired, false_steps]}


def run(arm: str, options: argparse.Namespace) -> dict:
    """One training, measured."""
    teller = companion.load(DATA / "models" / "village")
    torch.manual_seed(options.seed)
    if ARMS[arm]["scratch"]:
        teller = LanguageModel(gpt2(teller.model.config), teller.tokenizer)
    think = ARMS[arm]["think"]
    learned = fitting(teller, step_questions(options.questions, TRAIN + options.seed))
    held_out = fitting(teller, step_questions(options.asked, TEST))
    rows = training_rows(teller, learned, think)
    config = TrainConfig(
        steps=options.steps, batch_size=BATCH, lr=options.lr, seed=options.seed, device="cpu", dtype="float32"
    )
    begun = time.process_time()
    trainer = Trainer(
        teller.model, lambda first: masked_batches(rows, BATCH, options.seed, first=first), config
    )
    loss = 0.0
    for _ in range(options.steps):
        loss = trainer.step()
    row = {"arm": arm, "seed": options.seed, "steps_trained": options.steps, "lr": options.lr}
    row |= {"questions": len(learned), "loss": round(loss, 4)}
    row |= measured(held_out, written(teller, held_out))
    return row | {"seconds": round(time.process_time() - begun), "machine": machine()}


def by_steps(row: dict, kinds: tuple[str, ...]) -> str:
    """Accuracy by number of steps, in percent, with 95 % Wilson intervals."""
    parts = []
    for k in range(1, 7):
        cells = [row["cells"][f"{kind} {k}"] for kind in kinds if f"{kind} {k}" in row["cells"]]
        asked, right = (sum(cell[i] for cell in cells) for i in (0, 1))
        if asked:
            low, high = wilson_interval(right, asked)
            parts.append(f"{right / asked:4.0%} ({low:.0%} to {high:.0%})")
    return "  ".join(parts)


def table(row: dict) -> str:
    """A row as lines: all kinds together, then each."""
    lines = [f"{row['arm']}, seed {row['seed']}, {row['steps_trained']} steps, lr {row['lr']}"]
    lines += [f"  {'all':8}{by_steps(row, QUESTION_KINDS)}"]
    lines += [f"  {kind:8}{by_steps(row, (kind,))}" for kind in QUESTION_KINDS]
    right, proved = (sum(cell[i] for cell in row["cells"].values()) for i in (1, 2))
    lines += [f"  {right} right, {proved} of them proved by the steps; steps {row['steps']}"]
    return "\n".join([*lines, f"  repaired {row['repaired'][0]} of {row['repaired'][1]} false steps"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arm", choices=ARMS, help="one training (default: answer and think)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the training and its questions")
    parser.add_argument("--steps", type=int, default=1500, help="training steps")
    parser.add_argument("--lr", type=float, default=1.5e-3, help="learning rate")
    parser.add_argument("--questions", type=int, default=12000, help="questions to learn from")
    parser.add_argument("--asked", type=int, default=900, help="held-out questions")
    parser.add_argument("--log", type=Path, default=LOG, help="where rows are added")
    parser.add_argument("--table", action="store_true", help="show the log, and train nothing")
    options = parser.parse_args()
    if not options.table:
        for arm in [options.arm] if options.arm else FIRST_ARMS:
            key = {"arm": arm, "seed": options.seed, "steps_trained": options.steps, "lr": options.lr}
            if not holds(options.log, key):
                append_row(options.log, run(arm, options))
    for row in read_rows(options.log):
        print(table(row))


if __name__ == "__main__":
    main()
