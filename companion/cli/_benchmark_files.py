"""Public benchmarks in their own files, each question asked as EleutherAI's lm-evaluation-harness asks it.

HellaSwag, LAMBADA, ARC, MMLU and GSM8K, as their authors or the Hugging Face hub hand them out: JSON Lines,
Parquet, or MMLU's CSV without a header.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random

from companion.runtime.data.labelled_texts import csv_records
from companion.runtime.data.streams import no_text, rows
from companion.runtime.files.arguments import replace_surrogates

FILES = (".jsonl", ".jsonl.gz", ".parquet", ".csv")
POOL = 100  # shots are drawn from so many questions at a file's beginning
LETTERS = "ABCD"


@dataclass(frozen=True)
class Item:
    """A question of a benchmark, with what chapter 13's `Example` has: prompt, choices, answer."""

    prompt: str
    choices: tuple[str, ...]  # each with the space that it begins with; or the answer alone
    answer: str
    head: str = ""  # what stands before all shots
    tail: str = "\n\n"  # what ends the question where it is a shot itself
    place: str = ""  # where it is from, such as "arc.jsonl, line 3"


@dataclass(frozen=True)
class Format:
    """How a benchmark's rows look, and how its custom scores them.

    scored: "letters", by the likeliest choice for its letters (the harness's acc_norm); "sum", by the
    likeliest; "cloze", each token of the answer must be the likeliest; "number", the model writes, and the
    number after #### is read.
    """

    columns: str  # those that it wants, as a message says them
    fits: Callable[[dict], bool]  # whether a row looks like one of its own
    read: Callable[[dict], Item]  # ValueError for what is wrong, KeyError for a column that is not there
    scored: str


def read_benchmark(name: str, n: int, shots: int = 0, seed: int = 0) -> tuple[str, list[Item]]:
    """The format of a file, a key of `FORMATS`, and its first n questions, or all where it has fewer.

    name: a path; or "hellaswag:path", where the columns do not tell the format. shots: questions with their
    answers that stand before each prompt, drawn with the seed from the file's first hundred. Raises
    ValueError, in one line that names the row, for what is of no format, and for more shots than there are.
    """
    kind, path = split_name(name)
    items: list[Item] = []
    for place, row in islice(_rows(path), max(n, POOL if shots else 0)):
        kind = kind or recognized(row, place)
        try:
            items.append(replace(FORMATS[kind].read(row), place=place))
        except KeyError as error:
            rule = f"{kind} wants {FORMATS[kind].columns}"
            raise ValueError(f"{place} has no column {error}; it has {_names(row)}, and {rule}") from None
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    if not items:
        raise ValueError(f"{path} is empty; name a file with a question in each row")
    return kind, with_shots(items[:n], items[:POOL], shots, seed)


def with_shots(asked: Sequence[Item], pool: Sequence[Item], shots: int, seed: int) -> list[Item]:
    """The items with their heads, and so many others of the pool before them, each with its answer.

    Those of an item are drawn with the seed among those with the same head, and never have its own prompt.
    """
    return [
        replace(item, prompt="".join([item.head, *_shots_of(item, i, pool, shots, seed), item.prompt]))
        for i, item in enumerate(asked)
    ]


def _shots_of(item: Item, i: int, pool: Sequence[Item], shots: int, seed: int) -> list[str]:
    if not shots:
        return []
    others = [other for other in pool if other.head == item.head and other.prompt != item.prompt]
    if len(others) < shots:
        rule = f"and there are {len(others)} other questions to show before it; lower it"
        raise ValueError(f"{item.place}: shots={shots}, {rule}")
    drawn = Random(f"{seed} {i}").sample(others, shots)
    return [other.prompt + other.answer + other.tail for other in drawn]


def split_name(name: str) -> tuple[str | None, str]:
    """("arc", "a.jsonl") for "arc:a.jsonl", (None, "a.jsonl") for "a.jsonl"."""
    kind, colon, path = name.partition(":")
    return (kind, path) if colon and kind in FORMATS else (None, name)


def is_benchmark(name: str) -> bool:
    """Whether this is named like a file of questions."""
    return split_name(name)[0] is not None or name.lower().endswith(FILES)


