"""Public benchmarks in their own files: what is asked of each row, shots, and one line for each bad file.

That the prompts are those of lm-eval itself is shown in tests/slow/peers.
"""

import json
from collections import Counter

import pytest
from support.benchmark_rows import ARC, ARC_HUB, GSM8K, HELLASWAG, LAMBADA, MMLU, ROWS, write, write_mmlu_csv
from support.cases import cases
from support.folders import raises_one_line

from companion.cli._benchmark_files import (
    FORMATS,
    clean,
    is_benchmark,
    read_benchmark,
    read_number,
    split_name,
)

CASES = cases(__file__)


def read(path, rows, n=9, **options):
    return read_benchmark(write(path, rows), n, **options)


def asked(items):
    return [(item.prompt, item.choices, item.answer) for item in items]


def test_hellaswag_goes_on_with_one_of_its_endings(tmp_path):
    kind, items = read(tmp_path / "a.jsonl", HELLASWAG)
    assert kind == "hellaswag" and FORMATS[kind].scored == "letters"
    assert items[0].prompt == "Baking bread: A woman kneads dough. She"
    assert items[0].choices[0] == items[0].answer == " puts it into the oven."
    assert items[0].choices[1] == " sings to a horse."
    assert items[1].prompt == "Home: How to mend a kettle. Look at it. Then wait."
    assert items[1].answer == items[1].choices[2] == "  Ask Mara."
    assert [item.place.rpartition(", ")[2] for item in items] == ["line 1", "line 2", "line 3"]
    short = [{k: v for k, v in row.items() if k not in ("ctx_a", "ctx_b")} for row in HELLASWAG]
    assert read(tmp_path / "b.jsonl", short)[1][0].prompt == "Baking bread: A woman kneads dough. she"


def test_what_is_left_of_pages_goes():
    assert clean(" [header] a [title] b [substeps] c ") == " a. b c"


def test_lambada_asks_for_the_last_word(tmp_path):
    kind, items = read(tmp_path / "a.jsonl.gz", [*LAMBADA, {"text": "one two \n", "domain": "x"}])
    assert kind == "lambada" and FORMATS[kind].scored == "cloze"
    assert items[0].prompt.endswith("gave the key to") and items[0].answer == " Tom"
    assert (items[3].prompt, items[3].choices) == ("one", (" two",))


def test_arc_is_read_in_both_forms_alike(tmp_path):
    kind, items = read(tmp_path / "a.jsonl", ARC)
    other = read(tmp_path / "b.jsonl", ARC_HUB)[1]
    assert kind == "arc" and asked(items) == asked(other) and FORMATS[kind].scored == "letters"
    assert items[0].prompt == "Question: Which of these is warm?\nAnswer:"
    assert [item.answer for item in items] == [" a stove that burns", " water", " a bed"]
    assert len(items[0].choices) == 3


def test_mmlu_is_read_in_both_forms_alike(tmp_path):
    kind, items = read(tmp_path / "a.jsonl", MMLU)
    of_csv = read_benchmark(write_mmlu_csv(tmp_path / "village_life_test.csv"), 9)
    assert of_csv[0] == kind == "mmlu" and asked(of_csv[1]) == asked(items)
    head = "The following are multiple choice questions (with answers) about village life.\n\n"
    assert items[0].prompt == f"{head}What is a shed?\nA. A place\nB. A person\nC. A tool\nD. A day\nAnswer:"
    assert items[1].choices == (" A", " B", " C", " D") and items[1].answer == " D"
    assert [item.place.rpartition(", ")[2] for item in of_csv[1]] == ["row 1", "row 2", "row 3"]
    unnamed = read_benchmark(write_mmlu_csv(tmp_path / "mine.csv"), 1)[1][0]
    assert unnamed.prompt.startswith("The following are multiple choice questions (with answers).\n\nWhat")
    letters = [row | {"answer": "ABCD"[row["answer"]]} for row in MMLU]
    assert asked(read(tmp_path / "b.jsonl", letters)[1]) == asked(items)


