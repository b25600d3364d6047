"""Learning from rewards: the figures of chapter 18.

    OMP_NUM_THREADS=1 python benchmarks/rewards.py            # every arm that is missing, an hour
    OMP_NUM_THREADS=1 python benchmarks/rewards.py sentence   # one arm

A row is a step of an arm: what the 64 texts (or as many as it says) that the step drew were given, and what
the judge says of them; or, with `stories`, a model asked for the ends of begun stories (at temperature 0.8
if the row has no other). Rows go to data/models/rewards.jsonl as an arm is done; arms that are there are
skipped.
"""

import argparse
import json
import os
import time
from collections import Counter
from functools import cache, partial
from itertools import islice

import torch
from logs import append_row, holds, machine, read_rows

from companion import load
from companion.classification import Classifier, TextClassifier, read_states
from companion.datasets import pad_batch
from companion.evaluation import wilson_interval
from companion.rewards import (
    DPO,
    GRPO,
    RewardModel,
    dpo_loss,
    group_advantages,
    grpo_loss,
    sample_groups,
    sentence_credit,
    token_log_probs,
)
from companion.training import TrainConfig, Trainer, next_token_loss, save_checkpoint
from companion.village import DATA, abilities, load_split
from companion.village.machine import fresh
from companion.village.tasks import begun, false_parts, patterns, true_story

LOG = DATA / "models" / "rewards.jsonl"
SEED, ASKED = 18, 1000
SAVE_TO = os.environ.get("REWARDED")
"""A folder for the rewarded model, or None."""


def shipped(name: str = "village"):
    return load(DATA / "models" / name, device="cpu")


def bits_per_byte(teller, n: int = 500) -> float:
    """The loss on the first n stories of the test split."""
    texts, nats = load_split("test")[:n], 0.0
    with torch.no_grad():
        for i in range(0, n, 50):
            x, y = story_batch(teller, texts[i : i + 50])
            nats += next_token_loss(teller.model, (x, y))[0].item()
    return nats / 0.6931471805599453 / sum(len(text.encode()) + 1 for text in texts)


def story_batch(teller, texts: list[str]) -> tuple:
    """Whole stories as x, y for next_token_loss."""
    rows = [[*teller.begin, *teller.tokenizer.encode(text), teller.end] for text in texts]
    tokens, real = pad_batch(rows, teller.end)
    return tokens[:, :-1], tokens[:, 1:].masked_fill(~real[:, 1:], -100)


def of_drawn(samples: list[tuple[str, bool]], rewards=None) -> dict:
    """What a step's draws show."""
    found = {"true": sum(true_story(*one) for one in samples) / len(samples)}
    if rewards is not None:
        found["reward"] = float(sum(rewards) / len(rewards))
    return found | {"words": sum(len(text.split()) for text, _ in samples) / len(samples)}


