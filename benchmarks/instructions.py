"""A storyteller learns to answer: chapter 16's trainings, row by row.

    OMP_NUM_THREADS=1 python benchmarks/instructions.py             # every row that is missing
    python benchmarks/instructions.py --arm course    # one
    python benchmarks/instructions.py --arm sixty     # the page's trainings of 60 steps, some minutes
    python benchmarks/instructions.py --arm order     # the order of words in an answer, some minutes

Each row of data/models/instructions.jsonl is one training of the shipped model: `kinds` has the share of 50
held-out questions of each kind that were answered word for word, `refused` that of 200 questions without an
answer, `refused_wrongly` that of the 400 others; `told` is about 400 stories at temperature 0.8. Rows that
are there are skipped. Models are written to runs/instructions/ARM.

The rows `sixty` are the page's own trainings of 60 steps, with three seeds, and with seed 0 at half and at
twice the page's learning rate. Their models are not written. `right` is the share of 160 new questions,
`nats` the surprise at a token of 60 validation stories, `all` and `groups` the avoidable bits of their words,
with intervals as in benchmarks/excess.py. The rows `order` are 20 steps on questions about a role, whose
answers begin with the role or with the name; `right` is the share of 200 new ones.
"""

import argparse
import time
from functools import cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from chat_course import TYPED, asking_plainly, chat_course
from excess import group_of, read_once, with_intervals
from logs import add_missing

from companion import load
from companion.caching import SlidingCache
from companion.generation import LanguageModel
from companion.gpt import gpt2
from companion.instructions import (
    add_chat_tokens,
    answers,
    chat_rows,
    exact_matches,
    kept_loss,
    masked_batches,
    text_rows,
)
from companion.training import TrainConfig, Trainer, next_token_loss, save_checkpoint
from companion.village import DATA, abilities, fresh_stories, load_split
from companion.village.dialogues import (
    ASKED,
    NOBODY,
    asked,
    course,
    has_both,
    is_true,
    lessons,
    orders,
    summaries,
)
from companion.village.excess import word_losses

LOG = DATA / "models" / "instructions.jsonl"
MODELS = Path("runs") / "instructions"  # where each arm's model is written
SEED, BATCH, TRAIN, TEST = 0, 16, 160, 170
ARMS = {  # what is learned from, and for how many steps
    "before": {"steps": 0},
    "course": {"steps": 1000, "n": 8000, "from": 4000, "replay": 0.25, "lr": 1.5e-3},
    "questions": {"steps": 250, "n": 3000, "from": 2000, "replay": 0.0, "lr": 1.5e-3},
    "half way back": {"between": "course", "share": 0.5},
    "course, second half": {
        "after": "course",
        "steps": 800,
        "n": 8000,
        "from": 4000,
        "replay": 0.5,
        "lr": 1e-3,
    },
    "course, kept": {"steps": 2000, "n": 16000, "from": 8000, "unknown": 0.3, "keep": 3.0, "lr": 1e-3},
    "chat": {
        "after": "course, kept",
        "steps": 1000,
        "n": 16000,
        "from": 8000,
        "unknown": 0.3,
        "keep": 3.0,
        "lr": 1e-3,
    },
}