def test_a_csv_with_a_header_is_read_by_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('\ufeffanswer,question\n"one\n#### 4",Two and two?\n', encoding="utf-8")
    kind, items = read_benchmark(str(path), 5)
    assert kind == "gsm8k" and items[0].prompt == "Question: Two and two?\nAnswer:"
    assert items[0].place == f"{path}, row 1"


def test_gsm8k_asks_for_a_number(tmp_path):
    kind, items = read(tmp_path / "a.jsonl", GSM8K)
    assert kind == "gsm8k" and FORMATS[kind].scored == "number"
    assert [read_number(item.answer) for item in items] == ["5", "1200", "-7"]
    assert items[0].prompt == "Question: Mara has 2 keys and finds 3. How many?\nAnswer:"


@pytest.mark.parametrize("text, number", CASES["the number of an answer"])
def test_the_number_of_an_answer(text, number):
    assert read_number(text) == number


@pytest.mark.parametrize("kind", ROWS)
def test_the_first_n_are_read_and_what_is_after_them_is_not(kind, tmp_path):
    path = tmp_path / "a.jsonl"
    name = write(path, ROWS[kind][:2])
    path.write_bytes(path.read_bytes() + b"{cut off")
    assert read_benchmark(name, 2)[0] == kind and len(read_benchmark(f"{kind}:{name}", 1)[1]) == 1
    assert is_benchmark(name) and is_benchmark(f"{kind}:x") and split_name(f"{kind}:{name}") == (kind, name)


# ---- shots ----------------------------------------------------------------------------


def many(n):
    return [{"question": f"What is {i}?", "answer": f"#### {i}"} for i in range(n)]


def test_shots_are_other_questions_of_the_beginning_with_their_answers(tmp_path):
    path, n = tmp_path / "a.jsonl", 130
    bare, shown = read(path, many(n), n)[1], read(path, many(n), n, shots=3, seed=5)[1]
    seen = Counter()
    for i, (item, with_shots) in enumerate(zip(bare, shown, strict=True)):
        *shots, question = with_shots.prompt.split("\n\n")
        numbers = [int(shot.rpartition(" ")[2]) for shot in shots]
        assert question == item.prompt and with_shots.answer == item.answer
        assert len({*numbers, i}) == 4 and max(numbers) < 100
        assert shots == [f"Question: What is {k}?\nAnswer: #### {k}" for k in numbers]
        seen.update(numbers)
    assert len(seen) > 90  # others for each
    again, other = (asked(read(path, many(n), n, shots=3, seed=seed)[1]) for seed in (5, 6))
    assert again == asked(shown) != other
    assert asked(read(path, many(n), 4, shots=3, seed=5)[1]) == again[:4]  # whatever n is


def test_a_question_that_stands_twice_is_not_its_own_shot(tmp_path):
    rows = [*many(3), *many(3)]
    for item in read(tmp_path / "a.jsonl", rows, shots=2)[1]:
        assert item.prompt.count(item.prompt.rpartition("\n\n")[2]) == 1


def test_shots_of_mmlu_are_of_the_same_subject_under_one_head(tmp_path):
    rows = [*MMLU, *({**row, "subject": "the_sea", "question": "Sea?" + row["question"]} for row in MMLU)]
    for item in read(tmp_path / "a.jsonl", rows, shots=2)[1]:
        subject = "the sea" if "Sea?" in item.prompt else "village life"
        assert item.prompt.count("Sea?") in (0, 3) and item.prompt.count("The following are") == 1
        assert item.prompt.startswith(item.head) and f"about {subject}.\n\n" in item.head


def test_more_shots_than_others_are_refused(tmp_path):
    with pytest.raises(ValueError, match="line 1: shots=3, and there are 2 other questions to show"):
        read(tmp_path / "a.jsonl", many(3), shots=3)


