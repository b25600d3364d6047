"""How a chat with the answerer survives strangers: what it declines, and what it still does.

    OMP_NUM_THREADS=1 python benchmarks/chat.py data/models/answerer          # measure, and add a row
    OMP_NUM_THREADS=1 python benchmarks/chat.py runs/instructions/chat --name chat
    OMP_NUM_THREADS=1 python benchmarks/chat.py runs/instructions/chat --prefer runs/instructions/preferred

`--prefer` trains instead of measuring: the model draws eight stories to each of many orders, of which a third
come after another order and its story, and a third are in other words. It learns by DPO to prefer those that
the judge finds true, that have what was ordered and that have SHORTEST sentences or more. Beside it, the
model learns true ordered stories and is kept to its own answers in conversations of `chat_course`.

Each row of data/models/chat.jsonl is one model. `declined` is the share of 560 messages of the kinds in
`companion.village.strangers.HELD_OUT`, of which no model learned, that were answered by `DECLINE`, `kinds`
that of each kind; `declined_wrongly` that of 800 messages about the village: 400 questions after a story,
200 after a story that does not answer, and 200 orders. `all`, `refused` and `orders` are as in
instructions.jsonl. `after` is what follows one of the held-out messages and the model's own answer to it:
the share of 200 orders whose story has both parts (`both`, at temperature 0.7; `greedy`, at temperature 0),
and of 200 questions after a story that were right word for word. `plain` is the share of 40 questions of a
wording that were right word for word, asked after an order and a new story as people type them; `held out`
are wordings of which no model learned. `loose` is about 160 orders in other words of which no model learned,
at temperature 0: the share of stories that have what was ordered, of those that are also true to their end,
the mean number of sentences, and the share of stories with fewer than five; `ordered` is the same for 100
orders in the usual words. `lacking` is the share of 100 orders and questions with a word that the village
lacks, and that no model learned, that were declined. `second` is about 200 orders after an order
and the model's own story: the share of new stories that have both parts, and that came to an end. `examples`
are the first 24 tokens of the answers to four messages.
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import torch
from instructions import TEST, TRAIN, tests
from logs import append_row, holds, machine

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
from companion.serve.village_words import missing, ordered_phrases
from companion.training import save_checkpoint
from companion.village import DATA, abilities
from companion.village.dialogues import (
    ASKED,
    HELD_OUT_ORDERS,
    HELD_OUT_PLAIN,
    LOOSE_ORDERS,
    PLAIN,
    asked,
    asked_as,
    chat_course,
    facts_of,
    has_both,
    lacking,
    orders,
    second_orders,
    talk,
)
from companion.village.judge import judge, state_of
from companion.village.strangers import DECLINE, HELD_OUT_LACKED, held_out_messages
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
    kinds: dict[str, list[bool]] = {}
    for (kind, _), (text, _) in zip(messages, said, strict=True):
        kinds.setdefault(kind, []).append(declines(text))
    return {
        "declined": share([one for found in kinds.values() for one in found]),
        "kinds": {kind: share(found) for kind, found in kinds.items()},
    }


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


def of_orders(model, tokenizer) -> dict:
    """What stories to order are, at temperature 0.8: ended, with both parts, and of these consistent."""
    wanted = [one.messages[:1] for one in orders(ORDERED, TEST + 2)]
    told = answers(model, tokenizer, wanted, 240, seed=1, temperature=0.8)
    both = [
        text for order, (text, _) in zip(wanted, told, strict=True) if has_both(order[0]["content"], text)
    ]
    return {
        "ended": share([ended for _, ended in told]),
        "both": round(len(both) / len(told), 4),
        "consistent": round(abilities(both)["consistent"], 4) if both else 0.0,
    }


def after_strangers(model, tokenizer) -> dict:
    """What follows a held-out message and the model's own answer to it."""
    messages = [text for _, text in held_out_messages(ORDERED, TEST + 11)]
    said = answers(model, tokenizer, [talk(text) for text in messages], 60)
    begun = [talk(text, answer or "?") for text, (answer, _) in zip(messages, said, strict=True)]
    wanted = [one.messages[:1] for one in orders(ORDERED, TEST + 12)]
    ordered = [first + then for first, then in zip(begun, wanted, strict=True)]
    found = {}
    for name, temperature in (("both", STORY), ("greedy", 0)):
        told = answers(model, tokenizer, fitting(ordered, tokenizer), 200, seed=1, temperature=temperature)
        found[name] = share(
            [has_both(then[0]["content"], text) for then, (text, _) in zip(wanted, told, strict=True)]
        )
    rows = [
        first + one.messages
        for first, one in zip(begun, asked(ORDERED, TEST + 13), strict=True)
        if len(chat_rows([first], tokenizer, 256)[0][0]) < 100
    ]
    found["questions"] = share(exact_matches(model, chat_rows(rows, tokenizer, 256)).tolist())
    return {"after": found}


