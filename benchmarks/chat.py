"""How a chat with the answerer survives strangers: what it declines, and what it still does.

    OMP_NUM_THREADS=1 python benchmarks/chat.py data/models/answerer          # measure, and add a row
    OMP_NUM_THREADS=1 python benchmarks/chat.py runs/instructions/chat --name chat
    OMP_NUM_THREADS=1 python benchmarks/chat.py runs/instructions/chat --prefer runs/instructions/preferred

`--prefer` trains instead of measuring: the model draws eight stories to each of many orders, of which a third
come after another order and its story, and a third are in other words. It learns by DPO to prefer those that
the judge finds true, that have what was ordered and that have SHORTEST sentences or more. Beside it, the
model learns true ordered stories and is kept to its own answers in conversations of `chat_course`.

Each row of data/models/chat.jsonl is one model. `declined` is the share of 560 messages of the kinds in
`HELD_OUT` in chat_course.py, of which no model learned, that were answered by `DECLINE`;
`declined_wrongly` that of 800 messages about the village: 400 questions after a story, 200 after a story that
does not answer, and 200 orders. `all`, `refused` and `orders` are as in instructions.jsonl. `after` and
`second` have the share of 200 orders whose story has both parts, at temperature 0.7: after one of the
held-out messages and the model's own answer to it, and after another order and the model's own story.
`examples` are the first 24 tokens of the answers to four messages.
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import torch
from chat_course import chat_course, held_out_messages, plain_orders, second_orders
from instructions import TEST, TRAIN, tests
from logs import add_missing

from companion import load
from companion.instructions import (
    answers,
    chat_end,
    chat_ids,
    chat_rows,
    exact_matches,
    kept_loss,
    masked_batches,
    newest_exchanges,
)
from companion.rewards import dpo_loss, token_log_probs
from companion.runtime.data.preference_pairs import matched_pairs, pair_batches
from companion.serve.orders import ordered_phrases
from companion.serve.village_words import missing
from companion.training import save_checkpoint
from companion.village import DATA, abilities
from companion.village.dialogues import (
    DECLINE,
    asked,
    has_both,
    orders,
    talk,
)
from companion.village.judge import judge
from companion.village.tasks import true_story

LOG = DATA / "models" / "chat.jsonl"
MESSAGES, ORDERED = 560, 200
STORY = 0.7  # temperature
EXAMPLES = ("Hi! Who are you?", "What is the capital of France?", "Tell me a joke.", "Tell me a story.")


def declines(said: str) -> bool:
    """Whether an answer is the sentence that declines."""
    return said.strip() == DECLINE


def share(found: list[bool]) -> float:
    """The share of True, to four digits."""
    return round(sum(found) / len(found), 4)


def of_strangers(model, tokenizer) -> dict:
    """What is declined of the held-out kinds."""
    messages = held_out_messages(MESSAGES, TEST + 10)
    said = answers(model, tokenizer, [talk(text) for _, text in messages], 40)
    return {"declined": share([declines(text) for text, _ in said])}


def of_the_village(model, tokenizer) -> dict:
    """What is declined of what the model can do."""
    dialogues = asked(400, TEST) + asked(200, TEST + 1, known=False) + orders(ORDERED, TEST + 2)
    said = answers(model, tokenizer, [one.messages[:1] for one in dialogues], 30)
    return {"declined_wrongly": share([declines(text) for text, _ in said])}


def of_questions(model, tokenizer) -> dict:
    """The share of questions after a story that are answered word for word."""
    right = {
        kind: exact_matches(model, chat_rows(of, tokenizer, 256)).float().mean().item()
        for kind, of in tests().items()
    }
    refused = round(right.pop("nobody"), 4)
    return {"all": round(sum(right.values()) / len(right), 4), "refused": refused}


def with_both(wanted: list, completions: list) -> list[str]:
    """The stories that have both parts of what was ordered."""
    pairs = zip(wanted, completions, strict=True)
    return [text for order, (text, _) in pairs if has_both(order[0]["content"], text)]


def of_orders(model, tokenizer) -> dict:
    """What stories to order are, at temperature 0.8: with both parts, and of these consistent."""
    wanted = [one.messages[:1] for one in orders(ORDERED, TEST + 2)]
    both = with_both(wanted, answers(model, tokenizer, wanted, 240, seed=1, temperature=0.8))
    consistent = round(abilities(both)["consistent"], 4) if both else 0.0
    return {"orders": {"both": len(both) / ORDERED, "consistent": consistent}}


def after_strangers(model, tokenizer) -> dict:
    """What follows a held-out message and the model's own answer to it."""
    messages = [text for _, text in held_out_messages(ORDERED, TEST + 11)]
    said = answers(model, tokenizer, [talk(text) for text in messages], 60)
    wanted = [one.messages[:1] for one in orders(ORDERED, TEST + 12)]
    ordered = []
    for text, (answer, _), order in zip(messages, said, wanted, strict=True):
        ordered.append(talk(text, answer or "?") + order)
    completions = answers(model, tokenizer, fitting(ordered, tokenizer), 200, seed=1, temperature=STORY)
    return {"after": {"both": len(with_both(wanted, completions)) / ORDERED}}