# ---- bad input ----------------------------------------------------------------------------

BAD = CASES["bad"]


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_named(case, tmp_path):
    row, words = BAD[case]
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=words) as caught:
        read_benchmark(str(path), 9)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 600


def test_a_row_of_another_format_further_down_is_named(tmp_path):
    with pytest.raises(
        ValueError, match="line 3 has no column 'ctx'; it has 'id'.*hellaswag wants activity_label"
    ):
        read(tmp_path / "a.jsonl", [*HELLASWAG[:2], ARC[0]])
    with pytest.raises(ValueError, match="line 1 has no column 'text'; .*lambada wants text"):
        read_benchmark("lambada:" + write(tmp_path / "b.jsonl", ARC), 3)


def test_a_text_with_other_columns_is_lambada_when_it_is_named_so(tmp_path):
    name = write(tmp_path / "a.jsonl", [{"text": "one two", "label": 1}])
    assert read_benchmark(f"lambada:{name}", 3)[1][0].answer == " two"


FILES = {
    "empty": ("a.jsonl", b"", "a.jsonl is empty; name a file with a question in each row"),
    "empty lines": ("a.jsonl", b"\n\n", "is empty"),
    "an empty CSV": ("a.csv", b"", "is empty"),
    "a header alone": ("a.csv", b"question,answer\n", "has a single row"),
    "another ending": ("a.txt", b"x", r"a.txt is no file of questions: name one that ends in \.jsonl"),
    "no text": ("a.csv", b"q,a,b,c,d,A\n\xff\xfe,1,2,3,4,B\n", r"is no CSV in UTF-8 \("),
    "cells too few": ("a.csv", b"q,1,2,3,4,A\nq,1,2,3\n", "row 2 has 4 cells, and must have 6"),
    "cut off": ("a.jsonl", b'{"question', "line 1 is cut off or damaged"),
    "a list": ("a.jsonl", b"[1]\n", r"line 1 is \[1\], and no object"),
    "not packed": ("a.jsonl.gz", b"{}", "is cut off or damaged"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_one_line(case, tmp_path):
    name, data, words = FILES[case]
    (tmp_path / name).write_bytes(data)
    with raises_one_line(ValueError, words):
        read_benchmark(str(tmp_path / name), 5)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(ValueError, match="b.jsonl is not there, or no file"):
        read_benchmark(str(tmp_path / "b.jsonl"), 5)
    (tmp_path / "c.jsonl").mkdir()
    with pytest.raises(ValueError, match="c.jsonl is not there, or no file"):
        read_benchmark(f"arc:{tmp_path / 'c.jsonl'}", 5)


@pytest.mark.parametrize("row", ["What is 1?,1,2,3,4,b", "What is 1?,1,2,3,A", "question,A,B,C,D,answer"])
def test_a_single_row_that_is_no_question_is_not_called_empty(tmp_path, row):
    (tmp_path / "x.csv").write_text(row + "\n")
    with pytest.raises(ValueError, match="x.csv has a single row, which was taken for the names of columns"):
        read_benchmark(f"mmlu:{tmp_path / 'x.csv'}", 5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('What?,1,2,3,4,A\nWhat?,"1"2,2,3,4,A\n', 2),
        ('What?,"1\n2",2,3,4,A\nWhat?,"1"2,2,3,4,A\n', 3),
        ('What?,1,2,3,4,A\nWhat?,"1,2,3,4,A\nWhat?,1,2,3,4,A\n', 2),
        ('\n\nWhat?,1,2,3,4,A\nWhat?,"1"2,2,3,4,A\n', 4),
    ],
)
def test_wrong_quotes_are_named_by_their_line(tmp_path, text, line):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=f"x.csv, line {line} is no CSV"):
        read_benchmark(f"mmlu:{tmp_path / 'x.csv'}", 5)
