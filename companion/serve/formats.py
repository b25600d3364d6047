"""Grammars of JSON, for constrained decoding.

`json_schema` turns a JSON schema into a grammar, and `json_object` returns the grammar of any object. A
`Constraint` (constraint.py) follows the drawn tokens through a grammar.

A grammar is made of five kinds of pieces. bytes are written as they are, a frozenset stands for one of its
bytes, and a tuple for its pieces in order. `Choice` and `Repeat` are the other two. No schema here contains
itself, so every text of a grammar is bounded.

Reference:
    Willard and Louf, 2023, Efficient Guided Generation for Large Language Models, arXiv:2307.09702.
"""

import json
from collections.abc import Sequence
from typing import Any

MAX_CHARACTERS = 200
"""Largest length of a string without a maxLength."""
MAX_ITEMS = 20
"""Largest length of an array without a maxItems."""
MAX_DIGITS = 15  # before and after the point; Python and JavaScript read so many without rounding an integer
MAX_DEPTH = 10
"""How deep objects and arrays may be nested."""
FREE_DEPTH = 4  # the same for an object without a schema
MAX_PROPERTIES = 100  # of an object
MAX_VALUES = 500  # of an enum
MAX_SCHEMA = 20_000  # characters


class Choice:
    """One of some pieces.

    Args:
        options: The pieces. No text belongs to two of them.
    """

    def __init__(self, options: Sequence):
        self.options = options
        self.shortest = min(map(shortest, options))


class Repeat:
    """A piece, at least `least` and at most `most` times."""

    def __init__(self, piece, least: int, most: int):
        self.piece = piece
        self.least = least
        self.most = most
        self.shortest = least * shortest(piece)


class Place:
    """What must still be written: a piece, and then the rest, which is a Place or None.

    Attributes:
        needed: The fewest bytes with which the text can end.
    """

    def __init__(self, piece, rest: "Place | None"):
        self.piece = piece
        self.rest = rest
        self.needed = shortest(piece) + needed(rest)


def shortest(piece) -> int:
    """Return the fewest bytes that a piece can have."""
    if isinstance(piece, bytes):
        return len(piece)
    if isinstance(piece, frozenset):
        return 1
    if isinstance(piece, tuple):
        return sum(map(shortest, piece))
    return piece.shortest


def needed(place: Place | None) -> int:
    """Return the fewest bytes with which a text at this place can end."""
    return place.needed if place else 0


def expand(place: Place | None) -> list[Place | None]:
    """Return the places at which a text can go on from here: bytes or a set come next, or, for None, nothing.

    Args:
        place: Any place. None is the end of a text.
    """
    found = []
    waiting = [place]
    while waiting:
        place = waiting.pop()
        if place is None or isinstance(place.piece, (bytes, frozenset)):
            found.append(place)
        elif isinstance(place.piece, tuple):
            rest = place.rest
            for piece in reversed(place.piece):
                rest = Place(piece, rest)
            waiting.append(rest)
        elif isinstance(place.piece, Choice):
            for option in place.piece.options:
                waiting.append(Place(option, place.rest))
        else:
            repeat = place.piece
            if repeat.least == 0:
                waiting.append(place.rest)
            if repeat.most > 0:
                again = Repeat(repeat.piece, max(repeat.least - 1, 0), repeat.most - 1)
                waiting.append(Place(repeat.piece, Place(again, place.rest)))
    return found


def advance(places: list[Place | None], byte: int) -> list[Place | None]:
    """Return the places after one more byte. Without any, the byte is not allowed.

    Args:
        places: The places before it, as expand returns them.
        byte: The byte.
    """
    found = []
    for place in places:
        if place is None:
            continue
        if isinstance(place.piece, frozenset):
            if byte in place.piece:
                found += expand(place.rest)
        elif place.piece[0] == byte:
            left = place.piece[1:]
            found += expand(Place(left, place.rest) if left else place.rest)
    return found


# -- JSON ---------------------------------------------------------------------


def one_of(first: int, last: int) -> frozenset[int]:
    """Return the set of the bytes from first to last."""
    return frozenset(range(first, last + 1))


LATER = one_of(0x80, 0xBF)  # the second and further bytes of a character in UTF-8
PLAIN = one_of(0x20, 0x7E) - frozenset(b'"\\')
CHARACTER = Choice(
    (
        PLAIN,
        (b"\\", frozenset(b'"\\nt')),
        (one_of(0xC2, 0xDF), LATER),
        (b"\xe0", one_of(0xA0, 0xBF), LATER),
        (one_of(0xE1, 0xEF) - {0xED}, LATER, LATER),
        (b"\xed", one_of(0x80, 0x9F), LATER),
        (b"\xf0", one_of(0x90, 0xBF), LATER, LATER),
        (one_of(0xF1, 0xF3), LATER, LATER, LATER),
        (b"\xf4", one_of(0x80, 0x8F), LATER, LATER),
    )
)
DIGIT = frozenset(b"0123456789")
INTEGER = (Choice((b"-", ())), Choice((b"0", (DIGIT - frozenset(b"0"), Repeat(DIGIT, 0, MAX_DIGITS - 1)))))
NUMBER = (*INTEGER, Choice(((), (b".", Repeat(DIGIT, 1, MAX_DIGITS)))))
STRING = (b'"', Repeat(CHARACTER, 0, MAX_CHARACTERS), b'"')
SIMPLE = {"integer": INTEGER, "number": NUMBER, "boolean": Choice((b"true", b"false")), "null": b"null"}
TYPES = ("object", "array", "string", *SIMPLE)
NOTES = {"title", "description", "default", "examples", "$schema"}  # keywords that allow and forbid nothing
KEYWORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"maxLength"},
}


