"""What several checks of chapter 13 use: a prompt, what may follow it, and which of that is right."""

from dataclasses import make_dataclass

Asked = make_dataclass("Example", [("prompt", str), ("choices", tuple), ("answer", str)], frozen=True)
"""As the chapter's: choices is a tuple of str, answer one of them."""