def with_late_kinds(n: int, seed: int, stories: int, unknown: float) -> list:
    """Conversations of chat_course, and for a quarter questions of the two kinds that are learned last."""
    late = lessons(n // 4, seed + 60, 3, unknown, stories, ("how many", "what color"), asking_plainly(TYPED))
    return chat_course(n - len(late), seed + 50, stories, unknown) + late


COURSES = {
    "questions": lessons,
    "chat": with_late_kinds,
}
"""What an arm's conversations are, if they are not `course`'s."""
SIXTY = (
    "replay",
    "a tenth of the rest",
    "kept",
    "before",
    "answers alone",
    "every token",
    "replay, a mean of its own",
    "as much of the rest",
    "three times the rest",
    "a quarter of the weight",
    "random weights",
)
"""The trainings of the page, and its controls."""
RESTS = {"a tenth of the rest": 0.1, "as much of the rest": 1.0, "three times the rest": 3.0}
"""The weight of the mean over the rest of the row, beside the mean over the answers."""
SIXTY_RATE, SIXTY_RATES, SIXTY_SEEDS = 2e-3, (1e-3, 4e-3), (0, 1, 2)
"""The page's learning rate, two others that are tried with seed 0, and the seeds at the page's rate."""
TEXTS = 8  # plain stories in a step, where the old model is kept to


@cache
def conversations(arm: str, n: int, stories: int, unknown: float = 0.2) -> list:
    found = COURSES.get(arm, course)(n, TRAIN, stories=stories, unknown=unknown)
    return [one.messages for one in found]


@cache
def tests() -> dict[str, list]:
    """The held-out questions by kind, 50 each; and 200 without an answer."""
    found = {kind: [] for kind in ASKED}
    for one in asked(400, TEST):
        found[one.kinds[0]].append(one.messages)
    return found | {"nobody": [one.messages for one in asked(200, TEST + 1, known=False)]}


def prepared(arm: str):
    """(teller, tokenizer with chat tokens, rows to learn from) of an arm."""
    a = ARMS[arm]
    teller = load(MODELS / a["after"] if "after" in a else DATA / "models" / "village", device="cpu")
    tokenizer = add_chat_tokens(teller.model, teller.tokenizer)
    dialogues = conversations(arm, a["n"], a["from"], a.get("unknown", 0.2))
    rows, replay = chat_rows(dialogues, tokenizer, 256, shorten=True), a.get("replay", 0)
    n_replay = round(replay / (1 - replay) * len(rows))
    rows += text_rows(fresh_stories(n_replay, TRAIN + 9 + ("after" in a)), tokenizer)
    return teller, tokenizer, rows


def trainer_of(arm: str, model, rows, dtype="float32") -> Trainer:
    a = ARMS[arm]
    config = TrainConfig(
        steps=a["steps"], batch_size=BATCH, lr=a["lr"], min_lr=0.0, warmup_steps=20, weight_decay=0.01,
        seed=SEED + ("after" in a), device="cpu", dtype=dtype,
    )  # fmt: skip
    if "keep" not in a:
        return Trainer(model, partial(masked_batches, rows, BATCH, SEED), config)
    old = load(DATA / "models" / "village", device="cpu")
    texts = text_rows(fresh_stories(4000, TRAIN + 9), old.tokenizer)

    def batches(first):
        return zip(
            *(masked_batches(*some, SEED, first) for some in ((rows, BATCH), (texts, TEXTS))), strict=True
        )

    return Trainer(model, batches, config, partial(kept_loss, old.model, a["keep"]))


def measured(model, tokenizer, all_kinds: bool = True, n_stories: int = 200) -> dict:
    """What a model answers and tells; all_kinds: orders and summaries, too."""
    right = {
        kind: exact_matches(model, chat_rows(of, tokenizer, 256)).float().mean().item()
        for kind, of in tests().items()
    }
    wrongly = [
        chat_rows([[*one[:-1], {"role": "assistant", "content": NOBODY}]], tokenizer, 256)[0]
        for kind, of in tests().items()
        if kind != "nobody"
        for one in of
    ]
    row = {"refused": right.pop("nobody"), "kinds": {kind: round(share, 3) for kind, share in right.items()}}
    row["all"] = round(sum(right.values()) / len(right), 4)
    row["refused_wrongly"] = exact_matches(model, wrongly).float().mean().item()
    row["told"] = plain(model, tokenizer, 400)
    if not all_kinds:
        return row
    wanted = [one.messages[:1] for one in orders(n_stories, TEST + 2)]
    completions = answers(model, tokenizer, wanted, 240, seed=1, temperature=0.8)
    both = [has_both(order[0]["content"], text) for order, (text, _) in zip(wanted, completions, strict=True)]
    with_both = [text for (text, ended), ok in zip(completions, both, strict=True) if ok]
    row["orders"] = {
        "ended": sum(ended for _, ended in completions) / len(completions),
        "both": sum(both) / len(both),
    }
    row["orders"]["consistent"] = abilities(with_both)["consistent"] if with_both else 0.0
    dialogues = [one.messages for one in summaries(100, TEST + 3)]
    said = answers(model, tokenizer, [one[:1] for one in dialogues], 40)
    stories = [one[0]["content"].rsplit(". ", 1)[0] + "." for one in dialogues]
    rows = chat_rows(dialogues, tokenizer, 256)
    row["summaries"] = {"same": exact_matches(model, rows).float().mean().item()}
    row["summaries"]["true"] = sum(is_true(s, t) for (s, _), t in zip(said, stories, strict=True)) / len(said)
    return row


def plain(model, tokenizer, n: int) -> dict:
    completions = LanguageModel(model, tokenizer, SlidingCache).tell_many(n, seed=3, temperature=0.8)
    ended = [text for text, done in completions if done]
    return {"ended": len(ended) / n, "consistent": abilities([text for text, _ in completions])["consistent"]}


def between(arm: str) -> dict:
    """The mean of the shipped model's weights and of those that another arm came to."""
    before = load(DATA / "models" / "village", device="cpu")
    tokenizer = add_chat_tokens(before.model, before.tokenizer)
    after = load(MODELS / ARMS[arm]["between"], device="cpu").model.state_dict()
    share, old = ARMS[arm]["share"], before.model.state_dict()
    before.model.load_state_dict({name: share * after[name] + (1 - share) * old[name] for name in old})
    found = measured(before.model, tokenizer, all_kinds=False)
    return ARMS[arm] | found


# ---- the trainings of the page ----------------------------------------------------------------------------


@cache
def page_conversations() -> list:
    """The conversations of the page: the shorter half of 720."""

    def length(lesson):
        return sum(len(message["content"]) for message in lesson.messages)

    made = sorted(lessons(720, seed=161, unknown=0.0, stories=720), key=length)
    return [one.messages for one in made[:360]]


def with_the_rest(weight: float, model, batch):
    """The loss on the answers with full weight, and this weight times the mean over the rest of the row."""
    (x, y), (_, all_targets) = batch  # (B, T) each
    each = F.cross_entropy(model(x).float().transpose(1, 2), all_targets, reduction="none")  # (B, T)
    answer = y != -100
    rest = (all_targets != -100) & ~answer
    count = int(answer.sum())
    return each[answer].sum() + weight * count * each[rest].mean(), count


def a_quarter(model, batch):
    """A quarter of the loss on the answers."""
    nats, count = next_token_loss(model, batch)
    return nats / 4, count


def with_replay(model, batch):
    """The loss on the answers, and half of the mean over the words of stories: kept_loss without a model."""
    conversations, texts = batch
    nats, count = next_token_loss(model, conversations)
    story_nats, n = next_token_loss(model, texts)
    return nats + 0.5 * count * story_nats / n, count


def sixty_steps(how: str, seed: int, lr: float = SIXTY_RATE) -> tuple:
    """(model, tokenizer) after one of the trainings of the page."""
    teller = load(DATA / "models" / "village", device="cpu")
    tokenizer = add_chat_tokens(teller.model, teller.tokenizer)
    if how == "before":
        return teller.model, tokenizer
    model = teller.model
    if how == "random weights":
        torch.manual_seed(seed)
        model = gpt2(teller.model.config)
    rows = chat_rows(page_conversations(), tokenizer, 256, shorten=True)
    every = [(ids, [i > 0 for i in range(len(ids))]) for ids, _ in rows]
    stories = text_rows(load_split("train")[:120], tokenizer)
    batch_size, batches, loss = 6, partial(masked_batches, rows, 6, seed), next_token_loss
    if how == "every token":
        batches = partial(masked_batches, every, 6, seed)
    elif how == "replay":
        batch_size = 8
        batches = partial(masked_batches, rows + stories, 8, seed)
    elif how == "a quarter of the weight":
        loss = a_quarter
    elif how in (*RESTS, "kept", "replay, a mean of its own"):
        others, n = (every, 6) if how in RESTS else (stories, 2)

        def batches(first):
            both = masked_batches(rows, 6, seed, first), masked_batches(others, n, seed, first)
            return zip(*both, strict=True)

        loss = partial(with_the_rest, RESTS[how]) if how in RESTS else with_replay
        if how == "kept":
            old = load(DATA / "models" / "village", device="cpu")
            loss = partial(kept_loss, old.model, 0.5)
    config = TrainConfig(
        steps=60, batch_size=batch_size, lr=lr, min_lr=0.0, warmup_steps=10, seed=seed, device="cpu",
        dtype="float32",
    )  # fmt: skip
    trainer = Trainer(model, batches, config, loss)
    for _ in range(config.steps):
        trainer.step()
    return model.eval(), tokenizer


@torch.no_grad()
def sixty_row(how: str, seed: int, lr: float) -> dict:
    """What one of the trainings of the page gained and lost."""
    with torch.enable_grad():
        model, tokenizer = sixty_steps(how, seed, lr)
    questions = chat_rows([one.messages for one in asked(160, seed=170)], tokenizer, 256, shorten=True)
    texts = load_split("val")[:60]
    nats, count = next_token_loss(model, next(masked_batches(text_rows(texts, tokenizer), 60)))
    losses = word_losses(LanguageModel(model, tokenizer), texts)
    return {
        "right": round(exact_matches(model, questions).float().mean().item(), 4),
        "nats": round((nats / count).item(), 4),
        **with_intervals(losses, lambda word: "all"),
        "groups": with_intervals(losses, group_of),
    }


def sixty() -> None:
    """The rows of the page's trainings that are missing."""
    read_once()
    for how in SIXTY:
        runs = [(seed, SIXTY_RATE) for seed in SIXTY_SEEDS] + [(SEED, lr) for lr in SIXTY_RATES]
        for seed, lr in runs if how != "before" else runs[:1]:
            key = {"arm": "sixty", "how": how, "seed": seed, "lr": lr}
            add_missing(LOG, key, partial(sixty_row, how, seed, lr))


# ---- the order of words in an answer -----------------------------------------------------------------------


def name_first(messages: list) -> list:
    """The same conversation, in which the answer about a role begins with the name."""
    changed = []
    for message in messages:
        words = message["content"].removesuffix(".").split()
        if message["role"] == "assistant" and words[:3] == ["It", "is", "the"]:
            message = {"role": "assistant", "content": f"{words[4]} is the {words[3]}."}
        changed.append(message)
    return changed


def order_row(first: str, lr: float, seed: int) -> dict:
    """The share of 200 questions that are right after 20 steps. Answers begin with the role or the name."""
    teller = load(DATA / "models" / "village", device="cpu")
    tokenizer = add_chat_tokens(teller.model, teller.tokenizer)

    def rows_of(conversations):
        texts = [name_first(one.messages) if first == "name" else one.messages for one in conversations]
        return chat_rows(texts, tokenizer, 256)

    taught = rows_of(lessons(120, seed=163, turns=1, unknown=0.0, stories=120, kinds=("who is",)))
    config = TrainConfig(
        steps=20, batch_size=6, lr=lr, min_lr=0.0, warmup_steps=10, seed=seed, device="cpu", dtype="float32"
    )
    trainer = Trainer(teller.model, partial(masked_batches, taught, 6, seed), config)
    for _ in range(config.steps):
        trainer.step()
    right = exact_matches(teller.model.eval(), rows_of(asked(200, seed=173, kinds=("who is",))))
    return {"right": round(right.float().mean().item(), 4)}


def order() -> None:
    """The rows of the order of words that are missing."""
    for lr in (SIXTY_RATES[0], SIXTY_RATE, SIXTY_RATES[1]):
        for seed in SIXTY_SEEDS:
            for first in ("role", "name"):
                key = {"arm": "order", "first": first, "seed": seed, "lr": lr}
                add_missing(LOG, key, partial(order_row, first, lr, seed))


def run_row(arm: str) -> dict:
    if "between" in ARMS[arm]:
        return between(arm)
    if not ARMS[arm]["steps"]:
        teller = load(DATA / "models" / "village", device="cpu")
        scores = plain(teller.model, teller.tokenizer, 400)
        return {"steps": 0, "told": scores}
    begun = time.process_time()
    teller, tokenizer, rows = prepared(arm)
    trainer = trainer_of(arm, teller.model, rows)
    prepared_in, begun = time.process_time() - begun, time.process_time()
    losses = []
    for step in range(trainer.config.steps):
        losses.append(trainer.step())
        if step % 50 == 49:
            print(arm, step + 1, round(sum(losses[-50:]) / 50, 4), flush=True)
    seconds = time.process_time() - begun
    teller.model.eval()
    row = ARMS[arm] | {"rows": len(rows), "early": round(sum(losses[:10]) / 10, 4)}
    row |= {"loss": [round(sum(losses[i : i + 50]) / 50, 4) for i in range(0, len(losses), 50)]}
    about = {"command": f"benchmarks/instructions.py --arm {arm!r}"}
    save_checkpoint(MODELS / arm, teller.model, tokenizer, about)
    row |= measured(teller.model, tokenizer, arm != "questions")
    return row | {"prepared": round(prepared_in, 1), "seconds": round(seconds, 1)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--arm", choices=[*ARMS, "sixty", "order"])
    args = parser.parse_args()
    if args.arm in (None, "sixty"):
        sixty()
    if args.arm in (None, "order"):
        order()
    for arm in ARMS:
        if args.arm in (None, arm):
            add_missing(LOG, {"arm": arm, "seed": SEED}, partial(run_row, arm))


if __name__ == "__main__":
    main()
