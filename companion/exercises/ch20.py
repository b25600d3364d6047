"""The checks of chapter 20, Serving."""

import json
import random
import re  # noqa: F401 - mistakes of 20.4 and 20.5 use it
import struct

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter
from companion.exercises.settle import Record, as_list, as_number, settle
from companion.exercises.values import a

chapter = Chapter()

chapter.number(
    "20.1 How many gigabytes? ★",
    wants="gigabytes()",
    answer=7 / 32 * 18,
    tolerance=0.005,
    mistakes="""
        3.5
            Those are the halves of bytes alone. Each block has a scale, too.
        7 / 32 * 20
            A scale has 2 bytes, not 4.
        7 / 32 * 34
            That is Q8_0. In Q4_0 two numbers share a byte.
        28
            That is float32.
        14
            That is float16.
        7
            That is a byte for each number, without scales.
        7 / 32 * 18 * 8
            Those are gigabits. A byte has eight.
        7e9 / 32 * 18
            Those are bytes. In gigabytes, please: billions of them.
        7e9 / 32 * 18 / 2**30
            That counts 2 to the power of 30 bytes as one gigabyte. Here it is a billion.
        4.5
            Those are the bits of one number.
        18
            Those are the bytes of one block.
        36
            Those are the bytes of two blocks.
        7 / 32 * 36
            In 36 bytes there are two blocks, with 64 numbers.
        7 / 64 * 18
            A block of 18 bytes holds 32 numbers, not 64.
        7 * 18
            A block's 18 bytes are those of 32 numbers.
        7 * 36
            The 36 bytes are those of 64 numbers.
        18 / 32
            Those are the bytes of one number.
        7e3 / 32 * 18
            Those are megabytes. In gigabytes, please: billions of bytes.
        3.9
            Nearly: that is rounded. Two digits behind the point, please.
        4
            Nearly, but a whole number is too rough: two digits behind the point, please.
    """,
    right="So it fits into a laptop's memory, where float16, with 14 GB, often does not.",
)

# -- 20.2 -----------------------------------------------------------------


def steps_cases(seed):
    rng = random.Random(seed)
    for _ in range(6):
        yield [rng.randint(1, 30) for _ in range(rng.randint(4, 12))], rng.randint(2, 5)


def two_numbers(answer, lengths, slots):
    found = settle(answer(lengths, slots))
    if found is None:
        return found
    both = as_list(found)
    if both is None or len(both) != 2:
        many = "" if both is None else f" of {len(both)}"
        rule = "It must return two whole numbers, first the static batch's steps"
        raise Problem(f"{rule}; this is {a(found)}{many}.")
    numbers = [as_number(one) for one in both]
    one, two = (one if number is None else number for one, number in zip(both, numbers, strict=True))
    return Record("", {"static": one, "continuous": two})


def static(lengths, slots):
    return sum(max(lengths[i : i + slots]) for i in range(0, len(lengths), slots))


def continuous(lengths, slots):
    free = [0] * slots  # the step at which each slot is free
    for n in lengths:
        slot = free.index(min(free))
        start = free[slot]
        free[slot] = start + n
    return max(free)


