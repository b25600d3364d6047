"""`jupyter notebook`, for readers who are used to it, as docs/installing.md says."""

import json
import re
from urllib.request import Request, urlopen

import pytest
from lab import ROOT, serve

pytest.importorskip("notebook", reason="needs notebook: pip install -r requirements.txt")


PAGE = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
(OF_PAGE,) = re.findall(r"`jupyter notebook (.*?)`", PAGE)


def test_jupyter_notebook_opens_the_first_chapter(tmp_path):
    place = "chapters/00_start.ipynb"
    with serve(tmp_path, "notebook", OF_PAGE.split()) as served:

        def get(path: str) -> str:
            request = Request(served.url + path, headers={"Authorization": f"token {served.token}"})
            with urlopen(request, timeout=60) as answer:
                return answer.read().decode()

        assert '"notebookPage": "notebooks"' in get(f"notebooks/{place}")
        found = json.loads(get(f"api/contents/{place}?content=0"))
        assert found["type"] == "notebook" and found["writable"]