def after_a_story(model, tokenizer) -> dict:
    """What follows an order and the model's own story, when another story is ordered."""
    first = [one.messages[:1] for one in orders(ORDERED, TEST + 14)]
    then = [one.messages[:1] for one in orders(ORDERED, TEST + 15)]
    completions = answers(model, tokenizer, first, 200, seed=1, temperature=STORY)
    ordered = []
    for one, (text, _), two in zip(first, completions, then, strict=True):
        both = [*one, {"role": "assistant", "content": text}, *two]
        ordered.append(newest_exchanges(both, tokenizer, 257 - 32))  # as Chat does
    completions = answers(model, tokenizer, ordered, 200, seed=2, temperature=STORY)
    return {"second": {"both": len(with_both(then, completions)) / ORDERED}}


def fitting(conversations: list, tokenizer) -> list:
    """The conversations; where too little room is left for a story, the last message alone, as in a chat."""
    return [
        one if len(chat_rows([one[:2]], tokenizer, 256)[0][0]) < 100 else one[2:] for one in conversations
    ]


def row_of(folder: Path) -> dict:
    """Everything that is measured of the model in a folder."""
    teller = load(folder, device="cpu")
    model, tokenizer = teller.model.eval(), teller.tokenizer
    said = answers(model, tokenizer, [talk(text) for text in EXAMPLES], 24)
    row = {"examples": {text: answer for text, (answer, _) in zip(EXAMPLES, said, strict=True)}}
    for measure in (of_strangers, of_the_village, after_strangers, after_a_story, of_questions, of_orders):
        row |= measure(model, tokenizer)
        print(row, flush=True)
    return row


# -- a preference for true stories ---------------------------------------------------------------------------

ROUNDS, STEPS, PROMPTS, SIZE = 8, 8, 40, 8  # rounds, steps and orders a round, stories to an order
DRAWN = 5 * SIZE  # stories that are drawn at once
RATE, BETA, MIXED = 2e-4, 0.2, 1.5
SHORTEST = 6  # sentences, of a good story
AVERAGE = 0.3  # share of the weights as they were before, in the mean that is kept


def good_story(order: str, text: str, ended: bool) -> float:
    """1.0 for a true story that has what was ordered and SHORTEST sentences or more; else 0.0."""
    named = not missing(ordered_phrases(order), text)
    return true_story(text, ended) * named * (len(judge(text)) >= SHORTEST)