@chapter.function(
    "20.2 How many steps? ★★",
    helpers=(static, continuous),
    inputs="""
        [2, 5, 3], 2 || [4], 1 || [4], 3 || [3, 1, 4, 1, 5], 1 || [], 2 || [1, 1, 9], 2 || [5, 2, 3, 4], 2
        [2, 2, 2, 2, 2, 2], 3 || [1, 9, 1, 9], 2 || [1, 2, 3, 10], 3
    """,
    cases=steps_cases,
    call=two_numbers,
    mistakes="""
        = it[0], -(-sum(lengths) // slots)
            The tokens divided by the slots: as if a row could be split. The last ones often run alone.
        = it[0], max(sum(lengths[i::slots]) for i in range(slots))
            You dealt them out in turn. The next takes the slot that is free first.
        = it[0], continuous(sorted(lengths), slots) || it[0], continuous(sorted(lengths, reverse=True), slots)
        = static(sorted(lengths), slots), it[1] || static(sorted(lengths, reverse=True), slots), it[1]
        = steps(sorted(lengths), slots) || steps(sorted(lengths, reverse=True), slots)
            They are served in the order in which they came.
        = it[0], continuous(lengths[::-1], slots)
            The last to come is served first: `pop()` takes from the end.
        = it[0], max(-(-sum(lengths) // slots), 0, *lengths)
            Fewer are not possible, but more may be needed: a long request that comes late runs on alone.
        start = free[slot] => start = free[slot] + (free[slot] > 0)
            A row joins between two steps; that costs no step of its own.
        start = free[slot] => start = free[slot] - (free[slot] > 0)
            In the step of its last token a row still has its slot: the next one begins in the step
            after.
        free = [0] * slots => free, start = [0] * slots, -1 ; = free[slot] => = max(free[slot], start + 1)
        - free = [0] * slots  # the step at which each slot is free
        + free, start = [0] * slots, 0
        - start = free[slot]
        + start = max(free[slot], start + 1) if free[slot] else 0
            Between two steps as many join as slots are free, not only one.
        free.index(min(free)) => free.index(max(free) if all(free) else 0)
            The next takes the slot that is free first, not last.
        = max(lengths[:slots], default=0), it[1] || max(lengths, default=0), it[1]
            There is more than one batch.
        range(0, len(lengths), slots) => range(0, len(lengths) - slots + 1, slots)
            The last batch runs too, where it is not full.
        = sum(max(lengths[i::slots], default=0) for i in range(slots)), it[1]
            A batch takes neighbors: the first `slots` requests, then the next.
        = it[1], it[0]
            The static batch's steps come first.
        = it[0], it[0]
            Both are the static batch's, where a slot waits for the others.
        = -(-sum(lengths) // slots), it[1]
            A static batch runs as long as its longest row.
        = sum(lengths), it[1]
            That is one after the other.
        = max(lengths, default=0) * -(-len(lengths) // slots), it[1]
            Not each batch is as long as the longest of all.
    """,
    right="Continuous batching is never more than static batching needs, and its last rows still run alone.",
)
def steps(lengths, slots):
    return static(lengths, slots), continuous(lengths, slots)


# -- 20.3 -----------------------------------------------------------------


def block(scale, packed):
    return struct.pack("<e", scale) + bytes(packed)


def q4_0_cases(seed):
    rng = random.Random(seed)
    for n in (1, 2, 5):
        yield (b"".join(block(rng.uniform(-2, 2), rng.randbytes(16)) for _ in range(n)),)