def asked(teller, n: int = ASKED, seed: int = SEED, keep: bool = False, temperature: float = 0.8) -> dict:
    """Measure a model at a temperature on n / 2 new beginnings, each continued twice.

    keep: Also return the stories, as `told`.
    """
    samples, generator = [], torch.Generator().manual_seed(seed)
    prompts = begun(n // 2, seed + 1000)  # each twice
    for i in range(0, len(prompts), 50):
        samples += sample_groups(teller, prompts[i : i + 50], 2, generator, temperature=temperature).texts
    texts = [text for text, _ in samples]
    right = sum(true_story(*one) for one in samples)
    found = abilities(texts)
    kept = {"told": samples} if keep else {}
    return kept | {
        "stories": n, "true": right / n, "interval": list(wilson_interval(int(right), n)),
        "words": found["words"], "patterns": len(patterns(texts)), "whole": found["whole"],
        "sentences": patterns(texts).total() / n, "bits_per_byte": bits_per_byte(teller),
    }  # fmt: skip


def colder(seeds: tuple = (SEED, 118, 218), temperatures: tuple = (0.8, 0.6, 0.5, 0.4, 0.3)) -> list[dict]:
    """Both shipped models at several temperatures: what a lower one gives without any training."""
    rows = []
    for name in ("village", "rewarded"):
        teller = shipped(name)
        for seed in seeds:
            for temperature in temperatures:
                row = {"model": name, "seed": seed, "temperature": temperature}
                rows.append(row | asked(teller, seed=seed, temperature=temperature))
    return rows


def more_stories(seeds: tuple = (SEED, 77, 101)) -> list[dict]:
    """Sentence patterns in 1,000 stories of each shipped model, for each seed, and in all of them together.

    One thousand stories do not show every pattern, so a pattern that is missing there may only be rare.
    """
    rows = []
    for name in ("village", "rewarded"):
        teller, found = shipped(name), []
        for seed in seeds:
            samples, generator = [], torch.Generator().manual_seed(seed)
            prompts = begun(ASKED // 2, seed + 1000)
            for i in range(0, len(prompts), 50):
                samples += sample_groups(teller, prompts[i : i + 50], 2, generator, temperature=0.8).texts
            found.append(patterns(text for text, _ in samples))
        together = sum(found, Counter())
        row = {"model": name, "seeds": list(seeds), "patterns": [len(one) for one in found]}
        rows.append(row | {"together": len(together), "sentences": together.total()})
    return rows


def trainer_of(game: GRPO, steps: int, lr: float, loss=None, flat: bool = True) -> Trainer:
    """A Trainer that goes `steps` steps; flat: at one rate, after five steps of warm-up."""
    config = TrainConfig(
        steps=steps, batch_size=1, lr=lr, min_lr=lr if flat else lr / 10, warmup_steps=5, device="cpu",
        dtype="float32",
    )  # fmt: skip
    optimizer = torch.optim.AdamW(game.teller.model.parameters(), lr=lr, betas=config.betas, weight_decay=0.0)
    return Trainer(game.teller.model, game.batches, config, loss or game.loss, [optimizer])


# -- GRPO on the judge -------------------------------------------------------------------------------------


def by_story(samples, size: int) -> torch.Tensor:
    """One reward for a story: true or not, against its group."""
    return group_advantages([true_story(*one) for one in samples.texts], size)


def story(lr: float = 2e-4, steps: int = 36, seed: int = SEED) -> list[dict]:
    """GRPO as published: 8 prompts, 8 stories each, a reward of 0 or 1 for a whole story."""
    teller = shipped()
    game = GRPO(teller, begun(8 * steps, seed, LONGEST), partial(by_story, size=8), seed=seed)
    before = asked(teller, keep=True) | {"step": 0, "processor": 0.0}
    rows = run(game, trainer_of(game, steps, lr), steps)
    if SAVE_TO:
        save_checkpoint(SAVE_TO, teller.model, teller.tokenizer, {"init": "data/models/village"})
    after = asked(teller, keep=True) | {"step": steps, "processor": rows[-1]["processor"]}
    keep_examples(before, after)
    return [before, *rows, after]


def judged(lr: float = 8e-4, steps: int = 24) -> list[dict]:
    """GRPO on the judge with the prompts of the learned rewards, at their rate or a quarter of it."""
    teller = shipped()
    game = GRPO(teller, begun(8 * steps, SEED), partial(by_story, size=8), seed=SEED)
    return run(game, trainer_of(game, steps, lr), steps)


def several(lr: float = 1e-4, updates: int = 4, draws: int = 18) -> list[dict]:
    """GRPO with several updates for each draw, so that the ratio leaves 1 and the clip acts.

    A row is a draw. `clipped` is the share of the tokens with an advantage whose gradient the clip stopped
    in the draw's last update, and `ratio` the mean distance of the ratio from 1 there.
    """
    teller = shipped()
    game = GRPO(teller, begun(8 * draws, SEED, LONGEST), partial(by_story, size=8), seed=SEED)
    optimizer = torch.optim.AdamW(teller.model.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=0.0)
    rows, begun_at = [asked(teller) | {"step": 0, "processor": 0.0}], time.process_time()
    for draw, (tokens, mask, advantages, _) in enumerate(islice(game.batches(), draws)):
        with torch.no_grad():
            old = token_log_probs(teller.model, tokens)  # (N, T)
        for _ in range(updates):
            new = token_log_probs(teller.model, tokens)
            total, n = grpo_loss(new, old, advantages, mask)
            optimizer.zero_grad()
            (total / n).backward()
            torch.nn.utils.clip_grad_norm_(teller.model.parameters(), 1.0)
            optimizer.step()
        ratio = (new - old).exp().detach()
        A = advantages[:, None].expand_as(ratio)
        stopped = ((A > 0) & (ratio > 1.2)) | ((A < 0) & (ratio < 0.8))
        row = {"step": draw, **of_drawn(game.samples.texts)}
        row["clipped"] = stopped[mask & (A != 0)].float().mean().item()
        row["ratio"] = (ratio - 1).abs()[mask & (A != 0)].mean().item()
        row["processor"] = round(time.process_time() - begun_at, 1)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return [*rows, asked(teller) | {"step": draws, "processor": rows[-1]["processor"]}]


def keep_examples(before: dict, after: dict, n: int = 4) -> None:
    """Of all texts keep a mark each (1 is true), and those after a few prompts: {number: text}.

    They are the first n prompts with a story that was false before, and the first n with one that is false
    after.
    """
    samples = [row.pop("told") for row in (before, after)]
    chosen = set()
    for row, texts in zip((before, after), samples, strict=True):
        row["marks"] = "".join(str(int(true_story(*one))) for one in texts)
        chosen |= set([i for i, mark in enumerate(row["marks"]) if mark == "0"][:n])
    for row, texts in zip((before, after), samples, strict=True):
        row["examples"] = {str(i): texts[i][0] for i in sorted(chosen)}


def sentence(steps: int = 18) -> list[dict]:
    """The false sentences are to blame."""
    teller = shipped()
    blame = partial(sentence_credit, teller=teller, false=false_parts)
    game = GRPO(teller, begun(32 * steps, SEED, LONGEST), blame, size=4, per_step=32, seed=SEED)
    before = asked(teller) | {"step": 0, "processor": 0.0}
    rows = run(game, trainer_of(game, steps, 3e-4), steps)
    if SAVE_TO:
        save_checkpoint(SAVE_TO, teller.model, teller.tokenizer, {"init": "data/models/village"})
    return [before, *rows, asked(teller) | {"step": steps, "processor": rows[-1]["processor"]}]


LONGEST = 6
"""Sentences of a beginning, at most, in training; asked about are the ends of single sentences."""


def run(game: GRPO, trainer: Trainer, steps: int, scores=None) -> list[dict]:
    """Take the steps; a row for each, of what was drawn before it."""
    rows, begun_at = [], time.process_time()
    for step in range(steps):
        trainer.step()
        rewards = scores(game.samples) if scores else None
        rows.append({"step": step, **of_drawn(game.samples.texts, rewards)})
        rows[-1]["processor"] = round(time.process_time() - begun_at, 1)
        if step % 4 == 3:
            rows[-1]["bits_per_byte"] = bits_per_byte(game.teller, 100)
            if scores:
                rows[-1]["text"] = game.samples.texts[0][0]
        print(json.dumps(rows[-1]), flush=True)
    return rows


# -- a learned reward --------------------------------------------------------------------------------------


@cache
def drawn_pairs(n_prompts: int, seed: int, size: int = 8) -> list[tuple[str, str, str]]:
    """(prompt, true story, one that is not), from groups that the model drew; each text in one pair."""
    teller, pairs, prompts = shipped(), [], begun(n_prompts, seed)
    for i in range(0, n_prompts, 16):
        generator = torch.Generator().manual_seed(seed * 1000 + i)
        samples = sample_groups(teller, prompts[i : i + 16], size, generator).texts
        for j, prompt in enumerate(prompts[i : i + 16]):
            group = samples[j * size : (j + 1) * size]
            good = [text for text, ended in group if true_story(text, ended)]
            bad = [text for text, ended in group if not true_story(text, ended)]
            pairs += [(prompt, a, b) for a, b in zip(good, bad, strict=False)]
    return pairs


def mean_states(teller, texts):
    """What the model's states are on average over a text: (N, C)."""
    reader = TextClassifier(Classifier(teller.model, 2, read="mean"), teller.tokenizer, ["worse", "better"])
    return read_states(
        reader.classifier, [row[: teller.model.config.context_length] for row in reader.rows(texts)]
    )


@torch.no_grad()
def surprises(teller, texts):
    """(N, 8): the model's eight lowest log-probabilities in a text, the lowest first."""
    found = []
    for text in texts:
        ids = [*teller.begin, *teller.tokenizer.encode(text)][: teller.model.config.context_length]
        found.append(token_log_probs(teller.model, torch.tensor([ids]))[0].sort().values[:8])
    return torch.stack(found)


def counts(texts):
    """(N, 2): the words and the full stops of a text."""
    return torch.tensor([[len(text.split()), text.count(".")] for text in texts]).float()


def reward_models() -> list[dict]:
    """Reward models on new pairs, by what they read of a text; `shorter` learns nothing."""
    reads = {"states": partial(mean_states, shipped()), "counts": counts}
    asked_pairs = drawn_pairs(160, SEED + 4)
    good, bad = [[pair[i] for pair in asked_pairs] for i in (1, 2)]
    shorter = [len(a.split()) < len(b.split()) for a, b in zip(good, bad, strict=True)]
    rows = []
    for n_prompts, seed in ((40, 30), (40, 31), (40, 32), (160, SEED + 2)):
        pairs = drawn_pairs(n_prompts, seed)
        row = {"pairs": len(pairs), "asked": len(good), "seed": seed, "shorter": sum(shorter) / len(good)}
        for name, features in reads.items():
            model = RewardModel.fit(features, [a for _, a, _ in pairs], [b for _, _, b in pairs], decay=0.1)
            row[name] = (model(good) > model(bad)).float().mean().item()
        rows.append(row)
    return rows


def learned(
    lr: float = 8e-4, steps: int = 24, features=mean_states, kl: float = 0.0, ensemble: int = 1
) -> list[dict]:
    """GRPO on a reward model, which the judge watches."""
    judge_of_pairs, teller = shipped(), shipped()
    pairs = drawn_pairs(160, SEED + 2)
    test = drawn_pairs(80, SEED + 3)
    of = partial(features, judge_of_pairs)
    models = []
    for k in range(ensemble):
        some = [pair for i, pair in enumerate(pairs) if ensemble == 1 or i % ensemble != k]
        models.append(RewardModel.fit(of, [a for _, a, _ in some], [b for _, _, b in some], decay=0.1))

    def score(texts):
        return torch.stack([model(texts) for model in models]).min(0).values

    good, bad = (score([pair[i] for pair in test]) for i in (1, 2))
    about = {"pairs": len(pairs), "asked": len(test), "accuracy": (good > bad).float().mean().item()}
    print(about, flush=True)
    scores = []

    def credit(samples):
        scores.append(score([text for text, _ in samples.texts]))
        return group_advantages(scores[-1], 8)

    game = GRPO(teller, begun(8 * steps, SEED), credit, reference=judge_of_pairs.model, kl=kl, seed=SEED)
    rows = run(game, trainer_of(game, steps, lr), steps, lambda _: scores[-1])
    return [row | about for row in rows]


# -- DPO ---------------------------------------------------------------------------------------------------


def dpo(lr: float, passes: int = 2) -> list[dict]:
    """DPO on pairs that the model drew; what it says of other pairs, and what it tells."""
    before, teller = shipped(), shipped()
    known, new = drawn_pairs(80, SEED + 2), drawn_pairs(40, SEED + 3)
    optimizer = torch.optim.AdamW(teller.model.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=0.0)
    rows, begun_at, step = [], time.process_time(), 0

    def sums(model, pairs, which):
        texts = [[*teller.begin, *teller.tokenizer.encode(pair[which]), teller.end] for pair in pairs]
        tokens, real = pad_batch(texts, teller.end)
        return token_log_probs(model, tokens).where(real[:, 1:], 0.0).sum(1)  # the prompt's cancel

    def note():
        with torch.no_grad():
            now = [sums(teller.model, new, i) - sums(before.model, new, i) for i in (1, 2)]
        generator = torch.Generator().manual_seed(SEED)
        samples = sample_groups(teller, begun(64, SEED + 1000), 2, generator, temperature=0.8).texts
        margin = {"accuracy": (now[0] > now[1]).float().mean().item(), "chosen": now[0].mean().item()}
        row = {"lr": lr, "step": step, **margin, "rejected": now[1].mean().item(), **of_drawn(samples)}
        row |= {"bits_per_byte": bits_per_byte(teller, 100), "pairs": len(known)}
        rows.append(row | {"processor": round(time.process_time() - begun_at, 1)})
        print(json.dumps(rows[-1]), flush=True)

    note()
    for turn in range(passes):
        order = torch.randperm(len(known), generator=torch.Generator().manual_seed(turn)).tolist()
        for i in range(0, len(order), 16):
            some = [known[j] for j in order[i : i + 16]]
            with torch.no_grad():
                were = [sums(before.model, some, i) for i in (1, 2)]
            loss = dpo_loss(sums(teller.model, some, 1), sums(teller.model, some, 2), *were)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        note()
    return rows


def rounds(lr: float = 1e-4, base: str = "village") -> list[dict]:
    """DPO on new pairs each round; 32 true stories a step, whose surprise counts 1.5 times."""
    n, mixed, beta = 28, 1.5, 0.2
    teller, stories = shipped(base), fresh(SEED + 5)
    game = DPO(teller, begun(128 * n, SEED + 4, longest=3), true_story, beta=beta, seed=SEED)

    def batches(first):
        for batch in game.batches(first):
            yield batch, story_batch(teller, sorted(islice(stories, 32), key=len))

    def loss(model, batch):
        preferred, _ = game.loss(model, batch[0])
        surprise, m = next_token_loss(model, batch[1])
        return preferred + mixed * surprise / m, 1

    trainer = trainer_of(game, n * game.steps, lr, loss, flat=False)
    trainer.batches = batches
    rows, seconds, wall = [asked(teller) | {"step": 0, "processor": 0.0}], 0.0, 0.0
    for number in range(n):
        begun_at, clock = time.process_time(), time.perf_counter()
        for _ in range(game.steps):
            trainer.step()
        seconds, wall = seconds + time.process_time() - begun_at, wall + time.perf_counter() - clock
        row = {
            "step": trainer.steps,
            **of_drawn(game.texts),
            "drawn": len(game.texts),
            **{"processor": round(seconds, 1), "wall": round(wall, 1)},
        }
        if number % 3 == 2:
            row["bits_per_byte"] = bits_per_byte(teller, 100)
        rows.append(row)
        print(json.dumps(row), flush=True)
    teller.model.eval()
    if SAVE_TO:
        save_checkpoint(SAVE_TO, teller.model, teller.tokenizer, {"init": f"data/models/{base}"})
    return [*rows, asked(teller) | {"step": trainer.steps, "processor": round(seconds, 1)}]


def truth_only(lr: float = 1e-4) -> list[dict]:
    """What the rounds read besides their pairs, alone: 32 true stories a step, and no reward."""
    steps = 28 * 8
    teller, stories = shipped(), fresh(SEED + 5)
    config = TrainConfig(
        steps=steps, batch_size=1, lr=lr, min_lr=lr / 10, warmup_steps=5, device="cpu", dtype="float32"
    )
    optimizer = torch.optim.AdamW(teller.model.parameters(), lr=lr, betas=config.betas, weight_decay=0.0)

    def batches(first):
        while True:
            yield story_batch(teller, sorted(islice(stories, 32), key=len))

    trainer = Trainer(teller.model, batches, config, optimizers=[optimizer])
    begun_at = time.process_time()
    for _ in range(steps):
        trainer.step()
    seconds = round(time.process_time() - begun_at, 1)
    teller.model.eval()
    return [
        asked(teller, seed=seed) | {"step": steps, "processor": seconds, "seed": seed} for seed in (SEED, 77)
    ]


def mean(share: float = 0.3, seed: int = 77) -> list[dict]:
    """The mean of the weights before the rounds and after, asked after other beginnings than the rounds."""
    teller, after = shipped(), load(SAVE_TO or "runs/rewards/rounds", device="cpu").model.state_dict()
    done = [row for row in read_rows(LOG) if row["arm"] == "rounds"][-1]
    rows = [asked(teller, seed=seed) | {"step": 0, "processor": 0.0, "seed": seed}]
    before = teller.model.state_dict()
    teller.model.load_state_dict({name: torch.lerp(after[name], before[name], share) for name in before})
    about = {
        "init": "data/models/village",
        "command": "benchmarks/rewards.py rounds, then rounds, mean",
    }
    save_checkpoint("runs/rewards/mean", teller.model, teller.tokenizer, about)
    last = {"step": done["step"], "processor": done["processor"], "seed": seed, "share": share}
    return [*rows, asked(teller, seed=seed) | last]


ARMS = {
    "learned": learned,
    "dpo 1e-05": partial(dpo, 1e-5),
    "dpo 1e-04": partial(dpo, 1e-4),
    "dpo 3e-04": partial(dpo, 3e-4),
    "learned, slow": partial(learned, 2e-4),
    "story": story,
    "story, seed 118": partial(story, seed=118),
    "story, seed 218": partial(story, seed=218),
    "judged": judged,
    "judged, slow": partial(judged, 2e-4),
    "truth only": truth_only,
    "several": several,
    "sentence": sentence,
    "rounds": rounds,
    "rounds, mean": mean,
    "patterns": more_stories,
    "temperature": colder,
    "reward models": reward_models,
    "storyteller, rounds at 2e-04": partial(rounds, 2e-4, "storyteller"),
    "storyteller, rounds at 4e-04": partial(rounds, 4e-4, "storyteller"),
    "learned, kl": partial(learned, kl=0.1),
    "learned, kl 1": partial(learned, kl=1.0),
    "learned, surprise": partial(learned, features=surprises),
    "learned, ensemble": partial(learned, ensemble=4),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("arm", nargs="*", choices=[*ARMS, []], default=[])
    args = parser.parse_args()
    for arm in args.arm or ARMS:
        if not holds(LOG, {"arm": arm}):
            print(arm, flush=True)
            for row in ARMS[arm]():
                append_row(LOG, {"arm": arm} | row | {"machine": machine()})


if __name__ == "__main__":
    main()
