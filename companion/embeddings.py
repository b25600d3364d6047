"""Spine draft of chapter 3; regenerated from the chapter's exported cells."""
import torch
import torch.nn.functional as F
from torch import nn


class TokenEmbedding(nn.Module):
    """A table with one row of numbers for each token id: (B, T) int64 -> (B, T, C).

    vocab_size: rows, V; d_model: numbers in a row, C. Rows start as noise of standard deviation 0.02.
    Raises ValueError for a size below 1, or a token that has no row.
    Source: GPT-2's wte (Radford et al., 2019); the same look-up as torch.nn.Embedding.
    """

    def __init__(self, vocab_size: int, d_model: int):
        super().__init__()
        for name, size in [("vocab_size", vocab_size), ("d_model", d_model)]:
            if size < 1:
                raise ValueError(f"{name}={size} must be at least 1; try 1024 tokens and a width of 32")
        self.weight = nn.Parameter(torch.randn(vocab_size, d_model) * 0.02)  # (V, C)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, T) int64 -> (B, T, C)."""
        try:
            return F.embedding(tokens, self.weight)  # (B, T) -> (B, T, C)
        except IndexError:
            low, high, size = tokens.min().item(), tokens.max().item(), len(self.weight)
            raise ValueError(
                f"tokens go from {low} to {high}, but the table has rows 0 to {size - 1}; "
                "encode the text with the tokenizer that this model was made for"
            ) from None


class GPTEmbedding(nn.Module):
    """Token embedding plus learned position embedding: (B, T) int64 -> (B, T, C).

    context_length: positions that have a row; dropout: chance that a number is set to 0 in training (chapter 4).
    Raises ValueError for a size below 1, a dropout outside [0, 1), or tokens that reach past context_length.
    Source: GPT-2's wte + wpe (Radford et al., 2019).
    """

    def __init__(self, vocab_size: int, context_length: int, d_model: int, dropout: float = 0.0):
        super().__init__()
        if context_length < 1:
            raise ValueError(f"context_length={context_length} must be at least 1; try 256")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout} must be at least 0 and below 1; try 0.0")
        self.token = TokenEmbedding(vocab_size, d_model)
        self.position = TokenEmbedding(context_length, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor, start: int = 0) -> torch.Tensor:
        """(B, T) -> (B, T, C); the first of the T tokens stands at position start."""
        end, rows = start + tokens.shape[-1], len(self.position.weight)
        if not 0 <= start <= end <= rows:
            raise ValueError(f"tokens take positions {start} to {end - 1}, context_length={rows}; shorten the text")
        return self.dropout(self.token(tokens) + self.position.weight[start:end])  # (B, T, C) + (T, C)


def fit(model: nn.Module, batches, steps: int, lr: float) -> list[float]:
    """Train model to predict the next token, by Adam; return each step's loss in nats per token.

    model: (B, T) -> logits (B, T, V), trained in place. batches: pairs (x, y), each (B, T) int64, at least
    `steps` of them; a target of -100 is left out. lr: Adam's learning rate.
    Raises ValueError for steps below 1 or an lr that is not above 0.
    """
    if steps < 1 or not lr > 0:
        raise ValueError(f"steps={steps} must be at least 1 and lr={lr} above 0; try 300 and 0.003")
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    losses = []
    for _, (x, y) in zip(range(steps), batches, strict=False):
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())  # (B*T, V), (B*T,)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