def json_schema(schema: Any, place: str = "schema", depth: int = 0):
    """Return the grammar of the texts that json.dumps could write for the values of a JSON schema.

    The properties of an object come in the order of the schema, and no others. A string has at most
    MAX_CHARACTERS characters, an array at most MAX_ITEMS items, if the schema gives no limit.

    Args:
        schema: An object with enum, const, or a type and the KEYWORDS of that type.
        place: Where the schema stands, for error messages.
        depth: How many objects and arrays it stands in.

    Raises:
        ValueError: In one line, for any other keyword or value.
    """
    if not isinstance(schema, dict):
        raise ValueError(f"{place}={schema!r:.40} must be an object")
    if depth == 0 and len(json.dumps(schema)) > MAX_SCHEMA:
        raise ValueError(f"{place} has more than {MAX_SCHEMA:,} characters; shorten it")
    if depth > MAX_DEPTH:
        raise ValueError(f"{place} is nested more than {MAX_DEPTH} deep; make it flatter")
    kind = schema.get("type")
    if "enum" in schema or "const" in schema:
        check_keywords(schema, {"type", "const" if "const" in schema else "enum"}, place)
        return fixed_values(schema, place)
    if kind is None:
        check_keywords(schema, {"type", "enum", "const"}.union(*KEYWORDS.values()), place)
    if not isinstance(kind, str) or kind not in TYPES:
        raise ValueError(f"{place}.type={kind!r:.40} must be one of {', '.join(TYPES)}")
    check_keywords(schema, {"type"} | KEYWORDS.get(kind, set()), place)
    if kind == "object":
        return object_grammar(schema, place, depth)
    if kind == "array":
        return array_grammar(schema, place, depth)
    if kind == "string":
        return (b'"', Repeat(CHARACTER, 0, limit(schema, "maxLength", MAX_CHARACTERS, place)), b'"')
    return SIMPLE[kind]


def json_object() -> tuple:
    """Return the grammar of any JSON object.

    Strings and names have at most MAX_CHARACTERS characters. Objects and arrays have at most MAX_ITEMS
    entries, and they are nested at most FREE_DEPTH deep.
    """
    simple = [STRING, NUMBER, SIMPLE["boolean"], SIMPLE["null"]]
    values = simple
    for _ in range(FREE_DEPTH):
        value = Choice(tuple(values))
        member = (STRING, b": ", value)
        anything = (b"{", Choice(((), (member, Repeat((b", ", member), 0, MAX_ITEMS - 1)))), b"}")
        array = (b"[", Choice(((), (value, Repeat((b", ", value), 0, MAX_ITEMS - 1)))), b"]")
        values = [*simple, anything, array]
    return anything


def check_keywords(schema: dict, known: set[str], place: str) -> None:
    """Raise ValueError for the first keyword that is not known here."""
    for name in schema:
        if name not in known | NOTES:
            raise ValueError(f"{place}.{name:.40} is not supported; supported are {', '.join(sorted(known))}")


def limit(schema: dict, name: str, default: int, place: str) -> int:
    """Return a keyword's whole number, or the default."""
    value = schema.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{place}.{name}={value!r:.40} must be a whole number of at least 0")
    return value


def literal(value: Any) -> bytes:
    """Return a value as JSON. Only rare characters are escaped: not every tokenizer has their bytes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if max(text) > "\U0003ffff":
        text = json.dumps(value)
    return text.encode()


def fixed_values(schema: dict, place: str) -> Choice:
    """Return the grammar of the values of enum, or of const."""
    values = [schema["const"]] if "const" in schema else schema["enum"]
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_VALUES:
        raise ValueError(f"{place}.enum={values!r:.40} must be a list of 1 to {MAX_VALUES} values")
    return Choice(tuple(dict.fromkeys(map(literal, values))))


def object_grammar(schema: dict, place: str, depth: int) -> tuple:
    """Return the grammar of an object. The first property that is written has no comma before it."""
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    if not isinstance(properties, dict) or len(properties) > MAX_PROPERTIES:
        raise ValueError(f"{place}.properties must be an object with at most {MAX_PROPERTIES} properties")
    if not isinstance(required, list) or not all(name in list(properties) for name in required):
        raise ValueError(f"{place}.required={required!r:.40} must be a list of names in properties")
    if schema.get("additionalProperties", False) is not False:
        raise ValueError(f"{place}.additionalProperties must be false: only what is in properties is written")
    pieces = []
    with_comma = []
    for name, inner in properties.items():
        piece = (literal(name) + b": ", json_schema(inner, f"{place}.properties.{name:.40}", depth + 1))
        pieces.append(piece)
        after = (b", ", *piece)
        with_comma.append(after if name in required else Choice((after, ())))
    options = []  # one for each property that can be the first
    for i, name in enumerate(properties):
        options.append((*pieces[i], *with_comma[i + 1 :]))
        if name in required:
            break
    else:
        options.append(())
    return (b"{", Choice(options), b"}")


def array_grammar(schema: dict, place: str, depth: int) -> tuple:
    """Return the grammar of an array."""
    item = json_schema(schema.get("items"), f"{place}.items", depth + 1)
    least = limit(schema, "minItems", 0, place)
    most = limit(schema, "maxItems", max(least, MAX_ITEMS), place)
    if least > most:
        raise ValueError(f"{place}.minItems={least} is above maxItems={most}")
    if most == 0:
        return (b"[]",)
    some = (item, Repeat((b", ", item), max(least - 1, 0), most - 1))
    return (b"[", some if least else Choice((some, ())), b"]")