def after_a_story(model, tokenizer) -> dict:
    """What follows an order and the model's own story, when another story is ordered."""
    first = [one.messages[:1] for one in orders(ORDERED, TEST + 14)]
    then = [one.messages[:1] for one in orders(ORDERED, TEST + 15)]
    told = answers(model, tokenizer, first, 200, seed=1, temperature=STORY)
    ordered = []
    for one, (text, _), two in zip(first, told, then, strict=True):
        both = [*one, {"role": "assistant", "content": text}, *two]
        ordered.append(newest_exchanges(both, tokenizer, 257 - 32))  # as Chat does
    told = answers(model, tokenizer, ordered, 200, seed=2, temperature=STORY)
    both = [has_both(two[0]["content"], text) for two, (text, _) in zip(then, told, strict=True)]
    return {"second": {"both": share(both), "ended": share([ended for _, ended in told])}}


TYPINGS = {
    "": str,
    ", no mark": lambda text: text.rstrip("?."),
    ", small": lambda text: text.rstrip("?.").lower(),
}
"""How a plain question is typed: as it stands, without its mark, or in small letters and without it."""


def plain_questions(n: int = 40) -> dict[str, list]:
    """For each wording n conversations: an order, its new story, the question, and the answer."""
    told = []
    for one in orders(1500, TEST + 16):
        if len(one.messages[1]["content"]) < 750:  # it leaves room in the context
            told.append((one.messages, facts_of(state_of(one.messages[1]["content"]))))
    wordings = []
    for kind in ASKED:
        for wording in dict.fromkeys((*ASKED[kind].wordings, *PLAIN[kind])):
            wordings.append((kind, wording, wording, str))
        for wording in HELD_OUT_PLAIN[kind]:
            wordings.append((kind, f"held out: {wording}", wording, str))
    for kind, wording in (
        ("who has", "Who has the {x}?"),
        ("where is somebody", "Where is {x}?"),
        ("where is the thing", "Where is the {x}?"),
        ("who is", "Who is {y}?"),
    ):
        for name, typing in TYPINGS.items():
            if name:
                wordings.append((kind, wording + name, wording, typing))
    found: dict[str, list] = {}
    for kind, name, wording, typing in wordings:
        found[f"{kind}: {name}"] = here = []
        for i, (messages, facts) in enumerate(told):
            if len(here) < n and facts[kind]:
                x, y, z = facts[kind][i % len(facts[kind])]
                question = typing(asked_as(wording, (x, y, z), facts))
                here.append(messages + talk(question, ASKED[kind].answer.format(x=x, y=y, z=z)))
    return found


def of_plain_questions(model, tokenizer) -> dict:
    """The share of plain questions that are answered word for word, by wording."""
    shares = {}
    for name, conversations in plain_questions().items():
        rows = []
        for ids, learned in chat_rows(conversations, tokenizer, 256):
            last = len(ids) - learned[::-1].index(False) - 1  # what begins the last answer
            rows.append((ids, [mark and i > last for i, mark in enumerate(learned)]))
        shares[name] = share(exact_matches(model, rows).tolist())
    return {"plain": shares}


