"""The stories of "Catch the lie", from models of 3, 10 and 88 minutes, into data/models/lie.json.

    python benchmarks/lie.py

The first two come from the shipped model's log, which has one story for every 300 steps of its training, so
there are few near three minutes. There is none near one minute, because the cover of the web book shows the
only one. After 88 minutes, the shipped model itself tells. Each story has the
steps and seconds of training after which it was told.

Models that were trained for so long give more stories. Two idle cores take 610 steps a minute (chapter 0):

    companion train --steps 1830 --checkpoint runs/lie/3
    companion train --steps 6100 --checkpoint runs/lie/10
    python benchmarks/lie.py 3=runs/lie/3 10=runs/lie/10
"""

import argparse
import json
from pathlib import Path

from companion import load
from companion.village import DATA, judge

MODELS = DATA / "models"
SENTENCES = 7
WORDS = 80
"""A story is cut after so many sentences or words: it is read in a quarter of a minute."""
FEWEST = 4
STORIES = 16
"""The most that are kept of each model."""
NEAR = {3: (130, 290), 10: (420, 810)}
"""Minutes -> the seconds of training between which the log's rows are taken."""


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
    sentences = [{"text": v.sentence, "kind": v.kind, "reason": v.reason} for v in verdicts]
    seconds = round(logged_row["seconds"])
    return {"minutes": minutes, "steps": logged_row["step"], "seconds": seconds, "sentences": sentences}


def log_of(folder: Path) -> list[dict]:
    """The rows of a model's log."""
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def told(minutes: int, folder: Path) -> list[dict]:
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


def logged(minutes: int) -> list[dict]:
    """Stories from the shipped model's log near so many minutes."""
    first, last = NEAR[minutes]
    rows = [row for row in log_of(MODELS / "village") if first <= row["seconds"] <= last]
    found = [row_of(minutes, row, row["sample"]) for row in rows]
    return [row for row in found if row]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*", help="MINUTES=FOLDER")
    folders = dict(pair.split("=", 1) for pair in parser.parse_args().folders)
    stories = []
    for minutes in (3, 10, 88):
        folder = MODELS / "village" if minutes == 88 else folders.get(str(minutes))
        found = told(minutes, Path(folder)) if folder else logged(minutes)
        print(f"{minutes} minutes: {len(found)} stories")
        stories += found
    text = json.dumps(stories, ensure_ascii=False, indent=0)
    (MODELS / "lie.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
