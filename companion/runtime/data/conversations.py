"""Conversations: lists of messages that are checked, and files of them in the forms that the field uses.

- messages: `{"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}]}`
- ShareGPT: `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}`
- Alpaca: `{"instruction": …, "input": …, "output": …}`, one question and one answer

A row's own `"system": text` is the system's message. What else a row or a message says, such as tools or a
weight, is refused where it would change what is learned; other texts and numbers of a row are notes.

A file holds one conversation a row: JSON Lines or Parquet, or JSON with a list of them.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from companion.runtime.data.streams import check_format, is_shard, rows
from companion.runtime.files.arguments import replace_surrogates
from companion.runtime.files.atomic import write_atomic
from companion.runtime.text.chat_templates import check_messages
from companion.runtime.text.documents import decode_utf8

FORMATS = (".json", ".jsonl", ".jsonl.gz", ".parquet")
FORMS = ("messages", "sharegpt", "alpaca")
NAMES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
NOTHING = (None, "", [], {})
WEIGHTS = ("weight", "train")  # 1 and true are what happens anyway
FULL = "The conversation is longer than the model can read; from here on its oldest turns are left out"
"""What is said once when a conversation drops its first turns."""
ASKS = "the user's first, then in turn, the assistant's last"


def check_turns(messages, place: str = "messages", open_end: bool = False) -> list[dict[str, str]]:
    """Return the messages as a list of {"role": "user" or "assistant", "content": text}, in turn, none empty.

    A system message before the user's first message is merged into it.

    Args:
        messages: The conversation.
        place: Where the conversation stands, for error messages.
        open_end: Whether the last message is the user's. Otherwise it is the assistant's.

    Raises:
        ValueError: In one line, for what is no list of messages, another role, a message out of turn, an
            empty message, and a conversation that ends with the other role.
    """
    found = system_joined(check_messages(messages))
    for i, message in enumerate(found):
        role = message["role"]
        said = f"{message['content']!r:.40}"
        expected = "user" if i % 2 == 0 else "assistant"
        if role not in ("user", "assistant"):
            raise ValueError(f"{place}: {said} has the role {role!r:.40}; the roles are user and assistant")
        if role != expected:
            raise ValueError(f"{place}: the {role}'s {said} comes after the {role}'s or before any; {ASKS}")
        if not message["content"].strip():
            raise ValueError(f"{place}: the {role}'s {said} is empty; fill it in, or leave the row out")
    if (found[-1]["role"] == "user") != open_end:
        who = "user" if open_end else "assistant"
        whose = "answered" if open_end else "learned"
        raise ValueError(f"{place} must end with a message of the {who}, so that one can be {whose}")
    return found


# -- files ------------------------------------------------------------------


def read_chats(path: str | Path) -> list[tuple[str, list[dict[str, str]]]]:
    """Return the conversations of a file, in any of the FORMS, each with its place for messages about it.

    A message of the role system may stand first.

    Args:
        path: The file.

    Raises:
        ValueError: In one line that names the place, for a file that is missing, damaged or of another
            format, for a row in no known form, an unknown role, turns in another order, and an empty message.
    """
    path = Path(path)
    check_format(path, FORMATS)
    found = list(rows(str(path))) if is_shard(path) else _json(path)
    if not found:
        raise ValueError(f"{path} has no rows; it must have one for each conversation")
    chats = [(place, as_messages(row, place)) for place, row in found]
    for place, messages in chats:
        check_turns(messages, place)
    return chats


def as_messages(row, place: str = "row") -> list[dict[str, str]]:
    """Return a row in any of the FORMS as messages.

    Args:
        row: A row of a file.
        place: Where the row stands, for error messages.

    Raises:
        ValueError: In one line, for a row in none of the FORMS, and for a field or message that cannot be
            read.
    """
    row = row if isinstance(row, dict) else {}
    messages = []
    if row.get("system") not in NOTHING:
        messages.append(_message({"role": "system", "content": row["system"]}, "role", "content", place))
    for name, who, what in (("messages", "role", "content"), ("conversations", "from", "value")):
        turns = row.get(name)
        if isinstance(turns, (list, tuple)) and turns:
            check_other_fields(row, {name, "system"}, place)
            for i, turn in enumerate(turns):
                messages.append(_message(turn, who, what, f"{place}: {name}[{i}]"))
            return messages
    if isinstance(row.get("instruction"), str) and isinstance(row.get("output"), str):
        check_other_fields(row, {"instruction", "input", "output", "system"}, place)
        about = row.get("input") or ""
        if not isinstance(about, str):
            raise ValueError(f"{place}: input must be a text; mend it")
        asked = f"{row['instruction']}\n{about}" if about else row["instruction"]
        messages.append(_message({"role": "user", "content": asked}, "role", "content", place))
        messages.append(_message({"role": "assistant", "content": row["output"]}, "role", "content", place))
        return messages
    forms = '"messages", "conversations", or "instruction" and "output"'
    raise ValueError(f"{place} is no conversation: it must have {forms}; mend it, or leave it out")


def check_other_fields(row: dict, known: Collection[str], place: str, notes: bool = True) -> None:
    """Refuse a field that would change what is learned, and that is not read here.

    Args:
        row: A row of a file, or a message.
        known: The fields that are read.
        place: Where it stands, for the message.
        notes: Whether other texts and numbers are notes, as beside a conversation.

    Raises:
        ValueError: In one line that names the field.
    """
    for name in row.keys() - known:
        value = row[name]
        if value in NOTHING or (name in WEIGHTS and value == 1):
            continue
        if name in WEIGHTS or not notes or isinstance(value, (list, dict)):
            raise ValueError(f"{place} has {name}={value!r:.40}, which is not learned here; leave it out")


def write_chats(path: str | Path, conversations: Sequence[list[dict]], form: str = "messages") -> None:
    """Write conversations as JSON Lines, whole or not at all.

    Args:
        path: The file to write.
        conversations: The messages of each conversation.
        form: One of FORMS.

    Raises:
        ValueError: For another form, and for a conversation of several turns in alpaca's form.
    """
    if form not in FORMS:
        raise ValueError(f"form={form!r} must be one of {', '.join(FORMS)}")
    rows = [_as_row(messages, i, form) for i, messages in enumerate(conversations)]
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _as_row(messages: list[dict], i: int, form: str) -> dict:
    if form == "messages":
        return {"messages": messages}
    if form == "sharegpt":
        who = {"user": "human", "assistant": "gpt", "system": "system"}
        return {"conversations": [{"from": who[one["role"]], "value": one["content"]} for one in messages]}
    if len(messages) != 2:
        raise ValueError(f"conversations[{i}] has {len(messages)} messages, and alpaca's form has two")
    return {"instruction": messages[0]["content"], "input": "", "output": messages[1]["content"]}


def _json(path: Path) -> list[tuple[str, object]]:
    try:
        found = json.loads(decode_utf8(path.read_bytes(), path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not whole JSON ({error}); save it again") from None
    if not isinstance(found, list):
        raise ValueError(f"{path} must hold a list of conversations; put [ and ] around it")
    return [(f"{path}, row {i + 1:,}", row) for i, row in enumerate(found)]


def _message(turn, who: str, what: str, place: str) -> dict[str, str]:
    role = None
    text = None
    if isinstance(turn, dict):
        role = turn.get(who)
        text = turn.get(what)
    if not isinstance(role, str) or not isinstance(text, str):
        raise ValueError(f"{place} must have the texts {who!r} and {what!r}; mend it, or leave the row out")
    if role not in NAMES:
        raise ValueError(f"{place} has the unknown role {role!r:.40}; known are {', '.join(NAMES)}")
    unlearned = WEIGHTS if NAMES[role] != "assistant" else ()  # only answers are learned
    check_other_fields(turn, {who, what, *unlearned}, place, notes=False)
    return {"role": NAMES[role], "content": replace_surrogates(text)}


def system_joined(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages, but that a system's before the user's first becomes one with it."""
    if len(messages) > 1 and (messages[0]["role"], messages[1]["role"]) == ("system", "user"):
        both = "\n\n".join(one["content"] for one in messages[:2])
        return [{"role": "user", "content": both}, *messages[2:]]
    return messages
