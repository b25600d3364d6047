"""Spine draft of chapter 8; regenerated from the chapter's exported cells."""

import random
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F

from companion.tokenization import END_OF_TEXT, decode_stream
from companion.training import load_checkpoint, pick_device


def check_sampling(
    temperature: float, top_k: int | None, top_p: float | None, repetition_penalty: float
) -> None:
    """ValueError for a setting out of its range."""
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature={temperature} must be 0 (the likeliest token) or above; try 0.8")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k={top_k} must be at least 1; leave it out to draw from all tokens")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p={top_p} must be above 0 and at most 1; try 0.95")
    if not repetition_penalty >= 1:
        raise ValueError(f"repetition_penalty={repetition_penalty} must be at least 1; 1 penalizes nothing")


def penalize(logits, previous, penalty: float):
    """Divide the positive logits of tokens seen before by penalty, multiply the negative. (B, V), (B, T) -> (B, V).

    Source: Keskar et al., 2019 (CTRL, arXiv:1909.05858), section 4.1.
    """
    seen = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, previous, True)  # (B, V)
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def next_token_probabilities(
    logits, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None,
    repetition_penalty: float = 1.0, previous=None,
):  # fmt: skip
    """Probabilities of the next token. logits (..., V) -> float32 (..., V), each row sums to 1.

    temperature divides the logits; 0 puts all on the likeliest. top_k keeps the k likeliest tokens; top_p the
    smallest set of likeliest tokens that hold at least that probability (Holtzman et al., 2020, arXiv:1904.09751).
    Raises ValueError for a setting out of range.
    """
    check_sampling(temperature, top_k, top_p, repetition_penalty)
    logits = logits.float()
    if repetition_penalty != 1:
        logits = penalize(logits, previous, repetition_penalty)
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    probs = (logits / temperature).softmax(-1)
    ordered, order = probs.sort(descending=True, stable=True)  # (..., V)
    keep = torch.ones_like(ordered, dtype=torch.bool)
    if top_k is not None:
        keep[..., top_k:] = False
    if top_p is not None:
        ordered = ordered * keep
        ordered = ordered / ordered.sum(-1, keepdim=True)
        keep &= ordered.cumsum(-1) - ordered < top_p
    kept = probs * torch.empty_like(keep).scatter(-1, order, keep)
    return kept / kept.sum(-1, keepdim=True)


@torch.no_grad()
def draw(model, tokens, max_new_tokens: int, stop=None, generator=None, cache=None, **sampling) -> Iterator:
    """Yield the next token of each row, (B, 1) int64, until max_new_tokens or until every row has drawn `stop`.

    sampling: as for next_token_probabilities. Without a cache the window slides past context_length.
    """
    finished = torch.zeros(len(tokens), 1, dtype=torch.bool, device=tokens.device)
    new, limit = tokens, model.config.context_length
    for _ in range(max_new_tokens):
        logits = model(tokens[:, -limit:] if cache is None else new, cache)[:, -1]  # (B, V)
        probs = next_token_probabilities(logits, previous=tokens, **sampling)
        new = torch.multinomial(probs.cpu(), 1, generator=generator).to(tokens.device)  # (B, 1)
        if stop is not None:
            new = new.masked_fill(finished, stop)
            finished |= new == stop
        tokens = torch.cat([tokens, new], dim=1)
        yield new
        if finished.all():
            return


def generate(
    model, tokens, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None,
    stop: int | None = None, generator: torch.Generator | None = None, cache=None, repetition_penalty: float = 1.0,
):  # fmt: skip
    """Draw up to max_new_tokens more tokens for each row. tokens (B, T) int64 -> (B, T + n).

    A row that has drawn `stop` is finished and padded with it; when all rows are, n is smaller. generator: a CPU
    one. Past context_length the window slides without a cache; with one, that is a ValueError.
    """
    if tokens.shape[1] == 0:
        raise ValueError("tokens is empty; begin with the id of <|endoftext|>, as every training row does")
    limit = model.config.context_length
    if cache is not None and cache.length + tokens.shape[1] + max_new_tokens - 1 > limit:
        raise ValueError(
            f"max_new_tokens={max_new_tokens} passes context_length={limit} with a cache; lower it"
        )
    was_training = model.training
    model.eval()
    sampling = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
    }
    drawn = list(draw(model, tokens, max_new_tokens, stop, generator, cache, **sampling))
    model.train(was_training)
    return torch.cat([tokens, *drawn], dim=1)


def stream(model, tokens, max_new_tokens: int, stop: int | None = None, **options) -> Iterator[int]:
    """Yield one token after the other as it is drawn, `stop` last. tokens: (1, T) int64; options as for generate."""
    model.eval()
    for new in draw(model, tokens, max_new_tokens, stop, **options):
        yield new.item()


@torch.no_grad()
def log_probability(model, tokens) -> torch.Tensor:
    """Natural log of the probability of each row's tokens after its first. (B, T) -> (B,)."""
    log_probs = model(tokens[:, :-1]).float().log_softmax(-1)  # (B, T-1, V)
    return log_probs.gather(-1, tokens[:, 1:, None]).squeeze(-1).sum(-1)


class LanguageModel:
    """A model and its tokenizer: text in, text out. Texts begin as documents do, after an <|endoftext|>."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer
        self.end = tokenizer.special_tokens[END_OF_TEXT]

    def encode(self, prompt: str) -> torch.Tensor:
        """(1, T) int64: <|endoftext|> and the prompt, on the model's device."""
        device = next(self.model.parameters()).device
        return torch.tensor([[self.end, *self.tokenizer.encode(prompt)]], device=device)

    def stream(
        self, prompt: str = "", max_new_tokens: int = 250, seed: int | None = None, **options
    ) -> Iterator[str]:
        """Yield the text after the prompt, piece by piece; options as those of next_token_probabilities."""
        generator = torch.Generator().manual_seed(random.randrange(2**31) if seed is None else seed)
        options = {"temperature": 0.8} | options
        ids = stream(
            self.model, self.encode(prompt), max_new_tokens, self.end, generator=generator, **options
        )
        yield from decode_stream(self.tokenizer, (i for i in ids if i != self.end))

    def generate(self, prompt: str = "", **options) -> str:
        """The text after the prompt, up to its end."""
        return "".join(self.stream(prompt, **options))

    def tell(self, prompt: str = "Once", **options) -> str:
        """A story that begins with the prompt."""
        return prompt + self.generate(prompt, **options)

    def tell_many(self, n: int, prompt: str = "", seed: int = 0, **options) -> list[tuple[str, bool]]:
        """n stories drawn together, and whether each came to its end within the model's context."""
        generator, options = torch.Generator().manual_seed(seed), {"temperature": 0.8} | options
        start, texts = self.encode(prompt), []
        room = self.model.config.context_length - start.shape[1]
        for first in range(0, n, 50):
            rows = start.repeat(min(50, n - first), 1)  # (B, T)
            rows = generate(self.model, rows, room, stop=self.end, generator=generator, **options)[
                :, 1:
            ].tolist()
            for row in rows:
                text = row[: row.index(self.end)] if self.end in row else row
                texts.append((self.tokenizer.decode(text), self.end in row))
        return texts


def load(folder: str | Path, device: str = "auto", builders: dict | None = None) -> LanguageModel:
    """The model and tokenizer of a checkpoint folder. ValueError where it is missing, cut off or of another kind."""
    model, tokenizer, _ = load_checkpoint(folder, builders)
    return LanguageModel(model.to(pick_device(device)), tokenizer)