def recognized(row: dict, place: str) -> str:
    """The format that a row is of. Raises ValueError, which says what each wants."""
    for kind, form in FORMATS.items():
        if form.fits(row):
            return kind
    wanted = "; ".join(f"{kind}: {form.columns}" for kind, form in FORMATS.items())
    raise ValueError(f"{place} has {_names(row)}, which is no format that is known ({wanted})")


def read_number(text: str) -> str:
    """The number after the first #### of an answer to GSM8K, without commas and $; "" where there is none.

    What comes after another "Question:" is left out: there a model that goes on asks itself.
    """
    found = re.search(r"#### ?\$?(-?[0-9.,]+)", text.split("Question:")[0])
    return found[1].replace(",", "").rstrip(".") if found else ""


# -- files ------------------------------------------------------------------------


def _rows(path: str) -> Iterator[tuple[str, dict]]:
    """(where it stands, the row) for each row of a file."""
    if not path.lower().endswith(FILES):
        raise ValueError(f"{path} is no file of questions: name one that ends in {', '.join(FILES)}")
    if not Path(path).is_file():
        raise ValueError(f"{path} is not there, or no file; mend the name")
    return _csv_rows(path) if path.lower().endswith(".csv") else rows(path)


def _csv_rows(path: str) -> Iterator[tuple[str, dict]]:
    """Rows of a CSV, whose columns its first line names; or of MMLU's, which has no such line.

    MMLU's subject is in the file's name, as in anatomy_test.csv.
    """
    subject = re.fullmatch(r"(\w+)_(?:test|val|dev)\.csv", Path(path).name)
    more = {"subject": subject[1]} if subject else {}
    names: list[str] = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            for _, cells in csv_records(file, path):
                if not names and (len(cells) != 6 or cells[-1].strip() not in [*LETTERS]):
                    names, number = cells, 0
                    continue
                if not names:
                    names, number = ["question", *LETTERS, "answer"], 0
                number += 1
                place = f"{path}, row {number:,}"
                if len(cells) != len(names):
                    raise ValueError(f"{place} has {len(cells)} cells, and must have {len(names)}")
                yield place, more | dict(zip(names, cells, strict=True))
            if names and not number:
                rule = "a question of MMLU is six cells, of which the last is A, B, C or D"
                raise ValueError(f"{path} has a single row, which was taken for the names of columns; {rule}")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no CSV in UTF-8 ({str(error):.80}); save it as one") from None


def _names(row: dict) -> str:
    return ", ".join(map(repr, row)) or "no column"


# -- rows ------------------------------------------------------------------------


def _text(row: dict, name: str) -> str:
    if fault := no_text(row[name]):
        raise ValueError(f"{name} {fault}")
    return replace_surrogates(row[name])


def _texts(row: dict, name: str) -> list[str]:
    if not isinstance(row[name], list) or len(row[name]) < 2 or any(map(no_text, row[name])):
        raise ValueError(f"{name} is {row[name]!r:.40}, and must be a list of two texts or more")
    return [replace_surrogates(text) for text in row[name]]


def _none_of(name: str, value: object, choices: Sequence) -> ValueError:
    rule = f"is none of its {len(choices)} choices ({', '.join(map(str, choices)):.60})"
    return ValueError(f"{name} is {value!r:.40}, which {rule}")


def _numbered(row: dict, name: str, n: int) -> int:
    """The place of the right choice among n, from 0."""
    value = row[name]
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < n:
        raise _none_of(name, row[name], range(n))
    return value


def _chosen(prompt: str, choices: Sequence[str], right: int, head: str = "") -> Item:
    choices = tuple(" " + choice for choice in choices)
    return Item(prompt, choices, choices[right], head)


def clean(text: str) -> str:
    """HellaSwag's text without what is left of WikiHow's pages, such as [header], [title] and [step].

    Source: lm-evaluation-harness, tasks/hellaswag/utils.py.
    """
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def _hellaswag(row: dict) -> Item:
    if "ctx_a" in row and "ctx_b" in row:
        told = f"{_text(row, 'ctx_a')} {_text(row, 'ctx_b').capitalize()}"
    else:
        told = _text(row, "ctx")
    endings = [clean(ending) for ending in _texts(row, "endings")]
    right = _numbered(row, "label", len(endings))
    return _chosen(clean(f"{_text(row, 'activity_label')}: {told}"), endings, right)