@chapter.function(
    "20.3 Four bits, by hand ★★",
    inputs="bytes() || block(0.5, [0x98] * 16) || block(1, range(16)) || block(0, [7] * 16)",
    cases=q4_0_cases,
    mistakes="""
        for q in low + high => for pair in zip(low, high) for q in pair
            The two halves of a byte are not neighbors: the lower halves of all 16 bytes come first.
        for q in low + high => for pair in zip(high, low) for q in pair
            The lower halves of all 16 bytes come first.
        low + high => high + low
            The lower halves come first: `b % 16`, or `b & 15`.
        scale * (q - 8) => scale * q
            The whole numbers are counted from −8.
        q - 8 => q - 16 if q > 7 else q
            Here 8 to 15 are no negative numbers: 8 is subtracted from each.
        q - 8 => q - 7
            One too many: 8 is subtracted.
        scale * (q - 8) => q - 8
            Each number is to be multiplied by its block's scale.
        scale * (q - 8) => scale * q - 8
            First 8 is subtracted, then the scale multiplies.
        "<e" => ">e"
            The scale's lower byte comes first, as everywhere in a GGUF file.
        "<e", data, at => "<e", data, at + 16 ; data[at + 2 : at + 18] => data[at : at + 16]
            The scale stands in front of its 16 bytes.
        = it[:32]
            There is more than one block.
        = it[:-32]
            The last block is missing.
        = [x for i, x in enumerate(it) if i % 32 < 16] + [x for i, x in enumerate(it) if i % 32 >= 16]
            One block after the other: its lower halves, its upper halves, then the next block.
        "<e", data, at => "<e", data, 0
            Each block has a scale of its own, in front of its 16 bytes.
        = [it[i : i + 32] for i in range(0, len(it), 32)]
            One list of all the numbers, please, not one for each block.
        "<e" => "<h"
            The scale's two bytes are a float16, no whole number.
        unpack_from("<e", data, at) => unpack("<f", bytes(2) + data[at : at + 2])
            The scale is a float16; you read it as a bfloat16.
        (q - 8) => ((q - 8) % 256)
            Unsigned bytes know nothing below 0: 7 − 8 is 255 there. Make other integers of them before
            you subtract.
        byte // 16 => byte // 16 - 16 * (byte > 127)
            `>> 4` of a signed byte keeps its sign: 0x98 becomes −7. Read the bytes as unsigned ones.
        byte // 16 => byte - byte % 16
            The upper half is to be moved down by four bits.
        q - 8 => q - 7.5
            Subtract 8: the numbers do not lie evenly around 0.
        scale * (q - 8) => struct.unpack("<e", struct.pack("<e", scale * (q - 8)))[0]
            A float16 rounds the products. Make the scale a float32, or a Python float, before you
            multiply.
    """,
    right="On a CPU llama.cpp reads blocks so, too, multiplies the whole numbers, and takes the scale last.",
)
def read_q4_0(data):
    found = []
    for at in range(0, len(data), 18):
        [scale] = struct.unpack_from("<e", data, at)
        packed = data[at + 2 : at + 18]
        low = [byte % 16 for byte in packed]
        high = [byte // 16 for byte in packed]
        found += [scale * (q - 8) for q in low + high]
    return found


# -- 20.4 -----------------------------------------------------------------


def sent(delta, finish=None, ascii=True):
    """The line of an event."""
    return "data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}, ensure_ascii=ascii)


PLAIN = [sent({"content": "It is"}), "", sent({"content": " Mara."}), "", "data: [DONE]", ""]
LATE = sent({"content": " Nobody says this."})
USAGE = 'data: {"choices": [], "usage": {"total_tokens": 5}}'


def said_cases(seed):
    rng = random.Random(seed)
    for _ in range(4):
        lines = []
        for _ in range(rng.randint(2, 8)):
            words = rng.choice([" a", " data:", " Mara", '"', "\\", "\n", " atad "])
            lines += rng.choice([[sent({"content": words}), ""], [": ping", ""], [sent({}), ""]])
        yield ([*lines, "data: [DONE]", ""],)


@chapter.function(
    "20.4 What did it say? ★★",
    inputs=r"""
        PLAIN || ["data: [DONE]"] || [] || [": ping", "", *PLAIN]
        [sent({"role": "assistant", "content": ""}), "", *PLAIN]
        [*PLAIN[:4], sent({}, "stop"), "", "data: [DONE]"]
        [sent({"role": "assistant", "content": None}), *PLAIN]
        [*PLAIN[:4], USAGE, "", "data: [DONE]"]
        [*PLAIN, LATE, ""]
        [sent({"content": "data: and [DONE]"}), "", *PLAIN]
        ["event: delta", "id: 3", "retry: 100", *PLAIN]
        PLAIN[:3]
        [*PLAIN[:2], USAGE, "", *PLAIN[2:]]
        [*PLAIN[:2], ": " + LATE, "", *PLAIN[2:]]
        [*PLAIN[:2], 'data: {"choices": [], "note": {"content": " Nobody."}}', "", *PLAIN[2:]]
        [sent({"content": "null, \u2028true", "x": True}, ascii=False), "", *PLAIN]
        [sent({"content": " "}), "", *PLAIN[:2], sent({"content": "\n"}), "", *PLAIN[2:]]
        [sent({"content": "Oh…\n\nyes: "}, ascii=False), "", sent({"content": "é", "x": 1}), ""]
    """,
    cases=said_cases,
    mistakes=r"""
        in event["choices"] => in [event["choices"][0]] ; .get("content") or "" => ["content"]
            Not every piece has a choice, and not every delta a content: the last says why it ended, one
            may only count tokens.
        .get("content") or "" => ["content"] or ""
            The last delta is empty: it has no content at all.
        in event["choices"] => in [event["choices"][0]]
            A piece that only counts tokens has an empty list of choices.
        choice["delta"].get("content") or "" => str(choice["delta"].get("content", ""))
            A content may be null, which is no text.
        .get("content") or "" => .get("content", "")
            A content may be null: it is there, and no text.
        line == "data: [DONE]" => False ; line.startswith("data: ") => True
            Not every line has data: there are empty ones and comments.
        line == "data: [DONE]" => False
            `[DONE]` is no JSON.
        break => continue
            What comes after `[DONE]` is no part of the answer.
        return "".join(pieces) => return " ".join(pieces)
            The pieces bring their own spaces.
        return "".join(pieces) => return "\n".join(pieces)
            The pieces follow each other without anything between.
        line == "data: [DONE]" => "[DONE]" in line
            A piece's text may hold `[DONE]`, too. Only the line `data: [DONE]` ends it.
        line[6:] => line.replace("data: ", "")
            `replace` takes `data: ` out of the text, too.
        line[6:] => line.split("data: ")[1]
            A piece's text may hold `data: `, too: then `split` cuts it.
        line.startswith("data: ") => "data: " in line ; line[6:] => line.split("data: ", 1)[1]
            A comment may hold `data: `, too. An event is a line that begins with it.
        pieces.append(piece) => pieces.append(piece.strip())
            The spaces at a piece's borders are part of the answer.
        pieces.append(piece) => pieces.append(piece if piece.strip() else "")
            A piece may be a space or a line end alone: that is text, too.
        line == "data: [DONE]" => line == "data: [DONE]" or not line
            An empty line ends an event, not the stream.
        line == "data: [DONE]" => line == "data: [DONE]" or line.startswith(":")
            A comment says nothing, but more may follow.
        line == "data: [DONE]" => line == "data: [DONE]" or not line.startswith("data: ")
            A line that is no event says nothing, but more may follow.
        - pieces.append(piece)
        + if not event["choices"]: break
        + pieces.append(piece)
            After an empty list of choices more may follow: only `[DONE]` ends it.
        - pieces.append(piece)
        + if not piece: break
        + pieces.append(piece)
            After a piece without text more may follow: only `[DONE]` ends it.
        - pieces.append(piece)
        + if any(choice["delta"].get("content") is None for choice in event["choices"]): break
        + pieces.append(piece)
            After a piece without content more may follow: only `[DONE]` ends it.
        = said(lines[: lines.index("data: [DONE]")])
            A connection may break: then there is no `[DONE]`.
        = said(lines[:-1])
            The last line may hold text: not every stream comes to its `[DONE]`.
        pieces.append(piece) => pieces += re.findall(r'"content": *"(.*?)"', line)
            In JSON a quotation mark, a line end and many letters are written with a backslash: let
            `json.loads` read them.
        = it.strip()
            Spaces and line ends at the borders are part of the answer.
    """,
    right="That is a client: with a connection that gives lines, it is all that a program needs.",
)
def said(lines):
    pieces = []
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            event = json.loads(line[6:])
            piece = "".join(choice["delta"].get("content") or "" for choice in event["choices"])
            pieces.append(piece)
    return "".join(pieces)


# -- 20.5 -----------------------------------------------------------------


def spoken_cases(seed):
    rng = random.Random(seed)
    for _ in range(8):
        pieces = ["".join(rng.choices("ab ", k=rng.randint(0, 4))) for _ in range(rng.randint(2, 7))]
        stops = ["".join(rng.choices("ab ", k=rng.randint(2, 5))) for _ in range(rng.randint(1, 3))]
        yield pieces, stops


def by_letters(pieces, stops, again):
    """Where a letter does not fit, all that was held is said. again: the letter may begin a stop itself."""
    said, held = [], ""
    for piece in pieces:
        text = ""
        for letter in piece:
            if again and held and not begins(held + letter, stops):
                text, held = text + held, ""
            held += letter
            if held in stops:
                return [*said, text]
            if not begins(held, stops):
                text, held = text + held, ""
        said.append(text)
    return [*said, held]


def begins(text, stops):
    return any(stop.startswith(text) for stop in stops)


@chapter.function(
    "20.5 Not a letter too many ★★★",
    inputs=r"""
        ["I kn", "ow", "!"], ["now"] || ["a n", "ow b"], ["now"] || ["a", "b"], [] || [], ["x"]
        ["now", " x"], ["now"] || ["no", "no", "w"], ["now"] || ["ab"], ["b", "a"] || ["x END y"], ["END"]
        ["aab", "c"], ["aabd", "b"] || ["aa", "a", "b"], ["aab"] || ["a", "b", "c"], ["abcd"]
        ["one", "", "two"], ["et"] || ["abx", "y"], ["xyz", "by"]
        ["NO", "W NOW", " no"], ["now"]
        ["so", ". N", "o"], ["."] || ["a now b now"], ["now"] || ["a\nb", "\n"], ["\n\n"]
        ["a now b", "c now"], ["now"] || ["wow", "w"], ["ww"] || ["abab", "ac"], ["abac"]
    """,
    cases=spoken_cases,
    mistakes="""
        len(text) - max(begun, default=0) => len(text)
            A stop may be spread over several pieces. What could be its beginning must wait.
        = [*pieces[: len(it) - 1], "".join(it)[len("".join(pieces[: len(it) - 1])) :]]
            You found a stop that lies in several pieces, but its beginning was said already.
        len(text) - max(begun, default=0) => max(0, len(text) - max(map(len, stops), default=1) + 1)
            You hold back too much: only what is the beginning of a stop needs to wait.
        = ["".join(it)]
            That waits for the whole text. A text for each piece, please, as early as possible.
        return [*said, held] => return [*said, ""]
            At the end without a stop, what was held back is to be said.
        = spoken(pieces, stops[:1])
            There may be several stops; any of them ends the text.
        max(begun, default=0) => min(begun, default=0)
            Hold back the longest end of the text that begins a stop: in "aa", a stop "aab" may have
            begun two letters ago.
        min(places) => places[0]
            Of several stops that are found, the one that stands first in the text ends it.
        text.find(stop) for => (text.find(stop), len(stop)) for ; min(places) => sum(min(places))
            The stop itself is not said.
        = [text for text in it if text] || spoken([piece for piece in pieces if piece], stops)
            A text for each piece, also where it is empty.
        = spoken(list("".join(pieces)), stops)
            A text for each piece, not for each letter.
        range(1, len(stop)) => range(1, len(stop) - 1)
            A stop of which only the last letter is missing has begun, too.
        for stop in stops for k => for stop in stops[:1] for k
            Not only the first of the stops may have begun.
        text.find(stop) => text.rfind(stop) ; min(places) => max(places)
            The first stop in the text ends it, not the last.
        if stop in text => ; if places => if min(places, default=-1) >= 0
            `find` gives −1 for a stop that is not there: it is no place, and not the first.
        if stop in text => if text.find(stop) > 0
            A stop may stand at the very beginning: 0 is a place, too.
        - places = [text.find(stop) for stop in stops if stop in text]
        + places = [found.start() for found in re.finditer("|".join(stops), text) if stops]
            In a pattern a dot stands for any letter. A stop is meant letter by letter: `re.escape`.
        min(places) => min(places + [len(text) - k for k in begun])
            Look for whole stops first. Where one is there, what only begins does not matter any more.
        - places = [text.find(stop) for stop in stops if stop in text]
        + places = [text.lower().find(stop.lower()) for stop in stops if stop.lower() in text.lower()]
            Capital letters are other letters: NOW is not now.
        text = held + piece => text = piece ; return [*said, held] => return [*said, ""]
            Put what was held back in front of the next piece.
        said.append(text[:cut]) => said.append(text[len(held) : cut])
            What was held back and began no stop is to be said with a later piece.
        = by_letters(pieces, stops, again=False) || by_letters(pieces, stops, again=True)
            Where a letter does not fit, a stop may still have begun later in what was held back: in
            "aaa", a stop "aab" may have begun one letter ago.
        = ["".join(it[: i + 1]) for i in range(len(it))]
            Each text is only what is new.
        text[: min(places)] => "".join(said) + text[: min(places)]
            The last text, too, is only what is new.
        return [*said, held] => return said
            Where no stop comes, one text more is added at the end.
        return [*said, held] => return [*said, held] if held else said
            Where no stop comes, one text more is added at the end, also where it is empty.
        text[: min(places)] => text[: min(places)], ""
            After a stop nothing is added.
        = it + [""] * (len(pieces) - len(it))
            After a stop no more pieces are read: the list ends.
    """,
    right="So a reader never sees half of a stop, and waits for no letter longer than is needed.",
)
def spoken(pieces, stops):
    said, held = [], ""
    for piece in pieces:
        text = held + piece
        places = [text.find(stop) for stop in stops if stop in text]
        begun = [k for stop in stops for k in range(1, len(stop)) if text.endswith(stop[:k])]
        if places:
            return [*said, text[: min(places)]]
        cut = len(text) - max(begun, default=0)
        said.append(text[:cut])
        held = text[cut:]
    return [*said, held]


# -- 20.6 -----------------------------------------------------------------


def allowed_cases(seed):
    rng = random.Random(seed)
    for _ in range(6):
        now, times = 0.0, []
        for _ in range(rng.randint(6, 14)):
            now += rng.choice([0, 0, 0.25, 0.5, 1, 4])
            times.append(now)
        yield times, rng.choice([0.25, 0.5, 1, 2]), rng.randint(1, 4)


@chapter.function(
    "20.6 A bucket for each client ★★",
    inputs="""
        [0, 0, 0, 1, 1], 1, 2 || [], 1, 1 || [5.0], 2, 1 || [0, 0.5, 1.0, 1.5, 2.0], 1, 1
        [0, 100, 100, 100, 100], 1, 3 || [0, 0, 0.5, 0.5, 1], 2, 1 || [3, 3, 3, 3.5, 4.5], 0.5, 2
        [0, 0.25, 0.5, 0.75, 1.0, 1.25], 1, 1
        [0, 0, 0, 0, 1, 1, 2, 2], 2, 2 || [0, 1, 1.5, 2, 2], 0.5, 1 || [0, 0.75, 1.5, 2.25, 3], 1, 1
    """,
    cases=allowed_cases,
    mistakes="""
        min(burst, level + fallen) => level + fallen
            It runs over: it never holds more than `burst`, however long nobody asks.
        level = burst => level = 0
            The bucket is full at first.
        if may else level => if may else level - 1
            A request that is refused takes nothing.
        level >= 1 => level > 0
            A whole drop is needed.
        level >= 1 => level > 1
            Exactly one drop is enough.
        level + fallen => level
            The bucket fills up again as time goes by.
        level = burst => level = 1
            At first it holds `burst` drops, not one.
        = [sum(int(t) == int(now) for t in times[: i + 1]) <= burst for i, now in enumerate(times)]
            That counts in each second anew: at its border twice as many come through.
        level >= 1 => last is None or now - last >= 1 / rate ; last = now => last = now if may else last
            That keeps a distance between requests. Here several may come at once, up to `burst`.
        level + fallen => level + int(fallen)
            Parts of a drop count, too: keep them until they are whole.
        last = now => last = now if may or last is None else last
            After a refusal the same drops fall again: keep the time of the last request, served or not.
        now - last => now - times[0]
            The same drops fall again and again: count from the last request, not from the first.
        if may else level => if may else 0 || if may else max(0, level - 1)
            A request that is refused takes nothing, also no part of a drop.
        level = burst => level = burst - 1
            At first it holds `burst` drops, not one less.
        (now - last) * rate => now - last
            `rate` drops fall in a second, not one.
        (now - last) * rate => (now - last) / rate
            `rate` is the drops in a second, not the seconds for one.
        (now - last) * rate => int(now - last) * rate
        = allowed([int(t) for t in times], rate, burst)
            Parts of a second count, too.
        level + fallen => level + round(fallen) || level - (-fallen // 1)
            Parts of a drop are not rounded: keep them.
        (now - last) * rate => rate if now > last else 0
            The more time has gone by, the more drops fall.
        min(burst, level + fallen) => min(burst + 1, level + fallen)
            Pour off what is more than `burst` when drops have fallen, before one is taken: yours holds
            one more.
        - level = min(burst, level + fallen)
        - may = level >= 1
        - level = level - 1 if may else level
        + may = level >= 1
        + level = min(burst, level - may + fallen)
            First the drops of the time gone by fall, then look whether one is there.
        level >= 1 => sum(served and now - t < 1 for t, served in zip(times, found)) < burst
            That counts the requests of the last second. Here drops fall, `rate` in a second.
        level >= 1 => level >= 0
            An empty bucket has no drop to give.
        = [True] * len(times)
            Somebody must be refused.
        = [not may for may in it]
            That says who is refused.
    """,
    right="In any t seconds a client is served at most burst + rate · t times. Of slots at once this says "
    "nothing, for answers may be long: count those as well.",
)
def allowed(times, rate, burst):
    level = burst
    last, found = None, []
    for now in times:
        fallen = 0 if last is None else (now - last) * rate
        level = min(burst, level + fallen)
        may = level >= 1
        level = level - 1 if may else level
        last = now
        found.append(may)
    return found
