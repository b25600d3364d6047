"""companion finetune instructions and companion chat: learned, saved, asked; and what is refused."""

import io
import json

import pytest
import torch
from support.command_line import fails
from support.weights import scripted

from companion import load
from companion.__main__ import main
from companion.cli._shared import ANSWERER, tells_of_the_village
from companion.cli.finetune import instructions as instruct
from companion.gpt import GPTConfig, gpt2
from companion.instructions import CHAT_TOKENS
from companion.modern import LlamaConfig, storyteller, swift
from companion.runtime.data.conversations import FULL, write_chats
from companion.show.judged_text import marked_story, marks_for
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint
from companion.village.dialogues import DECLINE

TEXT = 'The goat Mara has a red key. Otto has a hat. Who has the key? And the hat? "Mara," said Otto.'
TALK = [
    {"role": "user", "content": "Who has the key?"},
    {"role": "assistant", "content": "Mara."},
    {"role": "user", "content": "And the hat?"},
    {"role": "assistant", "content": "Otto."},
]
TALKS = [
    [{"role": "user", "content": " " * before + "Who has the key?" + " " * after}, *TALK[1:]]
    for before in range(2)
    for after in range(3)
]


def model_in(folder, tokenizer, context=64):
    torch.manual_seed(1)
    save_checkpoint(folder, gpt2(GPTConfig(tokenizer.vocab_size, context, 1, 2, 32)), tokenizer)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of a small model, file of conversations, folder of the model that learned them)."""
    where = tmp_path_factory.mktemp("chat")
    model_in(where / "tiny", BPETokenizer.train(TEXT, 270))
    write_chats(where / "talk.jsonl", TALKS)
    argv = ["finetune", "instructions", "--model", where / "tiny", "--data", where / "talk.jsonl"]
    argv += ["--steps", 80, "--lr", 0.01, "--batch-size", 2, "--output", where / "out"]
    assert main([str(a) for a in argv]) == 0
    return where / "tiny", where / "talk.jsonl", where / "out"


def chat(monkeypatch, capsys, folder, lines, *more):
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    capsys.readouterr()
    assert main(["chat", "--model", str(folder), *map(str, more)]) == 0
    return capsys.readouterr().out


@pytest.mark.gate
def test_it_learns_and_answers_and_remembers(made, monkeypatch, capsys):
    report = json.loads((made[2] / "report.json").read_text("utf-8"))
    assert report["word for word"] == 1.0 and report["after"]["answers"] < 0.1 < report["before"]["answers"]
    out = chat(monkeypatch, capsys, made[2], "Who has the key?\nAnd the hat?\n/history\n")
    transcript = [f"{one['role']}: {one['content']}" for one in TALK]
    assert out.splitlines() == ["Mara.", "Otto.", *transcript]


RATES = [(swift, [], 0.02), (storyteller, ["--method", "lora"], 0.005)]


@pytest.mark.parametrize(("build", "more", "lr"), RATES)
def test_a_swift_learns_in_longer_steps(build, more, lr, made, tmp_path):
    tokenizer = BPETokenizer.train(TEXT, 270)
    save_checkpoint(tmp_path / "m", build(LlamaConfig(270, 64, 1, 2, d_model=32)), tokenizer)
    argv = ["finetune", "instructions", "--model", tmp_path / "m", "--data", made[1], "--steps", 1, *more]
    assert main([str(a) for a in [*argv, "--output", tmp_path / "out"]]) == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert config["provenance"]["lr"] == lr


def test_without_any_input_it_ends(made, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)
    assert main(["chat", "--model", str(made[2])]) == 0
    assert capsys.readouterr() == ("", "")


def test_reset_exit_help_and_one_message(made, monkeypatch, capsys):
    typed = "Who has the key?\n/reset\n/history\n/help\n\n/exit\nAnd the hat?\n"
    out = chat(monkeypatch, capsys, made[2], typed)
    assert out.splitlines()[:2] == ["Mara.", "(forgotten)"] and len(out.splitlines()) == 3
    assert chat(monkeypatch, capsys, made[2], "", "--say", "Who has the key?") == "Mara.\n"


@pytest.mark.gate
def test_the_story_that_was_ordered_stays_when_old_questions_are_dropped(monkeypatch, capsys):
    from companion.village.dialogues import facts_of
    from companion.village.judge import state_of

    asked = [ORDER, *["Who holds the kite now?"] * 12, "/history"]
    lines = chat(monkeypatch, capsys, ANSWERER, "\n".join(asked), "--seed", 1).splitlines()
    holder = {thing: name for thing, name, _ in facts_of(state_of(lines[0]))["who has"]}["kite"]
    assert lines.count(f"({FULL}.)") == 1
    answers = [line for line in lines[1:14] if line != f"({FULL}.)"]
    assert answers == [f"{holder} has the kite."] * 12
    users = [line for line in lines if line.startswith("user: ")]
    assert users[0] == f"user: {ORDER}" and 3 < len(users) < 12


def test_what_is_too_long_is_said_and_the_conversation_goes_on(made, monkeypatch, capsys):
    out = chat(monkeypatch, capsys, made[2], f"{'key ' * 80}\nWho has the key?\n")
    first, second = out.splitlines()
    assert "above context_length=64" in first and "shorten it" in first and second == "Mara."


def test_a_full_conversation_goes_on_and_says_once_that_old_turns_are_left_out(made, monkeypatch, capsys):
    many = "Who has the key?\n" * 9
    out = chat(monkeypatch, capsys, made[2], f"{many}/history\n/reset\n{many}").splitlines()
    assert out.count("Mara.") + out.count("Otto.") == 18
    assert out.count(f"({FULL}.)") == 2  # once in each of the two conversations
    first = out.index(f"({FULL}.)")
    assert 0 < first < out.index("user: Who has the key?") < out.index("(forgotten)")
    assert out.count("user: Who has the key?") < 9


def test_a_question_about_the_course_is_answered_from_its_lists_and_not_remembered(made, monkeypatch, capsys):
    asked = ["What is self-attention?", "Do I need a GPU?", "thank you", "/history"]
    out = chat(monkeypatch, capsys, ANSWERER, "\n".join(asked)).splitlines()
    assert out[0].startswith("Self-attention: ") and out[1] == "(From the glossary, chapter 4: Attention.)"
    assert out[2].startswith("No.") and out[3].startswith("(From the list of frequent questions: ")
    assert len(out) == 5 and out[4].startswith("You are welcome.")
    alone = chat(monkeypatch, capsys, ANSWERER, "", "--say", "What is self-attention?", "--model-only")
    assert "glossary" not in alone


def test_a_model_of_another_text_answers_by_itself(made, monkeypatch, capsys):
    out = chat(monkeypatch, capsys, made[2], "What is self-attention?\nthank you\n")
    assert "glossary" not in out and "welcome" not in out


def test_what_the_lists_answer_needs_no_model(monkeypatch, capsys):
    monkeypatch.setattr("companion.load", None)
    typed = "What is attention?\nthanks\n/reset\n/history\n"
    assert "Attention: " in chat(monkeypatch, capsys, ANSWERER, typed)


def test_after_a_reset_the_model_is_asked_and_is_loaded_once_and_a_terminal_says_so(monkeypatch, capsys):
    monkeypatch.setattr("companion.cli.chat.is_terminal", lambda: True)
    asked = "What is attention?\n/reset\ntell me more\nanother one\n"
    out = chat(monkeypatch, capsys, ANSWERER, asked, "--marks", "off").splitlines()
    assert out[2] == "(forgotten)" and out[3] == "(The model is being loaded …)"
    assert sum("being loaded" in line for line in out) == 1


def test_the_same_order_gives_another_story_unless_a_seed_is_given(monkeypatch, capsys):
    out = chat(monkeypatch, capsys, ANSWERER, f"{ORDER}\n{ORDER}\n").splitlines()
    first, second = [line for line in out if not line.startswith("(")]  # without notes on what a story lacks
    assert first != second
    seeded = [chat(monkeypatch, capsys, ANSWERER, f"{ORDER}\n", "--seed", 3) for _ in range(2)]
    assert seeded[0] == seeded[1]


def test_words_that_the_village_does_not_know_are_declined_and_named(monkeypatch, capsys):
    asked = ["What is the capital of France?", "/history", "EXIT", "Why?"]
    out = chat(monkeypatch, capsys, ANSWERER, "\n".join(asked)).splitlines()
    assert out[:2] == [DECLINE, "(The village does not know “capital”, “France”.)"]
    assert len(out) == 3  # the hint


def test_a_declined_message_is_not_remembered_and_drops_no_turn(made, monkeypatch, capsys):
    from companion.cli.chat import HINT
    from companion.instructions import Chat

    stream = Chat.stream

    def declining(self, text, *given, **options):
        if not text.startswith("Hello"):
            yield from stream(self, text, *given, **options)
            return
        self.messages = [{"role": "user", "content": text}, {"role": "assistant", "content": DECLINE}]
        self.dropped += 1  # as a long message does
        yield DECLINE

    monkeypatch.setattr(Chat, "stream", declining)
    out = chat(monkeypatch, capsys, made[2], "Who has the key?\nHello there\nAnd the hat?\n/history\n")
    transcript = [f"{one['role']}: {one['content']}" for one in TALK]
    assert out.splitlines() == ["Mara.", DECLINE, f"({HINT})", "Otto.", *transcript]


def test_an_order_for_a_story_begins_a_new_conversation(monkeypatch, capsys):
    asked = [ORDER, "Who has the kite?", "another one", "/history"]
    out = chat(monkeypatch, capsys, ANSWERER, "\n".join(asked))
    users = [line for line in out.splitlines() if line.startswith("user: ")]
    assert users == ["user: Tell me a story."]


@pytest.mark.parametrize("folder", [ANSWERER, None])
def test_where_a_person_types_the_answerer_greets_with_three_examples(folder, made, monkeypatch, capsys):
    from companion.cli.chat import GREETING, HELP

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert main(["chat", "--model", str(folder or made[2])]) == 0
    said = capsys.readouterr().out
    assert HELP in said and (GREETING in said) == (folder is not None)
    examples = [line for line in GREETING.splitlines() if line.startswith("  ")]
    assert len(examples) == 3 and "companion chat --model smollm2" in GREETING


def test_an_answer_without_a_word_is_said(tmp_path, monkeypatch, capsys):
    tokenizer = BPETokenizer.train(TEXT, 270).with_special_tokens(CHAT_TOKENS)
    special = tokenizer.special_tokens
    save_checkpoint(tmp_path, scripted(tokenizer, {special["<|assistant|>"]: special["<|end|>"]}), tokenizer)
    assert chat(monkeypatch, capsys, tmp_path, "Hi\nHi\n/history\n") == "(no answer)\n" * 2


def test_a_stopped_answer_leaves_the_conversation(made, monkeypatch, capsys):
    from companion.instructions import Chat

    stream, calls = Chat.stream, []

    def stopped(self, *given, **options):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return stream(self, *given, **options)

    monkeypatch.setattr(Chat, "stream", stopped)
    out = chat(monkeypatch, capsys, made[2], "And the hat?\nWho has the key?\n/history\n")
    assert out.splitlines() == [" (stopped)", "Mara.", *[f"{m['role']}: {m['content']}" for m in TALK[:2]]]


@pytest.mark.gate
def test_what_was_learned_is_saved_before_it_is_measured(made, tmp_path, monkeypatch, capsys):
    losses, calls, out = instruct.losses, [], tmp_path / "out"

    def stop_after(model, parts):
        calls.append(parts)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return losses(model, parts)

    argv = ["finetune", "instructions", "--model", made[0], "--data", made[1], "--output", out]
    argv = [str(a) for a in [*argv, "--steps", 80, "--lr", 0.01, "--batch-size", 2]]
    with monkeypatch.context() as patch:
        patch.setattr(instruct, "losses", stop_after)
        fails(capsys, argv, 130, "the model is saved in")
    assert not (out / "report.json").exists()
    assert chat(monkeypatch, capsys, out, "Who has the key?\n") == "Mara.\n"
    fails(capsys, argv, 2, "holds a model already", "--overwrite")
    (out / "mine.txt").write_text("x", "utf-8")
    fails(capsys, [*argv, "--overwrite"], 2, "holds something else")
    (out / "mine.txt").unlink()
    assert main([*argv[:-5], "1", *argv[-4:], "--overwrite"]) == 0 and (out / "report.json").is_file()


@pytest.mark.gate
def test_the_village_is_made_here(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(instruct, "TEXTS", 200)
    argv = ["finetune", "instructions", "--data", "village", "--conversations", 60, "--steps", 3]
    assert main([str(a) for a in [*argv, "--output", tmp_path / "out"]]) == 0
    assert "plain texts" in capsys.readouterr().out


def test_bad_input_is_one_line(made, tmp_path, capsys):
    tiny, talk, out = made
    base = ["finetune", "instructions", "--model", tiny, "--output", tmp_path / "new", "--data"]
    fails(capsys, [*base, tmp_path / "none.jsonl"], 2, "is no file")
    write_chats(tmp_path / "long.jsonl", [TALK, [{"role": "user", "content": "key " * 90}, TALK[1]]])
    fails(capsys, [*base, tmp_path / "long.jsonl"], 2, "line 2", "above context_length=64", "--shorten")
    (tmp_path / "wizard.jsonl").write_text('{"messages": [{"role": "wizard", "content": "Hi"}]}\n', "utf-8")
    fails(capsys, [*base, tmp_path / "wizard.jsonl"], 2, "line 1", "unknown role 'wizard'")
    write_chats(tmp_path / "one.jsonl", [TALK])
    fails(capsys, [*base, tmp_path / "one.jsonl"], 2, "one more must be held out")
    fails(capsys, [*base, talk, "--held-out", 1], 2, "--held-out=1 must be a number from 0.0001 to 0.9999")
    fails(capsys, [*base, talk, "--conversations", 60], 2, "--conversations works with --data village only")
    fails(capsys, [*base[:-2], out, "--data", talk], 2, "holds a model already")
    assert not list(tmp_path.glob("new/*.json"))
    fails(capsys, ["chat", "--model", tiny], 2, "was not taught to answer", "finetune instructions")
    fails(capsys, ["chat", "--model", out, "--say", " "], 2, "--say is empty")
    fails(capsys, ["chat", "--model", tmp_path / "gone"], 2, "gone")


ORDER = "Tell me a story about the baker Mara and a red kite."


def test_a_story_is_marked_where_that_is_asked_for_and_an_answer_is_not(capsys):
    shown = {}
    for marks in ("auto", "signs", "color"):
        assert main(["chat", "--seed", "1", "--marks", marks, "--say", ORDER]) == 0
        shown[marks] = capsys.readouterr().out
    assert shown["auto"].count("\n") == 1 and "✗" not in shown["auto"]  # a pipe, which a script may read
    text = shown["auto"].strip()
    assert shown["signs"] == f"{marked_story(text, marks_for('signs'))}\n"
    assert shown["color"] == f"{marked_story(text, marks_for('color'))}\n"
    assert main(["chat", "--marks", "color", "--say", f"{text} Who has the kite?"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_model_of_another_text_has_no_judge(made, capsys):
    assert main(["chat", "--model", str(made[2]), "--marks", "signs", "--say", "Who has the key?"]) == 0
    assert capsys.readouterr().out == "Mara.\n"
    assert not tells_of_the_village(made[2], load(made[2], "cpu").tokenizer)
    assert tells_of_the_village(ANSWERER, load(ANSWERER, "cpu").tokenizer)


def test_a_conversation_that_is_repeated_is_not_learned_and_asked(made, tmp_path, capsys):
    write_chats(tmp_path / "twelve.jsonl", TALKS[:3] * 12)
    argv = ["finetune", "instructions", "--model", made[0], "--data", tmp_path / "twelve.jsonl", "--steps", 1]
    assert main([str(a) for a in [*argv, "--output", tmp_path / "out"]]) == 0
    assert "Left out as repeated: 33 of 36 conversations" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert (report["conversations"], report["held out"]) == (2, 1)


def test_one_long_conversation_is_learned_and_not_held_out():
    rows = [([1] * size, [True] * size) for size in [5, 5, 900, 5, 5]]
    for seed in range(9):
        learned, asked = instruct.split_rows(rows, 0.05, seed)
        assert len(learned) + len(asked) == 5 and asked and max(len(ids) for ids, _ in asked) == 5


def test_generate_names_the_words_of_a_prompt_that_the_village_does_not_know(capsys):
    for prompt, hint in (("Once the wizard Zork", "“wizard”, “Zork”"), ("Once the baker Mara", "")):
        assert main(["generate", "--prompt", prompt, "--max-new-tokens", "3"]) == 0
        error = capsys.readouterr().err
        assert error.count("\n") == bool(hint) and hint in error
