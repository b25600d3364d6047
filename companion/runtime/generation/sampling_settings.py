"""Settings of sampling: their ranges, and what a public model's generation_config.json says.

Read are the ids that end and begin a text, and the settings of sampling. Lengths (max_length, max_new_tokens)
are not: how long a text may be is up to whoever asks for it. The sampling settings count where transformers
would use them, with "do_sample": true; "do_sample": false means the likeliest token. This module imports no
torch, so that a tokenizer is read without it.
"""

from pathlib import Path
from typing import Any

from companion.runtime.files.arguments import number, whole_number

FILE = "generation_config.json"
SAMPLED = ("temperature", "top_k", "top_p")  # the settings that count only where tokens are sampled
MEND = "mend the file, or remove it"
SMALLEST_TEMPERATURE = 1e-30
"""Logits up to hundreds of millions, divided by this, are still numbers in float32."""


def check_sampling(
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    previous: Any = (),
) -> None:
    """Raise ValueError for a setting out of its range, TypeError for one that is no number.

    previous: the tokens that a penalty is for; None, where they are missing.
    """
    least = SMALLEST_TEMPERATURE
    rule = f"0 (the likeliest token) or a number from {least:g} on; try 0.8"
    number("temperature", temperature, rule, lambda t: t == 0 or least <= t < float("inf"))
    if top_k is not None:
        whole_number("top_k", top_k, 1, "leave it out to draw from all tokens")
    if top_p is not None:
        number("top_p", top_p, "above 0 and at most 1; try 0.95", lambda p: 0 < p <= 1)
    rule = "from 1 (no penalty) to 1,000; try 1.1"
    number("repetition_penalty", repetition_penalty, rule, lambda x: 1 <= x <= 1000)
    if repetition_penalty != 1 and previous is None:
        raise ValueError(f"repetition_penalty={repetition_penalty} needs previous, the tokens so far, (B, T)")


def named_ids(said: dict, place: str | Path) -> tuple[list[int], int | None]:
    """The ids that end a text, and the id that begins one or None. ValueError where one of them is no id."""
    ends = said.get("eos_token_id")
    if not isinstance(ends, list):
        ends = [] if ends is None else [ends]
    for i in ends:
        check_id("eos_token_id", i, "a token's id, or a list of ids", place)
    begin = said.get("bos_token_id")
    if begin is not None:
        check_id("bos_token_id", begin, "a token's id", place)
    return ends, begin


def check_id(name: str, value: Any, rule: str, place: str | Path) -> None:
    """Raise ValueError, in one line, for what is no token's id."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{place}: {name} holds {value!r:.40}, which must be {rule}; {MEND}")


def named_sampling(said: dict, place: str | Path) -> dict[str, Any]:
    """Options of next_token_probabilities that a generation_config.json sets. ValueError for a bad one."""
    sample = said.get("do_sample")
    if sample is not None and not isinstance(sample, bool):
        raise ValueError(f"{place}: do_sample={sample!r:.40} must be true or false; {MEND}")
    found = {}
    if sample:
        found = {"temperature": 1.0} | {name: said[name] for name in SAMPLED if said.get(name) is not None}
        if said.get("top_k") == 0:  # no limit
            del found["top_k"]
    if sample is False:
        found = {"temperature": 0}
    if said.get("repetition_penalty") is not None:
        found["repetition_penalty"] = said["repetition_penalty"]
    try:
        check_sampling(**found)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{place}: {error}; {MEND}") from None
    return found
