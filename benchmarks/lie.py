"""The stories of "Catch the lie", from models of 1, 3, 10 and 88 minutes, into data/models/lie.json.

After 88 minutes, the shipped model tells. The others are trained for so long; two idle cores take 610 steps a
minute (chapter 0), and the first run was stopped by Ctrl-C after its evaluation at step 800:

    companion train --steps 1830 --checkpoint runs/lie/1
    companion train --steps 1830 --checkpoint runs/lie/3
    companion train --steps 6100 --checkpoint runs/lie/10
    python benchmarks/lie.py 1=runs/lie/1 3=runs/lie/3 10=runs/lie/10 88=data/models/village

The stories of an age that is not named stay.

Kept are stories that are fair to a player: the first false sentence is a plain lie (plain_lies.py), and
no sentence before it is odd. So the kept stories do not show how often, or how, a model errs. Each story has
the steps and seconds of training after which it was told.
"""

import argparse
import json
from pathlib import Path

from plain_lies import plain_reason

from companion import load
from companion.village import DATA, judge

MODELS = DATA / "models"
SENTENCES = 7
WORDS = 80
"""A story is cut after so many sentences or words: it is read in a quarter of a minute."""
FEWEST = 4
STORIES = 16
"""The most that are kept of each model."""


def row_of(minutes: int, logged_row: dict, text: str) -> dict | None:
    """A story as the page has it; None where the game's rule leaves it out."""
    verdicts = []
    words = 0
    for verdict in judge(text)[:SENTENCES]:
        words += len(verdict.sentence.split())
        if words > WORDS:
            break
        verdicts.append(verdict)
    kinds = [verdict.kind for verdict in verdicts]
    if len(verdicts) < FEWEST or "unknown" in kinds or "contradiction" not in kinds:
        return None
    first = kinds.index("contradiction")
    reason = plain_reason([verdict.sentence for verdict in verdicts[: first + 1]])
    if not reason or "misplaced" in kinds[:first]:
        return None
    sentences = [{"text": v.sentence, "kind": v.kind} for v in verdicts]
    sentences[first]["reason"] = reason
    seconds = round(logged_row["seconds"])
    return {"minutes": minutes, "steps": logged_row["step"], "seconds": seconds, "sentences": sentences}


def log_of(folder: Path) -> list[dict]:
    """The rows of a model's log."""
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def judged_stories(minutes: int, folder: Path) -> list[dict]:
    """Stories that a model tells, at temperature 0.8, each with the rule's judgement."""
    teller = load(folder, device="cpu")
    last = log_of(folder)[-1]
    rows = []
    for seed in range(8):
        texts = teller.tell_many(50, "Once", seed=seed, temperature=0.8)
        found = [row_of(minutes, last, text) for text, ended in texts if ended]
        rows += [row for row in found if row]
        if len(rows) >= STORIES:
            break
    return rows[:STORIES]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", help="MINUTES=FOLDER")
    folders = {}
    for named in parser.parse_args().folders:
        minutes, folder = named.split("=", 1)
        folders[int(minutes)] = Path(folder)
    path = MODELS / "lie.json"
    stories = [story for story in json.loads(path.read_text("utf-8")) if story["minutes"] not in folders]
    for minutes, folder in folders.items():
        found = judged_stories(minutes, folder)
        print(f"{minutes} minutes: {len(found)} stories")
        stories += found
    stories.sort(key=lambda story: story["minutes"])
    text = json.dumps(stories, ensure_ascii=False, indent=0)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