def drawn_pairs(model, tokenizer, wanted: list, seed: int) -> tuple[list, float]:
    """((order, better, worse) of new stories to these orders, the share of stories that are good)."""
    prompts = [order for order in wanted for _ in range(SIZE)]
    completions = []
    for first in range(0, len(prompts), DRAWN):
        some = prompts[first : first + DRAWN]
        completions += answers(model, tokenizer, some, 200, seed=1000 * seed + first, temperature=1.0)
    pairs, good = [], 0
    for i in range(0, len(completions), SIZE):
        order, group = prompts[i], completions[i : i + SIZE]
        scores = [good_story(order[-1]["content"], *one) for one in group]
        good += sum(scores)
        if len(set(scores)) > 1:
            pairs += [(order, *pair) for pair in matched_pairs(group, scores, SIZE)]
    return pairs, good / len(completions)


def log_probs(model, tokenizer, orders: list, completions: list) -> torch.Tensor:
    """The log-probability of each story after its order, (N,)."""
    rows = []
    for order, (text, ended) in zip(orders, completions, strict=True):
        prompt = chat_ids(order, tokenizer, reply=True)
        ids = [*prompt, *tokenizer.encode(text), *[chat_end(tokenizer)] * ended][:257]
        rows.append((ids, [False] * len(prompt) + [True] * (len(ids) - len(prompt))))
    longest = max(len(ids) for ids, _ in rows)
    tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])  # (N, T)
    mask = torch.tensor([marks + [False] * (longest - len(marks)) for _, marks in rows])  # (N, T)
    return token_log_probs(model, tokens).where(mask[:, 1:], 0.0).sum(1)


def prefer(folder: Path, output: Path) -> None:
    """Train the model in a folder to prefer true stories, and write it into another."""
    teller, before = load(folder, device="cpu"), load(folder, device="cpu").model.eval()
    model, tokenizer = teller.model, teller.tokenizer
    n = ROUNDS * (PROMPTS + STEPS * 8) // 3 + 1
    loose = plain_orders(n, TRAIN + 34)
    three = zip(orders(n, TRAIN + 30), second_orders(n, TRAIN + 32), loose, strict=True)
    wanted = iter([one.messages for some in three for one in some])
    chats = masked_batches(
        chat_rows([one.messages for one in chat_course(2000, TRAIN + 31)], tokenizer, 256, shorten=True), 16
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
    begun = time.process_time()
    for turn in range(ROUNDS):
        asked_now = [one[:-1] for one in islice(wanted, PROMPTS)]
        pairs, good = drawn_pairs(model.eval(), tokenizer, asked_now, turn)
        reference = load(folder, device="cpu").model.eval()
        reference.load_state_dict(model.state_dict())
        model.train()
        for step, some in enumerate(pair_batches(pairs, 16, STEPS, turn)):
            share_done = (turn * STEPS + step) / (ROUNDS * STEPS)
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - 0.9 * share_done)
            asked_for, better, worse = zip(*some, strict=True)
            with torch.no_grad():
                was = [log_probs(reference, tokenizer, asked_for, texts) for texts in (better, worse)]
            now = [log_probs(model, tokenizer, asked_for, texts) for texts in (better, worse)]
            true = next(masked_batches(chat_rows(list(islice(wanted, 8)), tokenizer, 256, shorten=True), 8))
            nats, count = kept_loss(before, 1.0, model, (true, next(chats)))
            loss = dpo_loss(*now, *was, BETA) + MIXED * nats / count
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        spent = round(time.process_time() - begun)
        print(f"round {turn}: {good:.3f} good, {len(pairs)} pairs, {spent} s", flush=True)
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            weight.lerp_(before.state_dict()[name], AVERAGE)
    about = {"init": str(folder), "command": f"benchmarks/chat.py {folder} --prefer {output}"}
    save_checkpoint(output, model.eval(), tokenizer, about)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", help="of the row (default: the folder's)")
    parser.add_argument("--prefer", type=Path, metavar="FOLDER", help="train, and write the model there")
    args = parser.parse_args()
    if args.prefer:
        prefer(args.folder, args.prefer)
        return
    name = args.name or args.folder.name
    add_missing(LOG, {"model": name}, lambda: row_of(args.folder))


if __name__ == "__main__":
    main()
