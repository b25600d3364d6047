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


def test_alpacas_input_stands_before_its_question_and_a_system_before_the_user():
    row = {"instruction": "Who has it?", "input": "Mara found a key.", "output": "Mara."}
    assert as_messages(row)[0]["content"] == "Mara found a key.\nWho has it?"
    system = {"role": "system", "content": "Be brief."}
    assert as_messages({"messages": [system, *HI]})[0]["role"] == "system"


def test_a_system_message_becomes_part_of_the_users(tmp_path):
    write_chats(tmp_path / "a.jsonl", [[{"role": "system", "content": "Be brief."}, *HI]])
    [(_, messages)] = read_chats(tmp_path / "a.jsonl")
    assert messages[0] == {"role": "user", "content": "Be brief.\n\nHi"} and messages[1] == HI[1]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "Hi"}, "is no conversation: it must have"),
        ({"messages": [{"role": "wizard", "content": "Hi"}, HI[1]]}, "unknown role 'wizard'"),
        ({"messages": [{"role": "user"}, HI[1]]}, "must have the texts 'role' and 'content'"),
        ({"messages": [HI[1], HI[0]]}, "is the assistant's, after the assistant's or before any"),
        ({"messages": HI[:1]}, "must end with a message of the assistant"),
        ({"messages": [HI[0], {"role": "assistant", "content": " "}]}, r"\[1\], the assistant's, is empty"),
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
