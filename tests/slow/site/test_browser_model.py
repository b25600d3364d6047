"""The model's JavaScript in Chromium against Python: ids, logits, attention, greedy tokens, marks."""

import random
import re
from collections import Counter

import pytest
import torch

from companion.caching import KVCache
from companion.generation import LanguageModel, generate
from companion.show.widgets import attention_weights
from companion.village import VILLAGE, judge, load_split, story
from companion.village.judge import cut
from companion.village.judge import introduced as introduced_by

LOAD = r"""
async () => {
  const [gpt, { Tokenizer }, marks] = await Promise.all(
    ["gpt", "tokenizer", "marks"].map((name) => import(`/_static/teller/${name}.js`)));
  const described = await (await fetch("/_static/model/model.json")).json();
  const buffer = await (await fetch("/_static/model/weights.safetensors")).arrayBuffer();
  const patterns = marks.readPatterns(await (await fetch("/_static/model/marks.json")).json());
  const model = new gpt.GPT(described.config, gpt.readWeights(buffer));
  const tokenizer = new Tokenizer(described.tokenizer);
  window.ours = { ...gpt, ...marks, model, tokenizer, patterns, config: described.config };
}
"""
GREEDY = r"""
([prompts, most]) => prompts.map((given) => {
  const { model, config, argmax, KVCache } = ours;
  const cache = new KVCache(config);
  let logits;
  for (const token of given) ({ logits } = model.forward(token, cache));
  const told = [];
  while (told.length < most) {
    told.push(argmax(logits));
    if (told.at(-1) === given[0]) break;
    ({ logits } = model.forward(told.at(-1), cache));
  }
  return told;
})
"""
READ = r"""
(tokens) => {
  const cache = new ours.KVCache(ours.config);
  const read = tokens.map((token) => ours.model.forward(token, cache));
  return {
    logits: read.map(({ logits }) => [...logits]),
    looked: read.map(({ looked }) => looked.map((heads) => heads.map((weights) => [...weights]))),
  };
}
"""
MARK = """(texts) => texts.map((text) => ours.mark(text, ours.patterns).map(
  ({ sentence, start, end, grammar, names }) => [sentence, start, end, grammar, names.map(
    ({ word, start, end, state }) => [word, start, end, state])]))"""


@pytest.fixture(scope="module")
def page(browser, address):
    """A page in which the model's modules are loaded."""
    page = browser.new_page()
    page.goto(f"{address}/index.html")
    page.evaluate(LOAD)
    yield page
    page.close()


def beginnings(n: int) -> list[str]:
    """First words: of n stories that the model never read, cut after one to twelve words, and odd ones."""
    stories = load_split("test")[:n]
    cut = [" ".join(text.split()[: 1 + i % 12]) for i, text in enumerate(stories)]
    return [*cut, "", "Zoë's café 🏰", "The the the the", "1, 2, 3", "Mara  found\n\na key."]


def test_greedy_tokens_are_python_s(page, model, tokenizer):
    end = tokenizer.special_tokens["<|endoftext|>"]
    prompts = [[end, *tokenizer.encode(text)] for text in beginnings(12)]
    shown_text = page.evaluate(GREEDY, [prompts, 40])
    for given, ours in zip(prompts, shown_text, strict=True):
        rows = torch.tensor([given])
        drawn = generate(model, rows, 40, temperature=0.0, stop=end, cache=KVCache(model.config, 1))
        assert ours == drawn[0].tolist(), tokenizer.decode(given[1:])
    assert sum(map(len, shown_text)) > 400


def test_logits_and_attention_are_python_s(page, model, tokenizer):
    end = tokenizer.special_tokens["<|endoftext|>"]
    for text in load_split("test")[:2]:
        tokens = [end, *tokenizer.encode(text)]
        read = page.evaluate(READ, tokens)
        with torch.no_grad():
            logits = model(torch.tensor([tokens]))[0]
            weights = attention_weights(model, torch.tensor([tokens]))  # a layer: (1, H, T, T)
        assert torch.allclose(torch.tensor(read["logits"]), logits, atol=1e-3, rtol=0)
        for layer, integers in enumerate(weights):
            for t, looked in enumerate(read["looked"]):
                expected = integers.reshape(-1, len(tokens), len(tokens))[:, t, : t + 1]
                assert torch.allclose(
                    torch.tensor(looked[layer], dtype=torch.float32), expected, atol=1e-4, rtol=0
                )


ODD = [
    *"aZé ñß漢字かなعربי🏰👩‍🚀🇫🇷'’\"!?.,-_\t\n\r\x1c\x85\xa0\u2003\u200b\u3000\ufeff½²٣Ⅷ\u0301\x00\x7f",
    "  ",
    "'s",
    "'ll",
]
ODD += ["'re", "<|endoftext|>", "the", " Mara", "don't", "I'm", "It's", "12", "\r\n"]


def odd_texts(n: int) -> list[str]:
    """Texts drawn from what tokenizers stumble over."""
    rng = random.Random(0)
    return ["".join(rng.choices(ODD, k=rng.randint(1, 30))) for _ in range(n)]


