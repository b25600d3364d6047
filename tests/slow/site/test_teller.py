"""The tools in which the model runs, as a reader uses them."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from opened import BOOK, ONE_OF_EACH, OVERFLOWING, Opened

from companion.book.model import CHECKPOINT
from companion.book.pages import guides
from companion.book.teller import EXAMPLES, PLACES
from companion.village import load_split
from companion.village.excess import word_losses
from companion.village.reader import entropy, next_words, read_tokens

PAINTED = r"""
e => {
      const { data } = e.getContext("2d").getImageData(0, 0, e.width, e.height);
      const seen = [...data.keys()].filter((i) => i % 4 === 3 && data[i]);
      return new Set(seen.map((i) => (i >> 2) % e.width)).size;
    }
"""


TOOLS = {kind: f"chapters/{chapter}.html" for chapter, (_, kind) in PLACES.items()}
TELL = TOOLS["tell"]
TOLD = "() => /sentences are/.test(document.querySelector('.teller .status').textContent)"
MINUTE = 60_000
"""Milliseconds: far more than any of this takes, even on a busy machine."""


def use(page, kind: str) -> None:
    """Press a tool's button, and wait until it shows all."""
    page.locator(".teller .main").click()
    page.locator(".teller .hint").wait_for(state="detached", timeout=MINUTE)
    if kind == "tell":
        page.wait_for_function(TOLD, timeout=MINUTE)
    page.wait_for_function(
        "() => /\\d/.test(document.querySelector('.teller .status').textContent)", timeout=MINUTE
    )
    assert page.locator(".teller .flow.ran" if kind == "flow" else ".teller .shown").is_visible()


def set_slider(page, name: str, value: float) -> None:
    """Move a slider, as a drag would."""
    slider = page.get_by_label(name, exact=True)
    slider.evaluate("(e, value) => {e.value = value; e.dispatchEvent(new Event('input'))}", value)


def shown_text(page) -> str:
    """The story on the page."""
    return page.locator(".teller .token:not(.beginning)").evaluate_all(
        "all => all.map((e) => e.textContent).join('')"
    )


@pytest.fixture
def still(opened):
    """Opens a page for a reader who wants no motion: stories come at once."""
    return lambda name, **options: opened(name, reduced_motion="reduce", **options)


def test_the_model_is_loaded_after_the_click_and_is_small(browser, address):
    page = browser.new_page(reduced_motion="reduce")
    sizes = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
    page.goto(f"{address}/index.html", wait_until="networkidle")
    assert not [url for url in sizes if "/model/" in url or "gpt.js" in url or "worker.js" in url]
    said = page.locator(".teller .hint").inner_text()
    use(page, "flow")
    page.wait_for_load_state("networkidle")
    ours = {url: size for url, size in sizes.items() if "/_static/teller/" in url or "/_static/model/" in url}
    assert {url.rsplit("/", 1)[1] for url in ours} >= {
        "weights.safetensors",
        "model.json",
        "marks.json",
        "play.js",
    }
    total, model = sum(ours.values()), sum(size for url, size in ours.items() if "/model/" in url)
    assert 900_000 < total <= 2_000_000
    assert said == f"loads {model / 1e6:.1f} MB, once" and not page.locator(".teller .hint").count()
    page.close()


REPEATS = "Once the baker Mara met the fox Bram at the mill. Then Mara"


def test_the_whole_model_shows_each_part_as_python_computes_it(still, model, tokenizer):
    page = still("index.html").page
    page.get_by_role("textbox", name="Your words").fill(REPEATS)
    use(page, "flow")
    ids = [tokenizer.special_tokens["<|endoftext|>"], *tokenizer.encode(REPEATS)]
    shown = page.locator(".teller [data-part=tokens] .id").all_inner_texts()
    assert [int(number) for number in shown] == ids
    with torch.no_grad():
        probabilities = model(torch.tensor([ids]))[0, -1].softmax(-1)
    best = tokenizer.decode([int(probabilities.argmax())])
    first = page.locator(".teller [data-part=probabilities] .bars li").first.inner_text().replace("\xa0", " ")
    share = first.rpartition("”")[2].strip(" \n%")
    assert first.startswith(f"“{best}”")
    assert abs(float(share) - 100 * probabilities.max().item()) < 0.6
    last = page.locator(".teller .blocks button").last
    assert f"“{best}”" in last.inner_text().replace("\xa0", " ")  # the last block ends in the answer


