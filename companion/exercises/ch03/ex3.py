"""The check of exercise 3.3: What reaches the table."""

import torch
import torch.nn.functional as F

from companion.exercises.exercise import Function


def table_gradient(tokens, grads, vocab_size):
    return F.one_hot(tokens, vocab_size).to(grads.dtype).T @ grads


def gradient_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([1]), torch.tensor([[2.0]]), 2),
        (torch.tensor([1, 1]), torch.tensor([[1.0, 0.0], [2.0, 5.0]]), 3),
        (torch.tensor([2, 0]), torch.tensor([[1.0, 3.0], [4.0, 7.0]]), 4),
        (torch.tensor([0, 2, 0]), torch.tensor([[1.0], [5.0], [2.0]]), 4),
        (torch.tensor([1, 0, 1]), torch.tensor([[400.0], [-3.5], [0.25]]), 2),
        (torch.tensor([0, 2, 2]), torch.tensor([[1.0], [5.0], [5.0]]), 3),
    ]
    for n, c, v in ((7, 3, 5), (9, 4, 4), (13, 4, 6), (6, 2, 11)):
        tokens = torch.randint(v, (n,), generator=generator)
        cases.append((tokens, torch.randn(n, c, generator=generator), v))
    return cases


def gradient_overwritten(tokens, grads, vocab_size):
    found = torch.zeros(vocab_size, grads.shape[1])
    for token, grad in zip(tokens.tolist(), grads, strict=True):
        found[token] = grad
    return found


def gradient_first(tokens, grads, vocab_size):
    return gradient_overwritten(tokens.flip(0), grads.flip(0), vocab_size)


def gradient_sum_of_all(tokens, grads, vocab_size):
    return table_gradient(tokens, grads, vocab_size).sum(1, keepdim=True).expand(-1, grads.shape[1]).clone()


def gradient_mean_of_none(tokens, grads, vocab_size):
    return torch.stack([grads[tokens == v].mean(0) for v in range(vocab_size)])


def gradient_mean(tokens, grads, vocab_size):
    counts = torch.bincount(tokens, minlength=vocab_size).clamp(min=1)
    return table_gradient(tokens, grads, vocab_size) / counts[:, None]


EXERCISE = Function(
    number="3.3",
    title="What reaches the table",
    stars=2,
    wants="table_gradient(tokens, grads, vocab_size)",
    cases=gradient_cases,
    oracle=table_gradient,
    mistakes=[
        (
            gradient_overwritten,
            "A token that occurs twice has only its last gradient here. `table[tokens] = …`, and `+=` too, "
            "write each row once: of what is meant for the same row, one survives. It has to add up.",
        ),
        (gradient_first, "A token that occurs twice has only its first gradient here. All of them add up."),
        (
            gradient_mean,
            "You took the mean over a token's occurrences. The loss depends on the row through each of them, "
            "and a derivative adds up over the ways that a number enters.",
        ),
        (
            gradient_mean_of_none,
            "You took the mean over a token's occurrences; of a token that never occurs, it is nan. A "
            "derivative adds up over the ways that a number enters: take the sum, 0 where there are none.",
        ),
        (
            gradient_sum_of_all,
            "Each of your rows has the same number C times: a `sum()` without `dim` adds up the columns too. "
            "Along which dimension do a token's occurrences lie?",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, grads, vocab_size) / len(tokens),
            "You divided by the number of tokens. If the loss is a mean, that is in `grads` already.",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, grads, int(tokens.max()) + 1),
            "Your table ends at the largest token that occurs. It has `vocab_size` rows, also where nobody "
            "reads.",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, grads, vocab_size)[tokens.unique()],
            "You kept only the rows that were read. The others belong to the table too; their gradient is 0.",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, grads, vocab_size).T,
            "Rows and columns are swapped: the gradient has the shape of the table, (V, C).",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, torch.ones_like(grads), vocab_size),
            "You counted how often each token occurs. Each occurrence brings its own row of `grads`.",
        ),
    ],
    right="The look-up copies rows out, so its gradient adds rows in: an embedding's whole way back.",
)
