"""The loop that continues several texts at once. Chapter 8 shows the same loop for a single text."""

from collections.abc import Callable, Collection, Iterator
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from companion.runtime.generation.cache_buffers import whole_or_not
from companion.runtime.generation.sampling_arguments import row_generators
from companion.runtime.models.eval_modes import eval_mode


def draw_rows(
    model,
    rows: list[Tensor],
    max_new_tokens: int,
    read: Callable,
    choose: Callable,
    stop: Collection[int] = (),
    generator: torch.Generator | list | None = None,
    cache=None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Continue several rows of tokens, one position after the other.

    All rows are at the same position t. A row whose prompt is longer than t takes its next token from the
    prompt, the others draw one. A row that drew a stop token, or max_new_tokens tokens, is finished and is no
    longer computed. Dropout is off while the model is called, and no gradients are recorded.

    Args:
        model: Has config.context_length.
        rows: The prompts, 1-D int64 tensors of any lengths above 0.
        max_new_tokens: Largest number of tokens to add to a row.
        read: Function from (model, tokens, cache) to the logits of each row's next token.
        choose: Function from these logits, the tokens so far, and one random number in [0, 1) for each row
            to each row's next token.
        stop: Token ids that end a row.
        generator: As for row_generators.
        cache: Key/value cache of chapter 9, or None. After an error it holds what it held before.

    Yields:
        For each position at which at least one row draws: the indices of the rows that drew, and the tokens
        that they drew.

    Shape:
        read: (k, t) -> (k, V). choose: (k, V), (k, t), (k,) -> (k,). Each pair that is yielded: (k,), (k,)
        int64.
    """
    tokens = pad_sequence(rows, batch_first=True)  # (B, T); padding is overwritten before it is read
    lengths = [len(row) for row in rows]
    generators = row_generators(generator, len(rows))
    no_dropout = eval_mode(model)
    n_cached = 0  # tokens of each row that the cache has been given
    finished = set()
    for t in count(min(lengths)):  # each row has t tokens and needs the token at position t
        for i, length in enumerate(lengths):
            if t == length + max_new_tokens:
                finished.add(i)
        if len(finished) == len(rows):
            return
        drawing = [i for i, length in enumerate(lengths) if length <= t and i not in finished]
        if not drawing:
            continue

        which = torch.tensor(drawing)  # (k,)
        with torch.inference_mode(), no_dropout, whole_or_not(cache):
            if cache is None or t > model.config.context_length:
                logits = read(model, tokens[which, :t], None)  # (k, V)
            else:
                logits = read(model, tokens[:, n_cached:t], cache)[which]  # (B, V) -> (k, V)
                n_cached = t
        numbers = [torch.rand(1, generator=generators[i], dtype=torch.float64) for i in drawing]
        new = choose(logits, tokens[which, :t], torch.cat(numbers))  # (k,)

        if t == tokens.shape[1]:
            tokens = F.pad(tokens, (0, 1))  # one more column
        tokens[which, t] = new.to(tokens.device)
        for i, token in zip(drawing, new.tolist(), strict=True):
            if token in stop:
                finished.add(i)
        yield which, new