def test_a_block_opens_and_a_likely_token_is_taken(still):
    page = still("index.html").page
    use(page, "flow")
    blocks = page.locator(".teller .blocks button")
    blocks.nth(0).click()
    opened = blocks.evaluate_all("all => all.map((e) => e.ariaExpanded)")
    assert opened == ["true", "false", "false", "false"]
    mean = page.locator(".teller .opened .bars").inner_text()
    page.get_by_label("head", exact=True).select_option("0")
    assert page.locator(".teller .opened .bars").inner_text() != mean
    words = page.get_by_role("textbox", name="Your words").input_value()
    before = page.locator(".teller .flow .chip").count()
    page.locator(".teller .take").first.click()
    page.wait_for_function(
        "before => document.querySelectorAll('.teller .flow .chip').length === before + 1",
        arg=before,
        timeout=MINUTE,
    )
    so_far = page.locator(".teller .so-far").inner_text()
    assert so_far.startswith(words) and len(so_far.removesuffix(" …")) > len(words)
    assert page.get_by_role("textbox", name="Your words").input_value() == words  # it is the reader's own


def test_the_cover_shows_a_stored_example_as_the_model_would(still):
    page = still("index.html").page
    page.locator(".teller .flow.ran").wait_for()
    views = page.locator(".teller [data-part=probabilities], .teller .blocks, .teller .opened .bars")
    stored = views.all_inner_texts()
    assert page.get_by_label("head", exact=True).input_value() == "1"
    status = page.locator(".teller .status")
    assert status.inner_text().startswith("Stored result; press “Run the model” for your own words.")
    use(page, "flow")
    assert views.all_inner_texts() == stored and "Stored" not in status.inner_text()


def test_an_empty_text_has_a_next_token_and_no_costs(still):
    page = still("index.html").page
    page.locator(".teller .flow.ran").wait_for()
    page.get_by_role("textbox", name="Your words").fill("")
    use(page, "flow")
    assert page.locator(".teller .status").inner_text().startswith("1 token went through")
    assert page.locator(".teller [data-part=tokens] .key").count() == 0


def test_the_cover_shows_what_each_token_of_an_example_cost_and_of_free_text_nothing(still, model, tokenizer):
    page = still("index.html").page
    page.locator(".teller .flow.ran").wait_for()
    text = EXAMPLES["flow"][0]
    ids = [tokenizer.special_tokens["<|endoftext|>"], *tokenizer.encode(text)]
    with torch.no_grad():
        log_probabilities = model(torch.tensor([ids]))[0].log_softmax(-1)
    bits = sum(-log_probabilities[t, i].item() for t, i in enumerate(ids[1:])) / math.log(2)
    part = page.locator(".teller [data-part=tokens]")
    said = part.locator(".where").inner_text()
    assert said.startswith(f"Together they cost {bits:.1f} bits. The perfect reader")
    assert part.locator(".cost").count() == len(ids) - 1
    assert part.locator(".key").inner_text().split("\n")[1:] == ["unavoidable", "avoidable"]
    use(page, "flow")  # as the model in the page computes it
    assert part.locator(".where").inner_text() == said
    page.get_by_role("textbox", name="Your words").fill("My own words")
    use(page, "flow")
    page.locator(".teller .so-far", has_text="My own words").wait_for()
    assert part.locator(".cost").count() == 0
    assert part.locator(".where").inner_text().startswith("Your own words: ")


UNKNOWN = "How likely each token truly is, is stored for the examples only, and for their beginnings."
CLIPPED = """() => [...document.querySelectorAll(".teller .bars :is(.name, .share)")]
    .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"""
