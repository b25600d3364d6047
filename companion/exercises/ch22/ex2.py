"""The check of exercise 22.2: The paper's GRU."""

import torch

from companion.exercises.exercise import Function


def blocks(x, h, W, U, b):
    """The parts of the three sums: from the token with the bias, and from the state."""
    return (x @ W.T + b).chunk(3, dim=-1), (h @ U.T).chunk(3, dim=-1)


def gates(x, h, W, U, b):
    a, from_h = blocks(x, h, W, U, b)
    return (a[0] + from_h[0]).sigmoid(), (a[1] + from_h[1]).sigmoid(), a[2]


def proposal(x, h, W, U, b):
    r, _, a = gates(x, h, W, U, b)
    return torch.tanh(a + (r * h) @ U.chunk(3)[2].T)


def paper_step(x, h, W, U, b):
    z, n = gates(x, h, W, U, b)[1], proposal(x, h, W, U, b)
    return z * h + (1 - z) * n


def cases(seed):
    g = torch.Generator().manual_seed(seed)
    made = []
    for B, d_in, H in ((1, 1, 1), (1, 2, 2), (2, 3, 2), (3, 2, 4)):
        sizes = (B, d_in), (B, H), (3 * H, d_in), (3 * H, H), (3 * H,)
        made.append(tuple(torch.randn(size, generator=g) for size in sizes))
    for x, h, W, U, b in made[1:3]:  # gates wide open, and shut
        made.append((x, h, W, U, b + 100 * torch.tensor([1, -1]).repeat(len(b))[: len(b)]))
    return made


def of_pytorch(x, h, W, U, b):
    (r, z, a), from_h = gates(x, h, W, U, b), blocks(x, h, W, U, b)[1]
    return z * h + (1 - z) * torch.tanh(a + r * from_h[2])


def kept_and_taken_swapped(x, h, W, U, b):
    z, n = gates(x, h, W, U, b)[1], proposal(x, h, W, U, b)
    return (1 - z) * h + z * n


def gates_swapped(x, h, W, U, b):
    z, r, a = gates(x, h, W, U, b)
    return z * h + (1 - z) * torch.tanh(a + (r * h) @ U.chunk(3)[2].T)


def in_order(*order):
    def step(x, h, W, U, b):
        return paper_step(x, h, *(torch.cat([p.chunk(3)[i] for i in order]) for p in (W, U, b)))

    return step


def rows_in_turn(x, h, W, U, b):
    return paper_step(x, h, *(torch.cat([p[0::3], p[1::3], p[2::3]]) for p in (W, U, b)))


def exp_over_exp(x, h, W, U, b):
    """A sigmoid that is inf / inf for large sums."""

    def sigmoid(s):
        return s.exp() / (1 + s.exp())

    (r, z, a), from_h = blocks(x, h, W, U, b)
    r, z = sigmoid(r + from_h[0]), sigmoid(z + from_h[1])
    return z * h + (1 - z) * torch.tanh(a + (r * h) @ U.chunk(3)[2].T)


def reset_in_update(x, h, W, U, b):
    r = gates(x, h, W, U, b)[0]
    z = gates(x, r * h, W, U, b)[1]
    return z * h + (1 - z) * proposal(x, h, W, U, b)


def state_untransposed(x, h, W, U, b):
    return paper_step(x, h, W, torch.cat([u.T for u in U.chunk(3)]), b)


def without_reset(x, h, W, U, b):
    (_, z, a), from_h = gates(x, h, W, U, b), blocks(x, h, W, U, b)[1]
    return z * h + (1 - z) * torch.tanh(a + from_h[2])


def reset_on_all(x, h, W, U, b):
    r, z, a = gates(x, h, W, U, b)
    return z * h + (1 - z) * torch.tanh(r * (a + h @ U.chunk(3)[2].T))


def without_bias(x, h, W, U, b):
    return paper_step(x, h, W, U, torch.zeros_like(b))


def without_tanh(x, h, W, U, b):
    r, z, a = gates(x, h, W, U, b)
    return z * h + (1 - z) * (a + (r * h) @ U.chunk(3)[2].T)


def sigmoid_proposal(x, h, W, U, b):
    r, z, a = gates(x, h, W, U, b)
    return z * h + (1 - z) * torch.sigmoid(a + (r * h) @ U.chunk(3)[2].T)


def keeps_reset_state(x, h, W, U, b):
    r, z, _ = gates(x, h, W, U, b)
    return z * (r * h) + (1 - z) * proposal(x, h, W, U, b)


EXERCISE = Function(
    number="22.2",
    title="The paper's GRU",
    stars=2,
    wants="paper_step(x, h, W, U, b)",
    cases=cases,
    oracle=paper_step,
    mistakes=[
        (of_pytorch, "That is PyTorch's form: r multiplies the product. Here it multiplies h before it."),
        (
            kept_and_taken_swapped,
            "You swapped what is kept and what is taken: z is the share of h that stays.",
        ),
        (gates_swapped, "Your blocks are in another order: first the reset gate, then the update gate."),
        (in_order(1, 2, 0), "Your blocks are in another order: reset gate, update gate, proposal."),
        (in_order(0, 2, 1), "Your blocks are in another order: reset gate, update gate, proposal."),
        (rows_in_turn, "The blocks are not every third row: the first H rows are the reset gate's."),
        (
            exp_over_exp,
            "For large sums e to that power is inf, and inf / inf is nan. `torch.sigmoid` knows that.",
        ),
        (reset_in_update, "The update gate sees the state as it is; only the proposal sees r ⊙ h."),
        (state_untransposed, "Your U is turned round: it is U h for a column h, so h @ U.T for rows."),
        (without_reset, "The reset gate does nothing in your step. It multiplies the state in the proposal."),
        (reset_on_all, "Your reset gate multiplies the whole sum; the token's part is not for it."),
        (without_bias, "The bias is missing."),
        (without_tanh, "The proposal has lost its tanh."),
        (sigmoid_proposal, "The proposal goes through a tanh, from −1 to 1, not through a sigmoid."),
        (proposal, "That is the proposal n. What of the old state is kept?"),
        (keeps_reset_state, "What z keeps is the old state itself, without the reset gate."),
    ],
    right="The proposal has to wait for r; PyTorch's form makes all three products at once.",
)