def _arc(row: dict) -> Item:
    question = row["question"]
    if isinstance(question, dict):  # the authors' files
        if not {"stem", "choices"} <= question.keys():
            raise ValueError(f"question has {_names(question)}, and must have 'stem' and 'choices'")
        question, choices = _text(question, "stem"), question["choices"]
    else:
        question, choices = _text(row, "question"), row["choices"]
    if isinstance(choices, list) and all(
        isinstance(choice, dict) and {"text", "label"} <= choice.keys() for choice in choices
    ):
        choices = {name: [choice[name] for choice in choices] for name in ("text", "label")}
    if not isinstance(choices, dict) or not {"text", "label"} <= choices.keys():
        raise ValueError(f"choices is {choices!r:.40}, and must have 'text' and 'label'")
    texts, labels = _texts(choices, "text"), _texts(choices, "label")
    if len(texts) != len(labels):
        raise ValueError(f"choices has {len(texts)} texts and {len(labels)} labels; mend it")
    if row["answerKey"] not in labels:
        raise _none_of("answerKey", row["answerKey"], labels)
    return _chosen(f"Question: {question}\nAnswer:", texts, labels.index(row["answerKey"]))


def _mmlu(row: dict) -> Item:
    choices = [_text(row, x) for x in LETTERS] if LETTERS[0] in row else _texts(row, "choices")
    if len(choices) != len(LETTERS):
        raise ValueError(f"choices has {len(choices)} texts, and must have {len(LETTERS)}")
    answer = row["answer"]
    if isinstance(answer, str) and answer.strip().isalpha():
        if answer.strip() not in [*LETTERS]:
            raise _none_of("answer", answer, LETTERS)
        answer = LETTERS.index(answer.strip())
    right = _numbered(row | {"answer": answer}, "answer", len(LETTERS))
    about = f" about {' '.join(_text(row, 'subject').split('_'))}" if row.get("subject") else ""
    lines = [_text(row, "question").strip(), *(f"{x}. {c}" for x, c in zip(LETTERS, choices, strict=True))]
    head = f"The following are multiple choice questions (with answers){about}.\n\n"
    return _chosen("\n".join([*lines, "Answer:"]), LETTERS, right, head)


def _gsm8k(row: dict) -> Item:
    answer = " " + _text(row, "answer")
    if not read_number(answer):
        raise ValueError(f"answer is {answer.strip()!r:.40}, and must end with #### and a number")
    return Item(f"Question: {_text(row, 'question')}\nAnswer:", (answer,), answer)


def _lambada(row: dict) -> Item:
    before, space, last = _text(row, "text").rstrip().rpartition(" ")
    if not before.strip():
        raise ValueError(f"text is {row['text']!r:.40}, and must have two words or more")
    return Item(before, (space + last,), space + last)


FORMATS = {
    "hellaswag": Format(
        "activity_label, ctx (or ctx_a and ctx_b), endings, label",
        lambda row: {"activity_label", "endings", "label"} <= row.keys(),
        *(_hellaswag, "letters"),
    ),
    "arc": Format(
        "question, choices (or both in question), answerKey",
        lambda row: {"question", "answerKey"} <= row.keys(),
        *(_arc, "letters"),
    ),
    "mmlu": Format(
        "question, choices (or A, B, C, D), answer; or CSV without a header",
        lambda row: {"question", "answer"} <= row.keys() and ("choices" in row or {*LETTERS} <= row.keys()),
        *(_mmlu, "sum"),
    ),
    "gsm8k": Format(
        "question, answer",
        lambda row: {"question", "answer"} <= row.keys() and "choices" not in row,
        *(_gsm8k, "number"),
    ),
    "lambada": Format(
        "text, and at most domain besides",
        lambda row: {"text"} <= row.keys() <= {"text", "domain"},
        *(_lambada, "cloze"),
    ),
}
"""The benchmarks, by the names that "name:path" takes."""