"""The labels of bars that do not fit."""


def bar_lines(page, place: str) -> list[str]:
    """What a list of bars says, as a screen reader reads it."""
    texts = page.locator(f".teller {place} li").evaluate_all("all => all.map((e) => e.textContent)")
    return [text.replace("\xa0", " ") for text in texts]


@pytest.mark.parametrize("width", [1280, 380])
def test_the_cover_shows_the_true_bar_beside_the_model_s(still, width):
    page = still("index.html", viewport={"width": width, "height": 900}).page
    page.locator(".teller .flow.ran").wait_for()
    place = "[data-part=probabilities]"
    part = page.locator(f".teller {place}")
    for text in EXAMPLES["flow"]:
        page.get_by_role("textbox", name="Your words").fill(text)
        use(page, "flow")
        odds = next_words(text)
        lines = bar_lines(page, place)
        assert len(lines) == 11 and lines[-1].startswith("all others")
        assert all(" true " in line for line in lines)
        shown = [float(line.rpartition(" true ")[2].strip("< %")) for line in lines]
        assert sum(shown) == pytest.approx(100, abs=0.6)
        assert max(shown[:-1]) == pytest.approx(100 * max(odds.values()), abs=0.5)
        bits = f"On average, {entropy(odds):.1f} bits are unavoidable"
        if entropy(odds) < 0.05:
            bits = "The perfect reader is sure of the next token"
        assert bits in part.locator(".where").inner_text()
        assert page.evaluate(CLIPPED) == [] and page.evaluate(OVERFLOWING) == []
    assert part.locator(".key").inner_text().split("\n") == [
        "the model",
        "the truth, as the perfect reader knows it",
    ]


def test_the_table_of_the_truth_is_small(site):
    assert (site / "_static" / "teller" / "truth.json").stat().st_size < 40_000


def test_a_stored_story_shows_what_each_word_costs(still, model, tokenizer):
    page = still(TELL).page
    story = EXAMPLES["tell"][3]
    page.get_by_role("button", name="a whole story: Once the fiddler Leo").click()
    page.wait_for_function(TOLD, timeout=MINUTE)
    assert shown_text(page) == story
    teller = SimpleNamespace(model=model, tokenizer=tokenizer, end=tokenizer.end)
    (words,) = word_losses(teller, [story])
    unavoidable, loss = sum(word.unavoidable for word in words), sum(word.loss for word in words)
    assert (
        f"cost the model {loss:.1f} bits: {unavoidable:.1f} unavoidable"
        in page.locator(".teller .status").inner_text()
    )
    ids, odds = tokenizer.encode(story), read_tokens(story, tokenizer)
    with torch.no_grad():
        logits = model(torch.tensor([[tokenizer.end, *ids]]))[0]
    bits = -logits.log_softmax(-1)[range(len(ids)), ids] / math.log(2)
    avoidable = [bits[t].item() + math.log2(odds[t][ids[t]]) for t in range(len(ids))]
    tokens = page.locator(".teller .token:not(.beginning)")
    paid = tokens.evaluate_all(
        "all => all.map((e) => +e.querySelector('.word').style.getPropertyValue('--paid'))"
    )
    assert paid == pytest.approx([min(1, max(0, extra) / 2) for extra in avoidable], abs=0.01)
    most = avoidable.index(max(avoidable))
    assert tokens.nth(most).evaluate("e => e.classList.contains('seen')")  # it is shown first
    described = tokens.nth(most).get_attribute("aria-describedby").split()[0]
    said = page.locator(f"#{described}")
    assert f"{avoidable[most]:.1f} avoidable." in said.inner_text()
    lines = bar_lines(page, ".panels > div:first-child .bars")
    assert len(lines) == 11 and all(" true " in line for line in lines)
    assert page.locator(".teller .legend li").last.is_visible() and page.evaluate(CLIPPED) == []
    page.get_by_label("The first words").fill("My own words")
    use(page, "tell")
    assert said.inner_text() == UNKNOWN
    tokens.first.hover()  # at the beginning, the truth is known
    assert "cannot come here in a story of the village" in said.inner_text()


