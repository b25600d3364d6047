"""What a public model's generation_config.json says about how its texts are drawn.

Read are the ids that end and begin a text, and the settings of sampling. Lengths (max_length, max_new_tokens)
are not: how long a text may be is up to whoever asks for it. The sampling settings count where transformers
would use them, with "do_sample": true; "do_sample": false means the likeliest token.
"""

from pathlib import Path
from typing import Any

FILE = "generation_config.json"
SAMPLED = ("temperature", "top_k", "top_p")  # the settings that count only where tokens are sampled
MEND = "mend the file, or remove it"


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
    # Here, because it imports torch.
    from companion.runtime.generation.sampling_arguments import check_sampling

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