def test_ids_are_python_s(page, tokenizer):
    texts = [*load_split("test")[:40], *odd_texts(200), "", " ", "\n", 'Mara\'s "key"', "…"]
    ids = page.evaluate("(texts) => texts.map((text) => ours.tokenizer.encode(text))", texts)
    for text, ours in zip(texts, ids, strict=True):
        assert ours == tokenizer.encode(text), repr(text)
    back = page.evaluate("(rows) => rows.map((row) => ours.tokenizer.decode(row))", ids)
    assert back == texts


def test_the_last_merge_step_is_the_encoding(page, tokenizer):
    texts = [*load_split("test")[:5], *odd_texts(20)]
    steps = page.evaluate("(texts) => texts.map((text) => ours.tokenizer.mergeSteps(text))", texts)
    for text, shown in zip(texts, steps, strict=True):
        assert sum(shown[-1]["pieces"], []) == tokenizer.encode(text)
        assert sum(shown[0]["pieces"], []) == list(text.encode())
        made = [step["made"] for step in shown[1:]]
        assert made == sorted(made) and len(set(made)) == len(made)


def test_the_draw_is_python_s(page, model):
    from companion.generation import draw_tokens, next_token_probabilities

    logits = torch.randn(7, 1024, generator=torch.Generator().manual_seed(1)) * 3
    for temperature, top_p in [(1.0, 1.0), (0.8, 0.9), (1.7, 0.35), (0.0, 1.0), (0.3, 0.05)]:
        probs = next_token_probabilities(logits.double(), temperature, top_p=top_p).double()
        darts = torch.linspace(0.01, 0.99, 7, dtype=torch.float64)
        ours = page.evaluate(
            """([rows, temperature, topP, darts]) => rows.map((row, i) => {
              const probs = ours.nextTokenProbabilities(Float32Array.from(row), temperature, topP);
              return [[...probs], ours.throwDart(probs, darts[i])];
            })""",
            [logits.tolist(), temperature, top_p, darts.tolist()],
        )
        assert torch.allclose(torch.tensor([row for row, _ in ours]).double(), probs, atol=1e-5)
        assert [token for _, token in ours] == draw_tokens(probs, darts).tolist()


def damaged(text: str, rng: random.Random) -> str:
    """A story with other names here and there, with words lost, and with odd things behind some."""
    words = []
    for word in text.split():
        luck = rng.random()
        if word in VILLAGE.kinds["name"] and luck < 0.2:
            words.append("Pip")
        elif luck > 0.97:
            words.append(word + rng.choice(["?", '"', "\t\n", "\xa0 ", "\x1c", "🏰", " Zelda"]))
        elif luck > 0.02:
            words.append(word)
    return "  ".join(words)


def marks_of(text: str) -> list[list]:
    """What marks.js says of a text, by the village's patterns; places count as JavaScript counts them.

    A name is known if a sentence introduced it, or if it stands in what is no sentence of the village.
    """
    text, introduced, marks, units = " ".join(text.split()), set(), [], [0]
    for character in text:
        units.append(units[-1] + len(character.encode("utf-16-le")) // 2)  # a castle is two
    for start, end, matched in cut(text):
        names = []
        if matched:
            pattern, found = matched
            letters = [slot.letter for slot in pattern.slots]
            new = [letters.index(letter) for letter, _ in introduced_by(pattern)]
            for i in (i for i, slot in enumerate(pattern.slots) if slot.kind == "name"):
                word = found[i + 1]
                state = "new" if i in new else "known" if word in introduced else "unknown"
                introduced |= {word} if state == "new" else set()
                names.append([word, *(units[at] for at in found.span(i + 1)), state])
        else:
            introduced |= set(re.findall(r"\w+", text[start:end])) & set(VILLAGE.kinds["name"])
        marks.append([text[start:end], units[start], units[end], matched is not None, names])
    return marks


def test_marks_are_python_s_and_the_judge_s(page, model, tokenizer):
    teller = LanguageModel(model, tokenizer, KVCache)
    own = [story(random.Random(seed)).text for seed in range(80)]
    stories = [text for heat in (0.8, 1.4) for text, _ in teller.tell_many(20, temperature=heat, seed=5)]
    rng = random.Random(7)
    texts = own + stories + [damaged(text, rng) for text in own[:40] + stories]
    grammar, states = Counter(), Counter()
    for text, ours in zip(texts, page.evaluate(MARK, texts), strict=True):
        assert ours == marks_of(text), text
        for (sentence, _, _, known, names), verdict in zip(ours, judge(text), strict=True):
            assert (sentence, known) == (verdict.sentence, verdict.kind != "unknown")
            found = [state for *_, state in names]
            assert "unknown" not in found or verdict.kind == "contradiction", verdict
            grammar[known] += 1
            states.update(found)
    assert min(grammar.values()) > 100 and min(states.values()) > 20 and len(states) == 3
