"""Constrained decoding: whatever the logits are, the text is valid, and it ends."""

import json
import random
import re
import string

import pytest
import torch
from support.folders import raises_one_line

from companion.generation import sampling_distribution
from companion.serve.constraint import Constraint, Vocabulary
from companion.serve.formats import (
    MAX_CHARACTERS,
    MAX_ITEMS,
    json_object,
    json_schema,
    shortest,
)
from companion.tokenization import BPETokenizer, CharTokenizer

TEXT = (
    'The goat Mara has a "red" key, "name": 12, "é": [true, false], "n": null}. {"a": "b", "c": -0.5} \\n ü'
)
TOKENIZER = BPETokenizer.train(TEXT * 2, 300, special_tokens=("<|endoftext|>", "<tool>", "</tool>"))
VOCABULARY = Vocabulary(TOKENIZER, TOKENIZER.vocab_size + 5)  # a model may have rows to spare
END = TOKENIZER.end


def fits(value, schema) -> bool:
    """Whether a value is one of a schema's, by a check of its own."""
    if "const" in schema:
        return json.dumps(value) == json.dumps(schema["const"])
    if "enum" in schema:
        return json.dumps(value) in [json.dumps(one) for one in schema["enum"]]
    kind = schema["type"]
    if kind == "object":
        inner = schema.get("properties", {})
        order = [name for name in inner if name in value]
        return (
            isinstance(value, dict)
            and list(value) == order
            and set(schema.get("required", [])) <= set(value)
            and all(fits(value[name], inner[name]) for name in value)
        )
    if kind == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems", MAX_ITEMS)
        return (
            isinstance(value, list)
            and least <= len(value) <= most
            and all(fits(item, schema["items"]) for item in value)
        )
    if kind == "string":
        return isinstance(value, str) and len(value) <= schema.get("maxLength", MAX_CHARACTERS)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is {"integer": int, "boolean": bool, "null": type(None)}[kind]


def random_schema(rng, depth=0):
    """A schema of any kind, with names and values that JSON escapes."""
    word = "".join(rng.choices(string.ascii_letters + ' "\\\n/{},é🙂\U00050000', k=rng.randint(1, 4)))
    kinds = ["string", "integer", "number", "boolean", "null", "enum", "const"]
    kind = rng.choice(kinds + ["object", "array"] * 3 if depth < 3 else kinds)
    if kind == "enum":
        return {"enum": [word, word + "x", 1, 12, None, [1, {"a": "b"}]][: rng.randint(1, 6)]}
    if kind == "const":
        return {"const": word}
    if kind == "string":
        return {"type": kind} | ({"maxLength": rng.randint(0, 5)} if rng.random() < 0.7 else {})
    if kind == "array":
        schema = {"type": kind, "items": random_schema(rng, depth + 1)}
        limits = rng.choice([{}, {"minItems": 2}, {"maxItems": 3}, {"minItems": 1, "maxItems": 1}])
        return schema | limits | ({"maxItems": 0} if rng.random() < 0.1 and not limits else {})
    if kind == "object":
        names = list(dict.fromkeys([word, "a", "ab", "", "é"][: rng.randint(0, 5)]))
        inner = {name: random_schema(rng, depth + 1) for name in names}
        return {"type": kind, "properties": inner, "required": [n for n in names if rng.random() < 0.5]}
    return {"type": kind}


def drawn_text(allowed, n, generator, scale=6.0) -> bytes:
    """The text that random logits give under a mask, which must end with END within n tokens."""
    drawn = []
    while len(drawn) < n:
        mask = allowed(drawn)
        assert mask.dtype == torch.bool and mask.shape == (VOCABULARY.vocab_size,) and mask.any()
        logits = scale * torch.randn(VOCABULARY.vocab_size, generator=generator)
        probs = sampling_distribution(logits.masked_fill(~mask, float("-inf")))
        token = torch.multinomial(probs, 1, generator=generator).item()
        if token == END:
            return b"".join(TOKENIZER.vocab[i] for i in drawn)
        drawn.append(token)
    pytest.fail(f"no end within {n} tokens")


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_logits_are_the_text_is_valid_json_of_the_schema_and_ends(seed):
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    schema = random_schema(rng)
    grammar = json_schema(schema)
    least = shortest(grammar) + 1
    for n in (least, least + rng.randint(1, 40)):  # no token to spare, and some
        text = drawn_text(Constraint(grammar, VOCABULARY, [END], n), n, generator).decode()
        assert fits(json.loads(text), schema), (schema, text)


@pytest.mark.parametrize("seed", range(20))
def test_without_a_schema_the_text_is_any_json_object_and_ends(seed):
    generator = torch.Generator().manual_seed(seed)
    n = (3, 12, 40, 120)[seed % 4]
    text = drawn_text(Constraint(json_object(), VOCABULARY, [END], n), n, generator).decode()
    assert isinstance(json.loads(text), dict), text


