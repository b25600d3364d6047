"""Files of conversations: the field's three forms, read and written, and one line for each fault."""

import json

import pytest
from support.folders import raises_one_line

from companion.runtime.data.conversations import FORMS, as_messages, check_turns, read_chats, write_chats

HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
TWO = [*HI, {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mara é \u2028."}]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_is_read_again(tmp_path, form):
    some = [HI, HI] if form == "alpaca" else [HI, TWO]
    write_chats(tmp_path / "a.jsonl", some, form)
    found = read_chats(tmp_path / "a.jsonl")
    assert [messages for _, messages in found] == some
    assert all(str(i + 1) in place for i, (place, _) in enumerate(found))
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").split("\n") if line]
    (tmp_path / "b.json").write_text(json.dumps(rows), encoding="utf-8")
    assert [messages for _, messages in read_chats(tmp_path / "b.json")] == some


def test_parquet_is_read_as_jsonl_is(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    pq.write_table(pa.table({"messages": [HI, TWO]}), tmp_path / "a.parquet")
    assert [messages for _, messages in read_chats(tmp_path / "a.parquet")] == [HI, TWO]


SYSTEM = {"role": "system", "content": "Be brief."}


def test_fields_of_a_row_that_are_read():
    row = {"instruction": "Who has it?", "input": "Mara found a key.", "output": "Mara."}
    assert as_messages(row)[0]["content"] == "Who has it?\nMara found a key."
    row |= {"system": "Be brief.", "id": 7, "source": "a book", "tools": []}
    assert [message["content"] for message in as_messages(row)] == [
        "Be brief.", "Who has it?\nMara found a key.", "Mara."
    ]  # fmt: skip
    assert as_messages({"messages": [SYSTEM, *HI]}) == as_messages({"system": "Be brief.", "messages": HI})
    weighed = [HI[0] | {"weight": 0}, HI[1] | {"weight": 1, "tool_calls": None}]  # only answers are learned
    assert as_messages({"messages": weighed}) == HI


def test_a_system_message_stays_one_for_the_models_that_know_it(tmp_path):
    write_chats(tmp_path / "a.jsonl", [[SYSTEM, *HI]])
    [(_, messages)] = read_chats(tmp_path / "a.jsonl")
    assert messages == [SYSTEM, *HI]
    assert check_turns(messages) == [{"role": "user", "content": "Be brief.\n\nHi"}, HI[1]]  # for ours


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "Hi"}, "is no conversation: it must have"),
        ({"messages": [{"role": "wizard", "content": "Hi"}, HI[1]]}, "unknown role 'wizard'"),
        ({"messages": [{"role": "user"}, HI[1]]}, "must have the texts 'role' and 'content'"),
        ({"messages": [HI[1], HI[0]]}, "the assistant's '.*' comes after the assistant's or before any"),
        ({"messages": [SYSTEM, HI[0], HI[0]]}, "row 2: the user's 'Hi' comes after the user's"),
        ({"messages": [HI[0], HI[1] | {"weight": 0}]}, r"messages\[1\] has weight=0, which is not learned"),
        ({"messages": [HI[0], HI[1] | {"reasoning_content": "Hm"}]}, "has reasoning_content='Hm'"),
        ({"messages": HI, "train": False}, "has train=False"),
        ({"messages": HI, "tools": [{"name": "find"}]}, "has tools="),
        ({"instruction": "Hi", "output": "Good day", "history": [["Hi", "Yes"]]}, "has history="),
        ({"instruction": "Hi", "output": "Good day", "input": ["Hi"]}, "input must be a text"),
        ({"messages": HI[:1]}, "must end with a message of the assistant"),
        ({"messages": [HI[0], {"role": "assistant", "content": " "}]}, "the assistant's ' ' is empty"),
    ],
)
def test_a_fault_in_a_row_is_one_line_that_names_the_place(tmp_path, row, said):
    (tmp_path / "a.json").write_text(json.dumps([{"messages": HI}, row]), encoding="utf-8")
    with pytest.raises(ValueError, match=said) as error:
        read_chats(tmp_path / "a.json")
    assert "row 2" in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_none(tmp_path):
    for name, content, said in [
        ("a.txt", "Hi", "of another format"),
        ("a.json", "{", "is not whole JSON"),
        ("a.json", "{}", "must hold a list"),
        ("a.json", "[]", "has no rows"),
        ("a.jsonl", "", "no rows|empty"),
    ]:
        (tmp_path / name).write_text(content, encoding="utf-8")
        with raises_one_line(ValueError, said):
            read_chats(tmp_path / name)
    with pytest.raises(ValueError, match="is no file"):
        read_chats(tmp_path / "none.jsonl")


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="has 4 messages"):
        write_chats(tmp_path / "a.jsonl", [TWO], "alpaca")
    with pytest.raises(ValueError, match="form='xml' must be one of"):
        write_chats(tmp_path / "a.jsonl", [HI], "xml")
    assert not (tmp_path / "a.jsonl").exists()


def test_turns_that_are_to_be_answered_end_with_the_user():
    assert check_turns(TWO[:3], open_end=True) == TWO[:3]
    with pytest.raises(ValueError, match="must end with a message of the user"):
        check_turns(HI, open_end=True)
