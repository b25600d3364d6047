"""companion finetune rewards without --checker: what prefers or rewards stories, and pairs of a file."""

import random
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import torch

from companion.cli._learning import Rewards, Row, text_batch, trainer_of
from companion.datasets import pad_batch
from companion.generation import LanguageModel
from companion.gpt import GPT
from companion.instructions import chat_rows, kept_loss, masked_batches
from companion.rewards import DPO, GRPO, dpo_loss, sentence_credit, token_log_probs
from companion.training import next_token_loss
from companion.village.dialogues import lessons
from companion.village.machine import fresh
from companion.village.tasks import begun, false_parts, true_story

BATCH = 16  # pairs in a step


def batch_of(teller: LanguageModel, pairs: list[tuple[Row, Row]]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The chosen texts and the rejected texts of pairs, each as tokens and what of them is learned.

    Shape:
        tokens: (N, T) int64; learned: (N, T - 1) bool.
    """
    device = next(teller.model.parameters()).device
    sides = []
    for rows in zip(*pairs, strict=True):
        tokens, _ = pad_batch([ids for ids, _ in rows], pad_id=teller.end)  # (N, T)
        marks, _ = pad_batch([marks for _, marks in rows], pad_id=0)  # (N, T), padding is not learned
        sides.append((tokens.to(device), marks[:, 1:].bool().to(device)))
    return sides


def text_log_probs(model: GPT, tokens: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
    """The log-probability of the learned tokens of each text, (N,)."""
    return token_log_probs(model, tokens).where(learned, 0.0).sum(1)


def by_judge(options: Any, teller: LanguageModel, before: LanguageModel) -> Rewards:
    """DPO on new draws, or GRPO with blame for false sentences; with --mixed, true stories, too."""
    n_prompts = min(5000, options.steps * options.prompts)
    prompts = begun(n_prompts, options.seed + 100, longest=3 if options.method == "dpo" else 6)
    half = teller.model.config.context_length // 2  # a longer prompt leaves no room for its end
    prompts = [text for text in prompts if len(teller.tokenizer.encode(text)) < half]
    if options.method == "dpo":
        game: Any = DPO(teller, prompts, true_story, options.size, options.prompts, seed=options.seed)
    else:
        blame = partial(sentence_credit, teller=teller, false=false_parts)
        game = GRPO(teller, prompts, blame, options.size, options.prompts, seed=options.seed)

    def progress(_):
        samples = game.texts if options.method == "dpo" else game.samples.texts
        return f"true {sum(true_story(*sample) for sample in samples) / len(samples):.2f}"

    batches = game.batches
    loss = game.loss
    if options.mixed:
        batches, loss = mix(game, teller, before, options)
    trainer = trainer_of(options, teller.model, batches, loss)
    return trainer, progress, f"the village's judge, {options.method}"


def mix(
    game: DPO | GRPO, teller: LanguageModel, before: LanguageModel, options: Any
) -> tuple[Callable, Callable]:
    """(batches, loss) of a game, mixed with true stories; an answerer stays as it was on questions."""
    stories = fresh(options.seed + 101)
    chats = []
    if teller.tokenizer.has_chat_tokens:
        messages = [lesson.messages for lesson in lessons(400, options.seed + 102, stories=400)]
        chats = chat_rows(messages, teller.tokenizer, teller.model.config.context_length, shorten=True)

    def batches(first):
        asked = masked_batches(chats, BATCH, options.seed, first) if chats else None
        for batch in game.batches(first):
            texts = text_batch(teller, sorted(islice(stories, 32), key=len))
            yield batch, texts, next(asked) if chats else None

    def loss(model, batch):
        of_game, texts, asked = batch
        found, n = game.loss(model, of_game)
        if asked:
            surprise, m = kept_loss(before.model, 1.0, model, (texts, asked))
        else:
            surprise, m = next_token_loss(model, texts)
        return found / n + options.mixed * surprise / m, 1

    return batches, loss


def by_pairs(
    options: Any, teller: LanguageModel, before: LanguageModel, pairs: list[tuple[Row, Row]]
) -> Rewards:
    """DPO on the file's pairs, in new orders."""
    rng = random.Random(options.seed)

    def batches(first):
        while True:
            order = rng.sample(pairs, len(pairs))
            for i in range(0, len(order), BATCH):
                yield batch_of(teller, order[i : i + BATCH])

    def loss(model, batch):
        chosen, rejected = batch
        with torch.no_grad():
            chosen_before = text_log_probs(before.model, *chosen)
            rejected_before = text_log_probs(before.model, *rejected)
        chosen_now = text_log_probs(model, *chosen)
        rejected_now = text_log_probs(model, *rejected)
        return dpo_loss(chosen_now, rejected_now, chosen_before, rejected_before, options.beta), 1

    return trainer_of(options, teller.model, batches, loss), "loss {:.3f}".format, "pairs"