def told_at_zero(model, tokenizer, wanted: list[str]) -> dict:
    """What stories to these orders are at temperature 0."""
    told = answers(model, tokenizer, [talk(order) for order in wanted], 240)
    named = [not missing(ordered_phrases(order), text) for order, (text, _) in zip(wanted, told, strict=True)]
    true = [ok and true_story(*one) > 0 for ok, one in zip(named, told, strict=True)]
    sentences = [len(judge(text)) for text, _ in told]
    return {
        "named": share(named),
        "true": share(true),
        "sentences": round(sum(sentences) / len(sentences), 2),
        "short": share([n < 5 for n in sentences]),
    }


def of_other_orders(model, tokenizer) -> dict:
    """What follows orders in other words, orders in the usual words, and orders of what the village lacks."""
    loose = [one.messages[0]["content"] for one in orders(160, TEST + 17, forms=HELD_OUT_ORDERS)]
    usual = [one.messages[0]["content"] for one in orders(100, TEST + 18)]
    said = answers(model, tokenizer, [talk(text) for text in lacking(100, TEST + 19, HELD_OUT_LACKED)], 30)
    return {
        "loose": told_at_zero(model, tokenizer, loose),
        "ordered": told_at_zero(model, tokenizer, usual),
        "lacking": share([declines(text) for text, _ in said]),
    }


def fitting(conversations: list, tokenizer) -> list:
    """The conversations; where too little room is left for a story, the last message alone, as in a chat."""
    return [
        one if len(chat_rows([one[:2]], tokenizer, 256)[0][0]) < 100 else one[2:] for one in conversations
    ]


def row_of(folder: Path, name: str) -> dict:
    """Everything that is measured of the model in a folder."""
    teller = load(folder, device="cpu")
    model, tokenizer = teller.model.eval(), teller.tokenizer
    said = answers(model, tokenizer, [talk(text) for text in EXAMPLES], 24)
    row = {
        "model": name,
        "examples": {text: answer for text, (answer, _) in zip(EXAMPLES, said, strict=True)},
    }
    row |= of_strangers(model, tokenizer) | of_the_village(model, tokenizer)
    print(row, flush=True)
    row |= after_strangers(model, tokenizer) | after_a_story(model, tokenizer)
    print(row["after"], row["second"], flush=True)
    row |= of_other_orders(model, tokenizer) | of_plain_questions(model, tokenizer)
    row |= of_questions(model, tokenizer) | {"orders": of_orders(model, tokenizer)}
    return row | {"machine": machine()}


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
    told = []
    for first in range(0, len(prompts), DRAWN):
        some = prompts[first : first + DRAWN]
        told += answers(model, tokenizer, some, 200, seed=1000 * seed + first, temperature=1.0)
    pairs, good = [], 0
    for i in range(0, len(told), SIZE):
        order, group = prompts[i], told[i : i + SIZE]
        scores = [good_story(order[-1]["content"], *one) for one in group]
        good += sum(scores)
        if len(set(scores)) > 1:
            pairs += [(order, *pair) for pair in matched_pairs(group, scores, SIZE)]
    return pairs, good / len(told)


def log_probs(model, tokenizer, orders: list, told: list) -> torch.Tensor:
    """The log-probability of each story after its order, (N,)."""
    rows = []
    for order, (text, ended) in zip(orders, told, strict=True):
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
    loose = orders(n, TRAIN + 34, forms=LOOSE_ORDERS, plain=1.0)
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
                was = [log_probs(reference, tokenizer, asked_for, told) for told in (better, worse)]
            now = [log_probs(model, tokenizer, asked_for, told) for told in (better, worse)]
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
    if not holds(LOG, {"model": name}):
        row = row_of(args.folder, name)
        append_row(LOG, row)
        print({key: value for key, value in row.items() if key not in ("kinds", "examples")})


if __name__ == "__main__":
    main()
