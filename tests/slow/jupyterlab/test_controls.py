"""A picture's controls in a real JupyterLab: they are shown, and they change the picture."""

import nbformat
import pytest

pytest.importorskip("playwright", reason="needs playwright: pip install -e '.[site]'")

CELL = """from companion.show import plots, widgets
from companion.tokenization import BPETokenizer

plots.use_style()
tokenizer = BPETokenizer.train(["Mara found a key. " * 9], vocab_size=262)
widgets.merges(tokenizer, "Mara found a key", states=(0, 5))"""


def test_a_text_that_is_typed_changes_the_picture(browser, lab):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, lab.course / "chapters" / "controls.ipynb")
    with lab.open(browser, "controls") as opened:
        opened.page.evaluate("async () => { await jupyterapp.commands.execute('notebook:run-all-cells') }")
        box = opened.page.locator(".jp-OutputArea .jupyter-widgets.widget-vbox")
        box.get_by_alt_text("No merge yet: 16 tokens, one for each byte.", exact=True).wait_for()
        box.get_by_label("text").fill("Mara")
        box.get_by_label("text").press("Enter")
        box.locator("img[alt^='Merge ']").wait_for()
        assert opened.too_wide() == []
