"""What an encoder-decoder writes for a source."""

import torch
from torch import nn

from companion.runtime.files.arguments import finite

__all__ = ["translate"]


@torch.no_grad()
def translate(model: nn.Module, source: torch.Tensor, end_id: int, real=None) -> torch.Tensor:
    """The likeliest token, one after another: source (B, Ts) -> new tokens (B, n), filled up with end_id.

    model: has encode, decode and config, as chapter 23's EncoderDecoder. end_id also begins each target.
    real: bool (B, Ts), False at padding. Ends when all rows have ended, or the context is full.
    """
    memory, mask = model.encode(source, real)  # once
    target = torch.full((len(source), 1), end_id, device=source.device)
    ended = torch.zeros_like(target, dtype=torch.bool)  # (B, 1)
    while target.shape[1] <= model.config.context_length and not ended.all():
        logits = finite("logits", model.decode(target, memory, mask)[:, -1:])  # (B, 1, V)
        token = logits.argmax(-1)  # (B, 1), the likeliest
        token = token.masked_fill(ended, end_id)
        target, ended = torch.cat([target, token], dim=1), ended | (token == end_id)
    return target[:, 1:]
