"""companion app: tell, chat, compare and classify in a browser, on this machine alone."""

import json
import os
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from companion import village
from companion.cli._parsing import Range
from companion.cli._shared import RUNS, in_url

if TYPE_CHECKING:
    from companion.serve.offered import Offer

COURSE = village.DATA / "models"
MOST_MB = 5  # the largest file that can be uploaded
SETTINGS = {
    "server.headless": "true",  # opens no browser and asks for no address
    "server.fileWatcherType": "none",
    "server.maxUploadSize": str(MOST_MB),
    "server.enableStaticServing": "false",
    "server.enableXsrfProtection": "true",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showSidebarNavigation": "false",  # the pages have their own
    "client.showErrorDetails": "none",
    "runner.magicEnabled": "false",  # a line that is only a value is not shown
}
"""Streamlit's, so that nothing leaves this machine, and a fault shows no code."""


@dataclass(kw_only=True)
class Options:
    """Open the browser app: tell stories, chat, compare models, classify texts.

    Args:
        models: Folder in which the app looks for models, besides the models of the course; you can give
            several. Default: runs.
        model: Another model to offer: a folder, a GGUF file, smollm2, or a model on the hub, which is
            downloaded before the app starts; you can give several.
        host: Address to listen at.
        port: Port to listen at.
        device: Where to compute: auto, cpu, cuda or mps.

    Example:
        companion app --models my_models
    """

    models: list[Path] = field(default_factory=list)
    model: list[str] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: Annotated[int, Range(1, 65_535)] = 8501
    device: str = "auto"


def run(options: Options) -> None:
    if find_spec("streamlit") is None:
        raise ImportError("the app needs streamlit: pip install -e '.[serve]'")
    place = f"http://{in_url(options.host)}:{options.port}"
    print(f"Loading … The page will be at {place}", flush=True)
    import torch  # here, so that the line above stands there at once

    from companion.models.names import folder_of
    from companion.runtime.models.devices import pick_device
    from companion.serve.offered import Offer, find_offered

    pick_device(options.device)
    for folder in options.models:
        if not folder.is_dir():
            raise ValueError(f"--models={folder} is no folder; name one with models in it")
    own = [os.path.abspath(folder) for folder in options.models]
    if own and not find_offered(own, {}):
        raise ValueError(f"--models={', '.join(own)} has no model in it; train one, or name another folder")
    folders = [*own, os.path.abspath(COURSE)] if own else [os.path.abspath(COURSE), os.path.abspath(RUNS)]
    named = {name: os.path.abspath(folder_of(name)) for name in options.model}
    models = find_offered(folders, named)
    for name in named:
        if name not in {model.name for model in models}:
            raise ValueError(f"--model={name} holds no model; name a folder with one, or a model of the hub")
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kinds = [kind for kind, is_there in found.items() if is_there]
    others = [kind for kind in kinds if kind != options.device] if len(kinds) > 1 else []
    print(f"The app offers {len(models)} models.")
    serve(options, Offer(folders, named, [options.device, *others]), place)


def serve(options: Options, offer: "Offer", place: str) -> None:
    """Serve until Ctrl-C."""
    from streamlit.web.cli import main

    import companion.serve.app
    from companion.show.plots import BLUE, SKY

    settings = SETTINGS | {"server.address": options.host, "server.port": str(options.port)}
    settings |= {"theme.light.primaryColor": BLUE, "theme.dark.primaryColor": SKY}
    words = []
    for name, value in settings.items():
        words += [f"--{name}", value]
    script = Path(companion.serve.app.__file__).with_name("tell.py")
    print(f"Open {place} in a browser. Ctrl-C ends it.", flush=True)
    main(["run", str(script), *words, "--", json.dumps(asdict(offer))], standalone_mode=False)
