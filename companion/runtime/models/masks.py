"""The mask of a sliding window."""

import torch


def near(mask, start, n_query: int, n_key: int, window: int | None, device=None):
    """A mask, bool or None for the causal one, without what lies further back than the window.

    start: position of the first query, an int or int64 (B,); key j stands at position j. window: positions
    that a query sees, its own included; None, all. Source: Jiang et al., 2023 (arXiv:2310.06825), section 2.
    """
    if window is None or n_key <= window:
        return mask
    at = torch.as_tensor(start, device=device)[..., None] + torch.arange(n_query, device=device)
    back = at[..., None] - torch.arange(n_key, device=device)  # (Tq, Tk) or (B, Tq, Tk)
    seen = ((back >= 0) & (back < window)).unsqueeze(-3)
    return seen if mask is None else seen & mask
