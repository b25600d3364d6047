"""What a model is made of, looked at before anything is hung onto it."""

from operator import attrgetter

from torch import nn

from companion.runtime.decoding_parts import SHIFT
from companion.runtime.decoding_parts import name as class_name

IN_A_BLOCK = ("attn.n_heads", "attn.project", "attn.o_proj")
OF_A_MODEL = ("embed", "norm", "hidden", "logits")


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The blocks of a GPT type model, with the parts that looking inside needs.

    Raises TypeError, in one line that names the first part that is missing.
    """
    if not isinstance(model, nn.Module) and isinstance(getattr(model, "model", None), nn.Module):
        raise TypeError(f"model={type(model).__name__} is a model with its tokenizer; give its .model")
    needed = [*OF_A_MODEL, "blocks"]
    blocks = list(getattr(model, "blocks", []))
    found = [(model, name, name) for name in needed]
    found += [(block, name, f"blocks[{i}].{name}") for i, block in enumerate(blocks) for name in IN_A_BLOCK]
    for part, name, shown in found:
        try:
            attrgetter(name)(part)
        except AttributeError:
            kinds = "a GPT of the course (gpt2, llama, storyteller, swift, neox; load_pretrained gives one)"
            raise TypeError(f"model={type(model).__name__} has no {shown}; give {kinds}") from None
    return blocks


def matrices_in_use(model: nn.Module) -> dict[str, nn.Parameter]:
    """The matrices of a model, by name, but for those that a token is not multiplied with.

    Of a mixture (chapter 24) so many experts stay as a token uses. A shift's shares (chapter 10) go: they are
    multiplied number by number, as a norm's are. A table of rows to be looked up stays.
    """
    idle = []
    for part in model.modules():
        if class_name(type(part)) == SHIFT:
            idle.append(part)
        if hasattr(part, "experts") and hasattr(part, "router"):
            idle += part.experts[part.router.n_active :]
    left_out = {id(p) for part in idle for p in part.parameters()}
    return {name: p for name, p in model.named_parameters() if p.ndim == 2 and id(p) not in left_out}
