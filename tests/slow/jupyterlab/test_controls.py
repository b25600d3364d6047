"""A picture's controls in a real JupyterLab: they are shown, they have names, and they change the picture."""

import nbformat
import pytest

pytest.importorskip("playwright", reason="needs playwright: pip install -e '.[site]'")

CELL = """from companion.show import plots, widgets
from companion.tokenization import BPETokenizer

plots.use_style()
tokenizer = BPETokenizer.train(["Mara found a key. " * 9], vocab_size=262)
widgets.merges(tokenizer, "Mara found a key", states=(0, 5))"""


@pytest.fixture(scope="module")
def opened(browser, lab):
    """A notebook with the one picture, open and run."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, lab.course / "chapters" / "controls.ipynb")
    with lab.open(browser, "controls") as page:
        (ran,) = page.run_all(seconds=600).cells
        strip, controls = ran.outputs
        assert "image/png" in strip.data and "application/vnd.jupyter.widget-view+json" in controls.data
        yield page


def test_a_text_changes_the_picture_and_one_that_cannot_be_drawn_gives_a_line(opened):
    """Each part of the panel comes to the page by itself, in any order, so each is waited for."""
    box = opened.page.locator(".jp-OutputArea .jupyter-widgets.widget-vbox")
    for name in ("text", "merges"):
        box.locator(f".widget-label:text-is('{name}')").wait_for()
    box.get_by_alt_text("No merge yet: 16 tokens, one for each byte.", exact=True).wait_for()
    text = box.get_by_label("text")
    text.fill("Mara")
    text.press("Enter")
    picture = box.locator("img[alt^='Merge ']")
    picture.wait_for()
    size = picture.evaluate("image => image.decode().then(() => [image.naturalWidth, image.width])")
    assert size[0] == 1280 and size[1] <= 640
    assert opened.too_wide() == []
    text.fill("")
    text.press("Enter")
    box.get_by_text("The text is empty: type a few words.").wait_for()
    picture.wait_for(state="detached")
