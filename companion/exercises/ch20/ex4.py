"""The check of exercise 20.4: What did it say?"""

import json
import random
import re

from companion.exercises.exercise import Function


def said(lines):
    text = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
    return text


def data(delta, finish=None, ascii=True):
    return "data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}, ensure_ascii=ascii)


LATE = data({"content": " Nobody says this."})
PLAIN = [data({"content": "It is"}), "", data({"content": " Mara."}), "", "data: [DONE]", ""]


def cases(seed):
    rng = random.Random(seed)
    made = []
    if seed == 0:
        begun = [data({"role": "assistant", "content": ""}), ""]
        made += [PLAIN, ["data: [DONE]"], [], [": ping", "", *PLAIN], [*begun, *PLAIN]]
        made.append([*PLAIN[:4], data({}, "stop"), "", "data: [DONE]"])
        made.append([data({"role": "assistant", "content": None}), *PLAIN])
        made.append([*PLAIN[:4], 'data: {"choices": [], "usage": {"total_tokens": 5}}', "", "data: [DONE]"])
        made.append([*PLAIN, LATE, ""])
        made.append([data({"content": "data: and [DONE]"}), "", *PLAIN])
        made.append(["event: delta", "id: 3", "retry: 100", *PLAIN])
        made.append(PLAIN[:3])
        made.append([*PLAIN[:2], 'data: {"choices": [], "usage": {"total_tokens": 5}}', "", *PLAIN[2:]])
        made.append([*PLAIN[:2], ": " + LATE, "", *PLAIN[2:]])
        made.append([*PLAIN[:2], 'data: {"choices": [], "note": {"content": " Nobody."}}', "", *PLAIN[2:]])
        made.append([data({"content": "null, \u2028true", "x": True}, ascii=False), "", *PLAIN])
        made.append([data({"content": " "}), "", *PLAIN[:2], data({"content": "\n"}), "", *PLAIN[2:]])
        made.append([data({"content": "Oh…\n\nyes: "}, ascii=False), "", data({"content": "é", "x": 1}), ""])
    for _ in range(4):
        lines = []
        for _ in range(rng.randint(2, 8)):
            words = rng.choice([" a", " data:", " Mara", '"', "\\", "\n", " atad "])
            lines += rng.choice([[data({"content": words}), ""], [": ping", ""], [data({}), ""]])
        made.append([*lines, "data: [DONE]", ""])
    return [(lines,) for lines in made]


def told(pick, done="data: [DONE]", joint=""):
    def answer(lines):
        pieces = []
        for line in lines:
            if line == done:
                break
            if line.startswith("data: ") and line != "data: [DONE]":
                pieces.append(pick(json.loads(line[6:])))
        return joint.join(pieces)

    return answer


def each(event):
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


def first(event):
    return event["choices"][0]["delta"]["content"]


def none_as_text(event):
    return "".join(str(choice["delta"].get("content", "")) for choice in event["choices"])


def line_by_line(ends=lambda line: False, is_event=lambda line: line.startswith("data: "),
                 rest=lambda line: line[6:], pick=each):  # fmt: skip
    """said with other rules: what ends it, what is an event, what is behind `data: `, what of it is said."""

    def answer(lines):
        text = ""
        for line in lines:
            if line == "data: [DONE]" or ends(line):
                break
            if is_event(line):
                piece = pick(json.loads(rest(line)))
                if piece is None:
                    break
                text += piece
        return text

    return answer


def until_no_choice(event):
    return each(event) if event["choices"] else None


def until_no_text(event):
    return each(event) or None


def until_null(event):
    if any(choice["delta"].get("content") is None for choice in event["choices"]):
        return None
    return each(event)


def with_index(lines):
    return said(lines[: lines.index("data: [DONE]")])


def by_pattern(lines):
    """Looks for the text itself, without reading JSON."""
    found = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            found += "".join(re.findall(r'"content": *"(.*?)"', line))
    return found


def or_missing(event):
    return "".join(choice["delta"].get("content", "") for choice in event["choices"])


def every_line(lines):
    return "".join(each(json.loads(line[6:])) for line in lines)


def never_done(lines):
    return "".join(each(json.loads(line[6:])) for line in lines if line.startswith("data: "))


EXERCISE = Function(
    number="20.4",
    title="What did it say?",
    stars=2,
    wants="said(lines)",
    cases=cases,
    oracle=said,
    mistakes=[
        (told(first), "Not every piece has a choice, and not every delta a content: the last "
         "says why it ended, one may only count tokens."),
        (told(lambda e: "".join(c["delta"]["content"] or "" for c in e["choices"])),
         "The last delta is empty: it has no content at all."),
        (told(lambda e: e["choices"][0]["delta"].get("content") or ""),
         "A piece that only counts tokens has an empty list of choices."),
        (told(none_as_text), "A content may be null, which is no text."),
        (told(or_missing), "A content may be null: it is there, and no text."),
        (every_line, "Not every line has data: there are empty ones and comments."),
        (never_done, "`[DONE]` is no JSON."),
        (told(each, done="nothing ends it"), "What comes after `[DONE]` is no part of the answer."),
        (told(each, joint=" "), "The pieces bring their own spaces."),
        (told(each, joint="\n"), "The pieces follow each other without anything between."),
        (line_by_line(lambda line: "[DONE]" in line), "A piece's text may hold `[DONE]`, too. Only the line "
         "`data: [DONE]` ends it."),
        (line_by_line(rest=lambda line: line.replace("data: ", "")), "`replace` takes `data: ` out of the "
         "text, too."),
        (line_by_line(rest=lambda line: line.split("data: ")[1]), "A piece's text may hold `data: `, too: "
         "then `split` cuts it."),
        (line_by_line(is_event=lambda line: "data: " in line, rest=lambda line: line.split("data: ", 1)[1]),
         "A comment may hold `data: `, too. An event is a line that begins with it."),
        (line_by_line(pick=lambda event: each(event).strip()), "The spaces at a piece's borders are part of "
         "the answer."),
        (line_by_line(pick=lambda event: each(event) if each(event).strip() else ""), "A piece may be a "
         "space or a line end alone: that is text, too."),
        (line_by_line(lambda line: not line), "An empty line ends an event, not the stream."),
        (line_by_line(lambda line: line.startswith(":")), "A comment says nothing, but more may follow."),
        (line_by_line(lambda line: not line.startswith("data: ")), "A line that is no event says nothing, "
         "but more may follow."),
        (line_by_line(pick=until_no_choice), "After an empty list of choices more may follow: only "
         "`[DONE]` ends it."),
        (line_by_line(pick=until_no_text), "After a piece without text more may follow: only `[DONE]` "
         "ends it."),
        (line_by_line(pick=until_null), "After a piece without content more may follow: only `[DONE]` "
         "ends it."),
        (with_index, "A connection may break: then there is no `[DONE]`."),
        (lambda lines: said(lines[:-1]), "The last line may hold text: not every stream comes to its "
         "`[DONE]`."),
        (by_pattern, "In JSON a quotation mark, a line end and many letters are written with a backslash: "
         "let `json.loads` read them."),
        (lambda lines: said(lines).strip(), "Spaces and line ends at the borders are part of the answer."),
    ],
    right="That is a client: with a connection that gives lines, it is all that a program needs.",
)  # fmt: skip