def test_typed_words_stay_a_choice_and_long_ones_are_not_cut(still):
    page = still("index.html").page
    words = page.get_by_role("textbox", name="Your words")
    words.fill("My own words")
    page.locator(".teller .example").first.click()
    assert page.locator(".teller .example").last.inner_text() == "My own words"
    words.fill("a" * 400)
    page.wait_for_function("() => document.querySelector('.main').ariaDisabled === 'false'", timeout=MINUTE)
    page.locator(".teller .main").click()
    assert "400 characters" in page.locator(".teller .status").inner_text()
    assert len(words.input_value()) == 400


STOP_AT_THE_TWELFTH = r"""
() => {
  const teller = document.querySelector(".teller");
  const stop = [...teller.querySelectorAll("button")].find((button) => button.textContent === "Stop");
  new MutationObserver((_, observer) => {
    if (teller.querySelectorAll(".token").length < 12) return;
    observer.disconnect();
    stop.click();
  }).observe(teller, { childList: true, subtree: true });
}
"""
"""Clicks from within the page, at once: on a busy machine, a click from outside may come too late."""


def test_a_story_comes_word_by_word_and_stops(opened):
    page = opened(TELL).page
    page.get_by_role("button", name="Stop", exact=True).wait_for()
    page.evaluate(STOP_AT_THE_TWELFTH)
    page.locator(".teller .main").click()
    page.wait_for_function(TOLD, timeout=MINUTE)
    status = page.locator(".teller .status")
    assert status.inner_text().startswith("Stopped: ")
    assert 12 <= page.locator(".teller .token").count() < 60
    use(page, "tell")  # and another can begin
    assert status.inner_text().startswith("The story is over: ")
    assert status.get_attribute("aria-live") == "polite"


def test_marks_have_signs_and_a_legend(still):
    page = still(TELL).page
    page.get_by_label("The first words").fill(
        "Once upon a time, the mouse Hazel lived by the mill. Blub blub. Nell said good night to Pip. "
    )
    set_slider(page, "temperature", 2)
    use(page, "tell")
    for name in ("grammar", "foreign", "name-new"):
        assert (
            page.locator(f".teller .token.{name}").count() and page.locator(f".teller .sample.{name}").count()
        )
    signs = page.locator(".teller .token.last").evaluate_all(
        "all => all.map((e) => getComputedStyle(e, '::after').content[1])"
    )
    assert {"≈", "?"} == set(signs)  # green and ✓ would say that it is true, which is not checked
    assert page.locator(".teller .legend li").count() == 6  # five marks, and the strip of avoidable bits


