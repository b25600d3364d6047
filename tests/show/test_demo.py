"""`companion demo`: what it prints is what the model's own parts make of the sentence."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.command_line import TINY, fails

from companion import load
from companion.__main__ import main
from companion.cli._shared import SHIPPED
from companion.cli.demo import BEGINNING, PARTS, TEXT
from companion.show.columns import LABEL, grid, places
from companion.show.demo import Subject, odds_of_tokens
from companion.show.demo import stream as stream_of
from companion.show.widgets import attention_weights
from companion.village import load_split
from companion.village.excess import word_losses
from companion.village.reader import read_tokens

SENTENCE = "Once the goat Otto found a key. Otto sat on the"


@pytest.fixture(scope="module")
def teller():
    return load(SHIPPED, device="cpu")


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Eighty letters wide."""
    monkeypatch.setenv("COLUMNS", "80")


def shown(capsys, *argv):
    """The lines of a demo that went well."""
    capsys.readouterr()
    assert main(["demo", *map(str, argv)]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    return out.out.splitlines()


def table(lines):
    """The lines that begin with a position, in words: [at, …]."""
    return [line.split() for line in lines if re.match(r" *\d+  ", line)]


def subject(teller, text=SENTENCE, **options):
    return Subject(teller.model, teller.tokenizer, text, teller.encode(text), **options)


@pytest.mark.parametrize("part", PARTS)
def test_without_a_text_each_part_shows_the_villages_own_within_eighty_letters(part, capsys):
    lines, text = shown(capsys, part), BEGINNING if part == "odds" else TEXT
    assert lines == shown(capsys, part, text) == shown(capsys, part, *text.split())
    assert lines != shown(capsys, part, SENTENCE)
    assert len(lines) > 6 and max(map(places, lines)) <= 80
    assert main(["demo", part, "--help"]) == 0 and TEXT.split()[0] in capsys.readouterr().out


def test_tokenization_spells_every_byte_of_the_text(teller, capsys):
    text = "Otto's hullabaloo — 日本 é\tand the goat"
    lines = shown(capsys, "tokenization", text)
    rows = [line for line in lines if re.match(r" *\d+  ", line)]
    tail = [re.search(r"(\d+)  ([0-9a-f]{2}(?: [0-9a-f]{2})*)$", row) for row in rows]
    assert [int(found[1]) for found in tail] == teller.tokenizer.encode(text)
    assert bytes.fromhex("".join(found[2] for found in tail)).decode() == text
    assert [int(row.split()[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert f"{len(text)} characters, {len(text.encode())} bytes → {len(rows)} tokens" in lines[1]
    assert f"T = {len(rows) + 1}." in lines[-1] and "\t" not in "".join(lines)
    column = [row[7 : 7 + LABEL].strip() for row in rows]
    assert [piece for piece in column if piece][:3] == ["'Otto'", "''s'", "' hullaba…"]


def test_embeddings_name_the_rows_that_are_nearest_in_direction(teller, capsys):
    lines = shown(capsys, "embeddings", SENTENCE)
    rows = teller.model.embed.token.weight.detach().double().numpy()
    ids = teller.encode(SENTENCE)[0].tolist()
    (V, C), T = rows.shape, len(ids)
    assert f"({T},) → rows of the table ({V:,}, {C}) → ({T}, {C})" in lines[0]
    found = table(lines)
    assert [int(words[0]) for words in found] == list(range(T))
    for token, line in zip(ids, [line for line in lines if re.match(r" *\d+  ", line)], strict=True):
        row = rows[token]
        cosines = rows @ row / np.linalg.norm(rows, axis=1) / np.linalg.norm(row)
        cosines[token] = -9
        best = cosines.argmax()
        name = teller.tokenizer.decode([int(best)]).strip()
        numbers = " ".join(f"{value:5.2f}" for value in row[:3])
        assert f"{token:5}  {numbers}" in line and f"  {np.linalg.norm(row):6.2f}  " in line
        assert f"  {name} {cosines[best]:.2f}" in line


def test_attention_prints_the_weights_of_the_head_that_it_names(teller, capsys):
    tokens = teller.encode(SENTENCE)
    T = tokens.shape[1]
    weights = attention_weights(teller.model, tokens)[1][3].tolist()
    lines = shown(capsys, "attention", SENTENCE, "--layer", 1, "--head", 3)
    assert lines[0].startswith("layer 1 of 0 to 3, head 3 of 0 to 3")
    rows = [line for line in lines if re.match(r"\d+ .*(·|\d)$", line)]
    cells = [row[LABEL + 3 :].split() for row in rows]
    assert [len(row) for row in cells] == [T] * T
    for i in range(T):
        assert cells[i][i + 1 :] == ["·"] * (T - i - 1)
        assert [int(number) for number in cells[i][: i + 1]] == [round(100 * w) for w in weights[i][: i + 1]]
    assert "project" not in vars(teller.model.blocks[1].attn)
    labels = [row[: LABEL + 3].split() for row in rows]
    assert [int(label[0]) for label in labels] == list(range(T)) and labels[3][1] == "goat"


def test_attention_chooses_the_head_that_looks_hardest_at_the_next_word(teller, capsys):
    tokens = teller.encode(TEXT)
    following = teller.model(tokens)[0, -1].argmax()
    assert teller.tokenizer.decode([following.item()]) == " Mara"  # which stands in the text
    at = tokens[0] == following
    found = {
        (i, j): maps[j, -1, at].sum().item()
        for i, maps in enumerate(attention_weights(teller.model, tokens))
        for j in range(maps.shape[0])
    }
    layer, head = max(found, key=found.get)
    lines = shown(capsys, "attention")
    assert lines[0].startswith(f"layer {layer} of 0 to 3, head {head} of")
    assert f"most to ' Mara', the most probable next token: {found[layer, head]:.0%}" in lines[1]
    best = max((j for i, j in found if i == 1), key=lambda j: found[1, j])
    assert shown(capsys, "attention", "--layer", 1)[0].startswith(f"layer 1 of 0 to 3, head {best} of")


def test_odds_stand_beside_the_true_ones(teller, capsys):
    lines = shown(capsys, "odds", BEGINNING)
    shares = teller.model(teller.encode(BEGINNING))[0, -1].softmax(-1)
    truth = read_tokens(BEGINNING, teller.tokenizer)[-1]
    rows = [re.match(r"  '(.*)' +([0-9.]+%) █* +([0-9.]+%)", line) for line in lines]
    rows = [row.groups() for row in rows if row]
    assert len(rows) == 8
    for word, model, true in rows:
        token = teller.tokenizer.encode(word)[0]
        assert (model, true) == (f"{shares[token]:.2%}", f"{truth.get(token, 0):.2%}")
    assert any(true == "0.00%" for _, _, true in rows)  # what only the model holds possible
    strange = "\n".join(shown(capsys, "odds", "Once the zebra"))
    assert strange.count("truth") == 1 and "'zebra' cannot come after 'Once the'" in " ".join(strange.split())


def test_odds_of_a_story_s_tokens_stand_beside_the_true_ones(teller):
    text = load_split("test")[0]
    lines = list(odds_of_tokens(subject(teller, text)))
    rows = [re.match(r"  '(.*)' +([0-9.]+)% █* +([0-9.]+)%", line) for line in lines]
    tokens = [row[1] for row in rows if row]
    assert "".join(tokens) == text
    (words,) = word_losses(teller, [text])
    paid, unavoidable = sum(word.loss for word in words[:-1]), sum(word.unavoidable for word in words)
    said = (
        f"For {len(tokens)} tokens the model pays {paid:.1f} bits and the perfect reader {unavoidable:.1f}."
    )
    assert " ".join(" ".join(lines).split()).endswith(said)


def test_the_true_odds_end_where_the_village_could_not_have_told_the_text(teller):
    said = "\n".join(odds_of_tokens(subject(teller, "Once the zebra came")))
    rows = re.findall(r"  '(.*)' +[0-9.]+%(?: █+)?(?: +([0-9.]+)%)?", said)
    assert [token for token, truth in rows if truth] == ["Once", " the", " "]
    assert "'zebra' cannot come after 'Once the'" in " ".join(said.split())


def test_a_text_that_begins_with_a_space_has_no_true_odds(teller):
    said = list(odds_of_tokens(subject(teller, " Once")))
    assert said[said.index("") + 1].startswith("The truth ends where the village could not have told")


names = st.lists(st.text("aé日<\u0301 ", max_size=14), min_size=1, max_size=40)


@given(names, st.integers(60, 200))
def test_a_map_shows_each_weight_once_and_no_line_is_too_long(names, width):
    T = len(names)
    weights = [[1.0 if j == i else 0.0 for j in range(T)] for i in range(T)]
    legend, *lines = grid(weights, names, width)
    assert max(map(places, lines)) <= width
    body = [line for line in lines if re.match(r"\d", line)]
    assert sum(line.count("·") for line in body) == T * (T - 1) // 2
    sign = "100" if legend.startswith("in per cent") else "█"
    assert sum(line.count(sign) for line in body) == T


def test_a_map_that_is_too_wide_is_refused():
    with pytest.raises(ValueError, match="TEXT has 3 tokens, and a map has room for 2 here; shorten it"):
        list(grid([[1.0]] * 3, ["a", "b", "c"], 15))


def test_blocks_show_a_stream_that_is_the_sum_of_what_was_added(teller, capsys):
    reading = subject(teller)
    noted = stream_of(reading)
    for (_, before, _, _), (_, after, attended, computed) in zip(noted, noted[1:], strict=False):
        torch.testing.assert_close(before + attended + computed, after)
    hidden = teller.model.norm(noted[-1][1])
    torch.testing.assert_close(hidden, teller.model.hidden(reading.tokens)[0])
    assert not any(part._forward_hooks for part in teller.model.modules())
    lines = shown(capsys, "blocks", SENTENCE)
    rows = [line.split() for line in lines if line.startswith("block ")]
    assert len(rows) == len(teller.model.blocks)
    for row, (_, x, attended, computed) in zip(rows, noted[1:], strict=True):
        lengths = [f"{part.norm(dim=-1).mean().item():.2f}" for part in (x, attended, computed)]
        assert row[2:5] == lengths
    found = teller.model(reading.tokens)[0, -1].softmax(-1).max(-1)
    name = teller.tokenizer.decode([found.indices.item()])
    assert lines[-1].endswith(f"'{name}' {found.values.item():.0%}")


def test_gpt_counts_every_parameter_once_and_shows_the_five_likeliest(teller, capsys):
    lines = shown(capsys, "gpt", SENTENCE)
    total = sum(parameter.numel() for parameter in teller.model.parameters())
    assert f"{total:,} parameters" in lines[0]
    parts = [re.match(r"(\w+(?:\.\w+)?) +([\d,]+) +([\d.]+)%", line) for line in lines]
    counts = {found[1]: int(found[2].replace(",", "")) for found in parts if found}
    assert sum(counts.values()) == total and counts["head"] == 0
    assert counts["embed.token"] == teller.model.embed.token.weight.numel()
    assert counts["blocks.mlp"] == sum(p.numel() for b in teller.model.blocks for p in b.mlp.parameters())
    assert sum(float(found[3]) for found in parts if found) == pytest.approx(100, abs=0.4)
    shares, ids = teller.model(teller.encode(SENTENCE))[0, -1].softmax(-1).topk(5)
    for share, token, line in zip(shares.tolist(), ids.tolist(), lines[-6:-1], strict=True):
        assert f"'{teller.tokenizer.decode([token])}'" in line and f"{share:.2%}" in line
    assert f"the other {1024 - 5:,}" in lines[-1]


FAULTS = {
    "empty": (["gpt", ""], "TEXT is empty"),
    "layer": (["attention", "hi", "--layer", "4"], "--layer=4 must be from 0 to 3"),
    "checkpoint": (["gpt", "--checkpoint", "nowhere"], "nowhere"),
    "too long": (["blocks", "key " * 300], "above context_length=256; shorten it"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_shown_is_one_line(case, here, capsys):
    argv, words = FAULTS[case]
    fails(capsys, ["demo", *argv], 2, words)
    assert capsys.readouterr().out == ""


def test_a_model_of_ones_own_with_another_tokenizer(here, capsys):
    text = "\n".join(f"猫が魚を {n} 匹 食べた。 A cat ate." for n in range(200))
    (here / "mine.txt").write_text(text, encoding="utf-8")
    assert main(["prepare", "mine.txt", "--tokenizer", "char"]) == 0
    assert main(["train", "--data", "runs/data/mine", *TINY]) == 0
    for part in PARTS:
        lines = shown(capsys, part, "猫が魚を 7 匹", "--checkpoint", "runs/mine")
        assert len(lines) > 6 and "piece" not in "".join(lines)
        assert "猫" in "".join(lines) or part == "blocks"
    fails(capsys, ["demo", "gpt", "Œuf", "--checkpoint", "runs/mine"], 2, "Œ")