def test_an_object_without_a_schema_can_hold_every_kind_of_value():
    value = {"a": [1, -0.5, {"b": None}], "": {"c": [True, {}]}, "n": "é", "e": []}
    text = json.dumps(value, ensure_ascii=False).encode()
    assert allowed_texts(json_object(), text) == {None}


def allowed_texts(grammar, written=b"", n=400):
    """The tokens that may follow a text, as bytes, the end as None."""
    constraint = Constraint(grammar, VOCABULARY, [END], n)
    mask = constraint(TOKENIZER.encode(written.decode()))
    return {None if i == END else TOKENIZER.vocab[i] for i in mask.nonzero()[:, 0].tolist()}


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, b'"Mara'),
        ({"type": "string", "maxLength": 6}, b'"Mara'),  # two more characters
        ({"type": "object", "properties": {"name": {"type": "string"}}}, b'{"name": "a'),
        ({"type": "array", "items": {"type": "number"}}, b"[1"),
    ],
)
def test_a_token_is_allowed_exactly_if_its_bytes_are_one_after_the_other(schema, written):
    """The masks in strings are made in a shorter way, which must change nothing."""
    grammar = json_schema(schema)
    found = allowed_texts(grammar, written)
    for token in VOCABULARY.tokens.values():
        constraint = Constraint(grammar, VOCABULARY, [END], 400)
        fine = True
        drawn = TOKENIZER.encode(written.decode())
        for byte in token:
            mask = constraint(drawn)
            one = TOKENIZER.ids[bytes([byte])]
            fine = fine and bool(mask[one])
            if not fine:
                break
            drawn = [*drawn, one]
        assert fine == (token in found), token


def test_an_end_is_allowed_only_where_the_text_is_complete():
    number = json_schema({"type": "integer"})
    assert None not in allowed_texts(number) and None not in allowed_texts(number, b"-")
    assert allowed_texts(number, b"0") == {None}  # JSON has no 01
    assert None in allowed_texts(number, b"12") and b"3" in allowed_texts(number, b"12")


def test_the_last_tokens_are_kept_for_what_must_still_come():
    string_ = json_schema({"type": "string"})
    closing = allowed_texts(string_, b'"', n=3)  # one to close, one to end
    assert b'"' in closing and all(token.endswith(b'"') for token in closing)
    assert b"a" in allowed_texts(string_, b'"', n=4) and b"\xc3" not in allowed_texts(string_, b'"', n=4)
    with raises_one_line(ValueError, "may need 3 tokens, above 2"):
        Constraint(string_, VOCABULARY, [END], 2)


def test_special_tokens_are_never_allowed_in_json():
    inside = allowed_texts(json_schema({"type": "string"}), b'"')
    assert b"<tool>" not in inside and b"<" in inside


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([], "schema=[] must be an object"),
        ({}, "schema.type=None must be one of object, array"),
        ({"type": ["string", "null"]}, "schema.type=['string', 'null'] must be one of"),
        ({"type": "integer", "minimum": 0}, "schema.minimum is not supported"),
        ({"type": "string", "maxItems": 3}, "schema.maxItems is not supported"),
        ({"anyOf": [{"type": "null"}], "type": "null"}, "schema.anyOf is not supported"),
        ({"anyOf": [{"type": "null"}]}, "schema.anyOf is not supported"),
        ({"type": "array", "items": {"$ref": "#/$defs/A"}}, "schema.items.$ref is not supported"),
        ({"enum": []}, "must be a list of 1 to 500 values"),
        ({"enum": [1], "maxLength": 3}, "schema.maxLength is not supported"),
        ({"type": "string", "maxLength": -1}, "schema.maxLength=-1 must be a whole number"),
        ({"type": "array"}, "schema.items=None must be an object"),
        ({"type": "array", "items": {"type": "null"}, "minItems": 3, "maxItems": 2}, "is above maxItems=2"),
        ({"type": "object", "properties": {"a": {"type": "date"}}}, "schema.properties.a.type='date'"),
        ({"type": "object", "required": ["b"]}, "schema.required=['b'] must be a list of names"),
        ({"type": "object", "additionalProperties": True}, "schema.additionalProperties must be false"),
        ({"type": "object", "patternProperties": {}}, "schema.patternProperties is not supported"),
        ({"type": "string", "description": "x" * 20_000}, "more than 20,000 characters"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_what_is_not_supported_is_refused_with_its_name(schema, message):
    with raises_one_line(ValueError, re.escape(message)):
        json_schema(schema)


def test_deep_and_endless_schemas_are_refused_without_harm():
    deep = {"type": "null"}
    for _ in range(12):
        deep = {"type": "array", "items": deep, "minItems": 10**6}
    with raises_one_line(ValueError, "nested more than 10 deep"):
        json_schema(deep)
    endless = {"type": "array", "items": deep["items"]["items"]["items"], "maxItems": 3}  # [] is a valid text
    assert allowed_texts(json_schema(endless), b"[") == {b"]"}


def test_a_tokenizer_without_all_bytes_is_refused():
    with raises_one_line(ValueError, "lacks tokens of single bytes"):
        Vocabulary(CharTokenizer.train("abc"), 5)