def test_the_teller_works_by_keyboard(still):
    page = still(TELL).page
    page.get_by_label("The first words").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("Once the fox")
    for _ in EXAMPLES["tell"]:
        page.keyboard.press("Tab")
        assert page.locator(":focus").get_attribute("class") == "example"
    for _ in ("temperature", "top-p", "the button"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function(TOLD, timeout=MINUTE)
    assert page.locator(":focus").inner_text() == "Tell a story"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.get_attribute("data-token") == "0" and shown_text(page).startswith("Once the fox")
    page.keyboard.press("End")
    last = page.locator(".teller .bars-title").first.inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("aria-pressed") == "true"
    assert page.locator(".teller .bars-title").first.inner_text() != last
    page.keyboard.press("Tab")
    assert page.locator(":focus").evaluate("e => e.labels[0].textContent") == "layer"


def test_the_cutter_merges_step_by_step(opened, tokenizer):
    page = opened(TOOLS["cut"]).page
    sentence = "Mara's café burned down."
    page.get_by_label("Your sentence").fill(sentence)
    use(page, "cut")
    ids = page.locator(".teller .chip .id")
    assert [int(text) for text in ids.all_inner_texts()] == tokenizer.encode(sentence)
    set_slider(page, "merges done", 0)
    assert [int(text) for text in ids.all_inner_texts()] == list(sentence.encode())
    before = ids.count()
    page.get_by_role("button", name="One on", exact=True).click()
    assert ids.count() < before and page.locator(".teller .chip.new").count() >= 1
    page.get_by_role("button", name="One back", exact=True).click()
    assert ids.count() == before and page.locator(".teller .chip.new").count() == 0


def test_the_map_shows_any_head(opened):
    page = opened(TOOLS["heads"]).page
    use(page, "heads")
    shares = """all => all.map((row) => [...row.querySelectorAll("td.seen")].map(
        (cell) => +cell.style.getPropertyValue("--share")))"""
    rows = page.locator(".teller table.map tr:not(:first-child)").evaluate_all(shares)
    assert [len(row) for row in rows] == list(range(1, len(rows) + 1))
    assert all(abs(sum(row) - 1) < 1e-4 for row in rows)
    layers = page.get_by_label("layer", exact=True).locator("option").all_text_contents()
    heads = page.get_by_label("head", exact=True).locator("option").all_text_contents()
    assert layers == ["0", "1", "2", "3"] and heads[1:] == layers  # counted as Python and the notebooks count
    page.get_by_label("head", exact=True).select_option("mean")
    mean = page.locator(".teller table.map tr:not(:first-child)").evaluate_all(shares)
    assert mean != rows and all(abs(sum(row) - 1) < 1e-4 for row in mean)
    page.locator(".teller table.map th button").nth(3).focus()
    assert "looks at" in page.locator(".teller .where").inner_text()
    page.get_by_label("Your sentence").fill(" ".join(["Mara"] * 60))
    use(page, "heads")
    assert "find no room" in page.locator(".teller .status").inner_text()


def test_the_cache_grows_by_a_column_a_token(opened):
    page = opened(TOOLS["cache"]).page
    use(page, "cache")
    config = json.loads((BOOK.root / CHECKPOINT / "config.json").read_text(encoding="utf-8"))["config"]
    each = 2 * config["n_layers"] * config["d_model"] * 4
    names = page.locator(".teller span.layer").all_text_contents()
    assert names == [f"layer {n}" for n in range(config["n_layers"])]
    tokens = page.locator(".teller canvas").first.evaluate("e => e.width")
    assert page.locator(".teller canvas").count() == 2 * config["n_layers"]
    assert f"= {tokens * each:,} bytes" in page.locator(".teller .facts").inner_text()
    set_slider(page, "tokens read", 3)
    assert page.locator(".teller canvas").first.evaluate(PAINTED) == 3
    page.get_by_role("button", name="One on", exact=True).click()
    assert page.locator(".teller canvas").last.evaluate(PAINTED) == 4
    facts = page.locator(".teller .facts").inner_text()
    blocks = config["n_layers"] * (4 * config["d_model"] ** 2 + 2 * config["d_model"] * config["d_ff"])
    read = [
        n * blocks + sum(2 * config["n_layers"] * config["d_model"] * t for t in range(n + 1))
        for n in range(5)
    ]
    assert f"= {4 * each:,} bytes" in facts and f"done {read[4] / 1e6:.1f} million" in facts
    assert f"anew, {sum(read) / 1e6:.1f} million" in facts


@pytest.fixture(scope="module", params=TOOLS)
def used(request, contexts, address):
    """Each tool in turn, loaded and used once."""
    page = Opened(contexts(reduced_motion="reduce"), address)
    page.go(TOOLS[request.param])
    use(page.page, request.param)
    yield page
    page.page.close()


def test_nothing_complains_or_overflows_and_axe_finds_no_fault_in_what_a_tool_shows(used):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs axe: pip install -e '.[site]'"
    )
    page = used.page
    assert used.complaints == []  # no error, and no other host was asked
    page.evaluate(ONE_OF_EACH)
    page.add_style_tag(content="* {transition: none !important}")
    for theme in ("light", "dark"):
        page.evaluate("theme => {document.documentElement.dataset.theme = theme}", theme)
        report = axe.Axe().run(page, context=".teller", options={"resultTypes": ["violations"]}).response
        faults = [fault for fault in report["violations"] if fault["impact"] != "minor"]
        said = [[fault["id"], len(fault["nodes"]), fault["nodes"][0]["html"][:200]] for fault in faults]
        assert not faults, (theme, json.dumps(said, indent=1))
    page.set_viewport_size({"width": 380, "height": 800})  # a phone's
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert page.evaluate(OVERFLOWING) == []


