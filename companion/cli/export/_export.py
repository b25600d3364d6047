"""companion export: a model as the files of other engines: transformers, llama.cpp, or any that runs ONNX."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from companion import BUILDERS, load
from companion.generation import LanguageModel
from companion.lora import merge
from companion.models import gguf_files, onnx_graphs
from companion.models.gguf_files import BLOCK, gguf_header, write_gguf
from companion.models.gguf_reader import is_gguf
from companion.models.names import (
    check_floats,
    folder_of,
    is_export,
    is_public,
    shape_of,
)
from companion.models.onnx_graphs import write_onnx
from companion.pretrained import FAMILIES, save_pretrained
from companion.runtime.files.arguments import check_output as check_folder
from companion.runtime.files.arguments import check_writable, holds_only
from companion.runtime.storage.adapters import base_of
from companion.runtime.storage.checkpoints import holds_adapter
from companion.runtime.storage.hub import SMALL
from companion.runtime.storage.public_configs import stored_dtype, write_shape

GRAPH = "model.onnx"
USE = {
    "hf": """
In Python, where transformers is installed:

  from transformers import AutoModelForCausalLM, AutoTokenizer
  model = AutoModelForCausalLM.from_pretrained({place})
  tokenizer = AutoTokenizer.from_pretrained({place})
  ids = tokenizer({begun}, return_tensors='pt', add_special_tokens=False)
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


@dataclass
class ExportPlan:
    """A model to write for another engine."""

    form: str  # hf, gguf or onnx
    teller: LanguageModel  # with an adapter merged
    output: Path  # a file for gguf, else a folder
    kind: str | None  # f32, f16, q8_0 or q4_0, in which a GGUF holds its matrices; None for another form


@dataclass
class Exported:
    """What an export wrote."""

    files: list[Path]
    held: dict[str, str]  # the type of each tensor of a GGUF, by name; empty for another form


def export(args: Any, form: str, kind: str | None = None) -> None:
    """Write a model in a form, hf, gguf or onnx; kind: of a GGUF's matrices."""
    plan = make_plan(args, form, kind)
    report(plan, do(plan))


def make_plan(args: Any, form: str, kind: str | None) -> ExportPlan:
    """Find everything that can be wrong."""
    adapted = holds_adapter(args.model)
    folder = folder_of(base_of(args.model) if adapted else args.model)
    check_floats("--model", folder)
    config, build = shape_of(folder, BUILDERS, FAMILIES)
    config = build(config, meta=True).config  # as it is built: a storyteller's has norms of q and k
    check_shape(form, config)
    check_output(form, args.output, args.overwrite)
    teller = load(args.model if adapted else folder, device="cpu")
    merge(teller.model)  # without an adapter, this does nothing
    if form == "hf" and is_public(folder) and not (adapted or is_gguf(folder)):
        teller.model.to(stored_dtype(folder))  # loses nothing, because its numbers came from this type
    if form == "gguf":
        gguf_header(config, teller.tokenizer, kind)
    else:
        from companion.runtime.text.hugging_face import tokenizer_files

        tokenizer_files(teller.tokenizer)
    return ExportPlan(form, teller, args.output, kind)


def check_shape(form: str, config) -> None:
    """Raise ValueError for a shape that the form has no place for, ImportError where a library is missing."""
    if form == "hf":
        write_shape(config)
    elif form == "gguf":
        gguf_files.shape_in_gguf(config)
    else:
        onnx_graphs.libraries()
        onnx_graphs.check_onnx(config)


def check_output(form: str, output: Path, overwrite: bool) -> None:
    """Raise ValueError, in one line, where the form cannot be written, or something else would be lost."""
    if form != "gguf":
        is_graph = partial(holds_only, mark=GRAPH, names={GRAPH, f"{GRAPH}.data", *SMALL})
        check_folder("--output", output, is_export if form == "hf" else is_graph, overwrite)
        return
    if output.suffix != ".gguf" or output.is_dir():
        raise ValueError(f"--output={output} must be a file that ends in .gguf; name one")
    if output.exists():
        with output.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ValueError(f"--output={output} holds something else; name another file")
        if not overwrite:
            raise ValueError(
                f"--output={output} holds a model already; name another file, or add --overwrite"
            )
    check_writable("--output", output.parent)


def do(plan: ExportPlan) -> Exported:
    """Write; return the files, and what each tensor of a GGUF is held in."""
    model = plan.teller.model
    tokenizer = plan.teller.tokenizer
    if plan.form == "gguf":
        plan.output.parent.mkdir(parents=True, exist_ok=True)
        return Exported([plan.output], write_gguf(model, tokenizer, plan.output, plan.kind))
    before = {path: path.stat().st_ino for path in plan.output.glob("*")}
    if plan.form == "hf":
        save_pretrained(model, tokenizer, plan.output)
    else:
        write_onnx(model, tokenizer, plan.output)
    for path, number in before.items():
        if path.stat().st_ino == number:  # of the model that was there before, such as its chat template
            path.unlink()
    files = sorted(path for path in plan.output.iterdir() if not path.name.startswith("."))
    return Exported(files, {})


def report(plan: ExportPlan, exported: Exported) -> None:
    for path in exported.files:
        print(f"{path.stat().st_size / 1e6:10,.3f} MB  {path}")
    if plan.form == "gguf":
        report_gguf(plan, exported.held)
    begun = plan.teller.tokenizer.decode(plan.teller.begin) + "Once"
    n = plan.teller.model.config.context_length
    print(USE[plan.form].format(place=repr(plan.output.as_posix()), begun=repr(begun), n=n))


def report_gguf(plan: ExportPlan, held: dict[str, str]) -> None:
    kinds = sorted(set(held.values()), key=list(held.values()).count, reverse=True)
    counts = ", ".join(f"{list(held.values()).count(kind)} in {kind}" for kind in kinds)
    print(f"\n{len(held)} tensors: {counts}")
    lacking = [name for name, kind in held.items() if kind == "F16" and not name.startswith("position")]
    if plan.kind.startswith("q") and lacking:
        print(f"Not in {plan.kind.upper()}, because their rows are no blocks of {BLOCK}: {len(lacking)}")
