"""companion export: a model as the files of other engines: transformers, llama.cpp, or any that runs ONNX."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from companion import load
from companion.cli._parsing import Positional
from companion.cli._shared import OfModel, check_output, check_writable, holds_only, refuse
from companion.generation import LanguageModel
from companion.lora import merge
from companion.models.gguf_files import write_gguf
from companion.models.gguf_reader import is_gguf
from companion.models.names import is_export, is_public, trainable_folder
from companion.models.onnx_graphs import write_onnx
from companion.pretrained import save_pretrained
from companion.runtime.storage.adapters import base_of
from companion.runtime.storage.checkpoints import holds_adapter
from companion.runtime.storage.hub import SMALL
from companion.runtime.storage.public_configs import stored_dtype

GRAPH = "model.onnx"
USE = {
    "hf": """
In Python, where transformers is installed:

  from transformers import AutoModelForCausalLM, AutoTokenizer
  model = AutoModelForCausalLM.from_pretrained({place})
  tokenizer = AutoTokenizer.from_pretrained({place})
  ids = tokenizer('Once', return_tensors='pt')
  print(tokenizer.decode(model.generate(**ids, max_new_tokens=60)[0]))""",
    "gguf": """
For llama.cpp, say with its llama-server -m, or in Python, where llama-cpp-python is installed:

  from llama_cpp import Llama
  model = Llama({place}, n_ctx={n}, verbose=False)
  print(model('Once', max_tokens=50)['choices'][0]['text'])""",
    "onnx": """
Its inputs are new tokens and the past, which it returns longer. In Python, by onnxruntime:

  from companion.models.onnx_graphs import OnnxModel
  model = OnnxModel({place})
  logits, past = model.logits([[1, 2, 3]])
  logits, past = model.logits([[4]], past)""",
}
"""How a file is used, as the report says it."""


@dataclass(kw_only=True)
class Options(OfModel):
    """Convert a model for transformers, llama.cpp or onnxruntime.

    Args:
        form: What to write. hf: a folder in Hugging Face's layout, for transformers and other libraries that
            read it; gguf: a file for llama.cpp and the engines built on it, with the tokenizer and the chat
            template inside; onnx: a folder with an ONNX graph with a KV cache for onnxruntime, and the
            tokenizer.
        output: Folder to write to; of gguf a file, such as out.gguf.
        overwrite: Replace an earlier export, if there is one.
        kind: Number format of the matrices in a GGUF. Default: f16.

    Example:
        companion export gguf --output village.gguf
    """

    form: Annotated[Literal["hf", "gguf", "onnx"], Positional()]
    output: Path
    overwrite: bool = False
    kind: Literal["f32", "f16", "q8_0", "q4_0"] | None = None


def run(options: Options) -> None:
    form = options.form
    kind = options.kind or "f16"
    if form != "gguf":
        refuse(options, ["kind"], "works with gguf only")
    adapted = holds_adapter(options.model)
    folder = trainable_folder("--model", base_of(options.model) if adapted else options.model)
    check_export(form, options.output, options.overwrite)
    teller = load(options.model if adapted else folder, device="cpu")
    merge(teller.model)  # without an adapter, this does nothing
    if form == "hf" and is_public(folder) and not (adapted or is_gguf(folder)):
        teller.model.to(stored_dtype(folder))  # loses nothing, because its numbers came from this type
    for path in write(form, teller, options.output, kind):
        print(f"{path.stat().st_size / 1e6:10,.3f} MB  {path}")
    place = options.output.as_posix()
    print(USE[form].format(place=repr(place), n=teller.model.config.context_length))


def check_export(form: str, output: Path, overwrite: bool) -> None:
    """Check that the form can be written, and that nothing else would be lost.

    Raises:
        ValueError: If not, with a message of one line.
    """
    if form != "gguf":
        is_graph = partial(holds_only, mark=GRAPH, names={GRAPH, f"{GRAPH}.data", *SMALL})
        check_output("--output", output, is_export if form == "hf" else is_graph, overwrite)
        return
    if output.suffix != ".gguf" or output.is_dir():
        raise ValueError(f"--output={output} must be a file that ends in .gguf; name one")
    if output.exists() and not overwrite:
        raise ValueError(f"--output={output} is there already; name another file, or add --overwrite")
    check_writable("--output", output.parent)


def write(form: str, teller: LanguageModel, output: Path, kind: str) -> list[Path]:
    """Write the files, and return their paths."""
    if form == "gguf":
        output.parent.mkdir(parents=True, exist_ok=True)
        write_gguf(teller.model, teller.tokenizer, output, kind)
        return [output]
    before = {path: path.stat().st_ino for path in output.glob("*")}
    save = save_pretrained if form == "hf" else write_onnx
    save(teller.model, teller.tokenizer, output)
    for path, number in before.items():
        # save renames new files into place, so what kept its inode was not written: it is of the model that
        # was there before, such as its chat template
        if path.stat().st_ino == number:
            path.unlink()
    return sorted(path for path in output.iterdir() if not path.name.startswith("."))