def test_without_javascript_the_cover_shows_the_model_s_parts_and_two_stories(opened):
    page = opened("index.html", java_script_enabled=False).page
    parts = page.locator(".teller .flow li").all_inner_texts()
    assert [part.split()[0] for part in parts] == ["Tokens", "Embeddings", "Blocks", "Probabilities", "Next"]
    assert page.locator(".bd-article .story").count() == 2
    assert "expected" not in page.locator(".bd-article .stories").inner_text()  # a reason in plain words


def test_the_cover_leads_to_the_game_and_to_the_guides(opened):
    page = opened("index.html").page
    article = page.locator(".bd-article")
    assert article.get_by_role("link", name="Catch the lie").get_attribute("href") == "lie.html"
    links = article.locator(".guides a")
    assert links.first.inner_text() == "Installing" and links.count() == len(guides(BOOK))
    assert "Download this folder" not in article.inner_text()


def test_without_javascript_a_chapter_has_no_trace_of_its_tool(opened):
    page = opened(TELL, java_script_enabled=False).page
    assert page.locator(".teller").count() == 1 and not page.locator(".teller").is_visible()


def test_a_file_that_does_not_come_is_told_in_one_line_and_tried_again(still):
    page = still(TELL).page
    page.context.route("**/weights.safetensors", lambda route: route.fulfill(status=404))
    page.locator(".teller .main").click()
    failed = "() => document.querySelector('.teller .status').textContent.startsWith('It failed')"
    page.wait_for_function(failed, timeout=MINUTE)
    said = page.locator(".teller .status").inner_text()
    assert said == "It failed: weights.safetensors did not come (404); reload the page."
    page.context.unroute("**/weights.safetensors")
    use(page, "tell")


def test_the_truth_goes_on_as_a_reader_takes_words_and_ends_in_one_line(still):
    page = still("index.html").page
    use(page, "flow")
    part = page.locator(".teller [data-part=probabilities]")
    for word in ("red", "key", "Mara"):
        part.get_by_role("button", name=f"“\xa0{word}”").click()
        page.wait_for_function(
            "word => document.querySelector('.teller .so-far').textContent.endsWith(`${word} …`)",
            arg=word,
            timeout=MINUTE,
        )
        assert part.locator(".of-truth").count()
    page.get_by_role("textbox", name="Your words").fill("My own words")
    use(page, "flow")
    page.locator(".teller .so-far", has_text="My own words").wait_for()
    assert part.locator(".where").inner_text() == UNKNOWN
    assert part.locator(".of-truth").count() == 0


def test_the_head_that_is_chosen_matters_most(model, tokenizer):
    end = tokenizer.special_tokens["<|endoftext|>"]
    width = model.config.d_model // model.config.n_heads
    losses = torch.zeros(model.config.n_heads)
    for text in load_split("val")[:20]:
        ids = [end, *tokenizer.encode(text)]
        names = [
            t for t in range(1, len(ids)) if ids[t] in ids[:t] and tokenizer.decode([ids[t]])[1:2].isupper()
        ]
        rows = torch.tensor([ids])
        wanted = [(t - 1, ids[t]) for t in names]
        for head in range(model.config.n_heads):

            def silence(_, given, first=head * width):
                x = given[0].clone()
                x[..., first : first + width] = 0
                return (x,)

            handle = model.blocks[-1].attn.o_proj.register_forward_pre_hook(silence)
            with torch.no_grad():
                scores = model(rows)[0].log_softmax(-1)
            handle.remove()
            losses[head] -= sum(scores[at, token] for at, token in wanted)
    assert losses.argmax() == 1  # HEADS in parts.js
