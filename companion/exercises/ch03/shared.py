"""What several checks of chapter 3 use."""

import torch

E = torch.tensor([[0.0, 1.0], [2.0, 1.0], [2.0, 0.0], [-1.0, 3.0], [-1.0, 2.0]])
"""The chapter's table by hand: a, red, blue, lantern, key."""
