"""The check of exercise 1.3: What a user may not say."""

import random

import regex

from companion.exercises.exercise import Function, Problem
from companion.exercises.values import show

ROLES = ("<|instruction|>", "<|response|>")


class Letters:
    """A tokenizer with one token a character, which treats special tokens as those of the chapter do."""

    def __init__(self, letters, special_tokens):
        self.vocab = [*letters, *special_tokens]
        self.special_tokens = {name: self.vocab.index(name) for name in special_tokens}
        self.vocab_size = len(self.vocab)

    def encode(self, text, allowed_special=()):
        allowed = set(self.special_tokens) if allowed_special == "all" else set(allowed_special)
        parts = (
            regex.split("(" + "|".join(map(regex.escape, sorted(allowed))) + ")", text) if allowed else [text]
        )
        tokens = [token for i, part in enumerate(parts) for token in ([part] if i % 2 else part)]
        return [self.vocab.index(token) for token in tokens]

    def tokens(self, ids):
        return [self.vocab[i] for i in ids]

    def decode(self, ids):
        return "".join(self.tokens(ids))


def request(tokenizer, text):
    instruction, response = (tokenizer.special_tokens[role] for role in ROLES)
    return [instruction, *tokenizer.encode(text), response]


def request_cases(seed):
    rng = random.Random(seed)
    letters = "<|abcdefghijklmnopqrstuvwxyz>"
    first = Letters(letters, ["<|pad|>", *ROLES, "<|end|>"])
    second = Letters(letters[::-1], ["<|end|>", *ROLES[::-1]])
    texts = ["", "hi", "<|end|>", "<|response|>", "a<|instruction|>b"]
    texts += ["".join(rng.choices(["a", "key", *ROLES, "<|end|>", "<|"], k=k)) for k in (3, 5)]
    return [(tokenizer, text) for text in texts for tokenizer in (first, second)]


def request_tokens(answer, tokenizer, text):
    ids = answer(tokenizer, text)
    if isinstance(ids, str):
        raise Problem("You return a text, and a model reads ids: let the tokenizer make them.")
    if not isinstance(ids, list) or not all(
        isinstance(i, int) and 0 <= i < tokenizer.vocab_size for i in ids
    ):
        raise Problem(f"It must return a flat list of the tokenizer's ids; this is {show(ids, 60)}.")
    return tokenizer.tokens(ids)


def request_stripped(tokenizer, text):
    for name in tokenizer.special_tokens:
        text = text.replace(name, "")
    return request(tokenizer, text)


EXERCISE = Function(
    number="1.3",
    title="What a user may not say",
    stars=2,
    wants="request(tokenizer, text)",
    cases=request_cases,
    oracle=request,
    call=request_tokens,
    shown="{f}(tokenizer, {1}), as tokens",
    mistakes=[
        (
            lambda tokenizer, text: tokenizer.encode(ROLES[0] + text + ROLES[1], "all"),
            "The user wrote the name of a special token, and got its id: now the model believes that "
            "somebody "
            "else is speaking. What you put around the text and what the user typed must not be "
            "encoded alike.",
        ),
        (
            lambda tokenizer, text: tokenizer.encode(ROLES[0] + text + ROLES[1], ROLES),
            "The user wrote the name of a role, and got its id. Allowing fewer special tokens does "
            "not help as "
            "long as yours and the user's stand in one text: encode them apart.",
        ),
        (
            lambda tokenizer, text: tokenizer.encode(ROLES[0] + text + ROLES[1]),
            "The roles are spelled out, letter by letter: a special token's name is ordinary text "
            "unless it is "
            "allowed. Here you need not encode it at all: `tokenizer.special_tokens` knows its id.",
        ),
        (
            request_stripped,
            "Something that the user typed is missing. It may be a question about that very token; "
            "and a name "
            "can be written so that a new one appears when the first is taken out.",
        ),
        (
            lambda tokenizer, text: request(tokenizer, text)[:-1],
            "The model is not told that it is its turn: the id of `<|response|>` comes last.",
        ),
        (
            lambda tokenizer, text: request(tokenizer, text)[1:],
            "Nothing says that the user begins: the id of `<|instruction|>` comes first.",
        ),
        (
            lambda tokenizer, text: (
                request(tokenizer, text)[-1:] + request(tokenizer, text)[1:-1] + request(tokenizer, text)[:1]
            ),
            "The two roles are exchanged: the instruction is the user's, the response the model's.",
        ),
        (
            lambda tokenizer, text: [
                len(tokenizer.vocab) - 3,
                *tokenizer.encode(text),
                len(tokenizer.vocab) - 2,
            ],
            "These ids are right for another tokenizer. Look the id of a role up, in "
            "`tokenizer.special_tokens`.",
        ),
    ],
    right="Whatever a user types, it cannot end its own turn: who speaks is told by ids, not by text.",
)
