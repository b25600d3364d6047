"""The check of exercise 11.3: From their names to ours."""

import random
import re

from companion.exercises.exercise import Function

KINDS = "weight", "bias"
OUTER = {"model.embed_tokens": "embed", "model.norm": "norm", "lm_head": "head"}
INNER = {
    "input_layernorm": "norm_1",
    "self_attn.q_proj": "attn.q_proj",
    "self_attn.k_proj": "attn.k_proj",
    "self_attn.v_proj": "attn.v_proj",
    "self_attn.o_proj": "attn.o_proj",
    "self_attn.q_norm": "attn.q_norm",
    "self_attn.k_norm": "attn.k_norm",
    "post_attention_layernorm": "norm_2",
    "mlp.gate_proj": "mlp.gate_proj",
    "mlp.up_proj": "mlp.up_proj",
    "mlp.down_proj": "mlp.down_proj",
}


BIASED = "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"


def our_name(name):
    stem, dot, kind = name.rpartition(".")
    if kind == "weight" and stem in OUTER:
        return OUTER[stem] + dot + kind
    if kind not in KINDS or not stem.startswith("model.layers."):
        return None
    layer, _, part = stem[len("model.layers.") :].partition(".")
    if not (layer.isascii() and layer.isdigit()) or part not in (INNER if kind == "weight" else BIASED):
        return None
    return f"blocks.{layer}.{INNER[part]}.{kind}"


# -- inputs ------------------------------------------------------------------

EXPERT = "model.layers.0.mlp.experts.0.up_proj.weight"

NONE = [  # in the order in which they are tried: what files have comes first
    EXPERT,
    "lm_head.bias",
    "model.norm.bias",
    "model.embed_tokens.bias",
    *[f"model.layers.0.{part}.bias" for part in INNER if part not in BIASED],
    "layers.0.mlp.up_proj.weight",
    "language_model.model.layers.0.mlp.up_proj.weight",
    "model.layers.1x.mlp.up_proj.weight",
    "model.layers.0.self_attn.rotary_emb.inv_freq",
    "model.layers.0.self_attn.v_norm.weight",
    "model.layers.0.self_attn.o_norm.weight",
    "model.layers.0.self_attn.q_proj.qweight",
    "model.layers.0.self_attn.q_proj.weight_scale",
    "model.layers.0.self_attn.k_proj.g_idx",
    "model.layers.0.mlp.up_proj.weight.absmax",
    "model.layers.0.mlp.up_proj.weight_scale_inv",
    "model.layers.0.mlp.up_proj.weight.weight",
    "model.layers.0.mlp.up_proj.lora_A",
    "model.norm.weight_scale",
    "model.norm.weight.weight",
    "model.layers.0.mlp.up_proj",
    "model.model.norm.weight",
    "model.layers.0.q_proj.weight",
    "model.layers.0.mlp.gate.weight",
    "model.layers.0.up_proj.weight",
    "model.layers.0.norm_1.weight",
    "model.layers..mlp.up_proj.weight",
    "model.layers.mlp.up_proj.weight",
    "model.layers.x.mlp.up_proj.weight",
    "model.layers.1x.input_layernorm.weight",
    "model.layers.².mlp.up_proj.weight",
    "model.layers.٣.mlp.up_proj.weight",
    "model.layers.1४.input_layernorm.weight",
    "model.layers.-1.mlp.up_proj.weight",
    "model.layers.0.mlp.q_proj.weight",
    "model.layers.0.mlp_up_proj.weight",
    "model_layers_0_mlp_up_proj.weight",
    "model.layers.0.1.mlp.up_proj.weight",
    "model.layers.0.mlp.0.up_proj.weight",
    "model.layers.0.mlp.norm.weight",
    "model.layers.0.self_attn.qkv_proj.weight",
    "model.layers.0.self_attn.gate_proj.weight",
    "model.layers.0.self_attn.input_layernorm.weight",
    "model.layers.0.input_layernorm.scale",
    "model.layers.0.mlp.up_proj_weight",
    "model.layers.0_mlp.up_proj.weight",
    "model.layers.0.self_attn.q_proj_bias",
    "model.layers.0.mlp.up_proj.weight\n",
    "model.layers.0.self_attn.q_proj.bias\n",
    "model.norm.weight\n",
    "model.layers.0.mlp.up_proj.weight ",
    " model.layers.0.mlp.up_proj.weight",
    "model.layers.0.MLP.up_proj.weight",
    "Model.norm.weight",
    "model.layers.0.block_sparse_moe.gate.weight",
    "model.layers.0.pre_feedforward_layernorm.weight",
    "model.layers.0.post_feedforward_layernorm.weight",
    "language_model.model.norm.weight",
    "model.language_model.layers.0.mlp.up_proj.weight",
    "vision_tower.layers.0.self_attn.q_proj.weight",
    "transformer.h.0.attn.c_attn.weight",
    "transformer.wte.weight",
    "embed_tokens.weight",
    "blocks.0.norm_1.weight",
    "model.head.weight",
    "model.lm_head.weight",
    "model.layers.0.weight",
    "model.layers.weight",
    "model.layers.0",
    "model.weight",
    "model.norm",
    "norm.weight",
    "lm_head_weight",
    "lm_head",
    "weight",
    "",
]


def name_cases(seed):
    rng = random.Random(seed)
    known = [f"{outer}.weight" for outer in OUTER] if seed == 0 else []
    for part in INNER:
        layers = (
            [0, 7, 11] if seed == 0 else [rng.randint(12, 99), rng.randint(100, 10 ** rng.choice([3, 5]))]
        )
        known += [f"model.layers.{layer}.{part}.weight" for layer in layers]
    for part in ("q_proj", "k_proj", "v_proj"):
        known.append(f"model.layers.{rng.randint(3, 99)}.self_attn.{part}.bias")
    return [(name,) for name in (known + NONE if seed == 0 else known)]


def in_order(args):
    """An expert's name first, then the table's, short ones first, then other names as they stand above."""
    (name,) = args
    if name == EXPERT:
        return 0, 0
    return (2, NONE.index(name)) if name in NONE else (1, len(name))


def hint(got, name):
    """What this one name is there for."""
    ours = our_name(name)
    if ours is None and got.error is not None:
        return RAISED
    if got.error is not None or not isinstance(got.value, str):
        return ""
    if ours is not None:
        kind = ours.rpartition(".")[2]
        return f"The ending is missing: `.{kind}` stays." if ours == f"{got.value}.{kind}" else ""
    if "\n" in name:
        return WHOLE + " Here a new line follows it. In a pattern, `$` lets one pass; `fullmatch` does not."
    if name != name.strip() or name != name.lower():
        return "Spaces and capital letters count: then it is another name, so None."
    if "²" in name:
        return NUMBER + " `isdigit` says yes to `²` too."
    if not name.isascii():
        return NUMBER + " `\\d` and `isdecimal` say yes to digits of other scripts, too: `[0-9]` does not."
    if "_norm." in name:
        return "Queries and keys have norms of their own (Qwen3); nothing else in `self_attn` has."
    if our_name("model." + name):
        return "Without `model.` it is a name of some other file: None."
    if any(our_name(name[i:]) for i in range(1, len(name))):
        return WHOLE + " Here something stands before it. In a pattern: `fullmatch`, not `search`."
    if any(our_name(name[:i]) for i in range(1, len(name))):
        return WHOLE + " Here something follows it. In a pattern: `fullmatch`, not `match`."
    if our_name(
        name.replace("_weight", ".weight")
        .replace("_bias", ".bias")
        .replace("0_", "0.")
        .replace("mlp_", "mlp.")
    ):
        return POINT
    stem, _, kind = name.rpartition(".")
    if our_name(f"{stem}.weight") and kind not in KINDS:
        return f"The table has `.weight`, and `.bias` for queries, keys and values: `.{kind}` is neither."
    if our_name(f"{stem}.weight") and kind == "bias":
        return ELSEWHERE
    return ""


# -- mistakes ------------------------------------------------------------------


def chain(*pairs):
    def wrong(name):
        for old, new in pairs:
            name = name.replace(old, new)
        return name

    return wrong


NORMS = [("input_layernorm", "norm_1"), ("post_attention_layernorm", "norm_2")]
ENDS = [("model.norm", "norm"), ("lm_head", "head")]
LONG = chain(
    ("model.layers", "blocks"), ("model.embed_tokens", "embed"), *ENDS, ("self_attn", "attn"), *NORMS
)
SHORT = chain(
    ("model.", ""), ("layers", "blocks"), ("embed_tokens", "embed"), *ENDS[1:], ("self_attn", "attn"), *NORMS
)
REST = chain(("layers", "blocks"), ("embed_tokens", "embed"), *ENDS[1:], ("self_attn", "attn"), *NORMS)
ONCE = chain(
    ("model.layers.", "blocks."), ("model.embed_tokens", "embed"), *ENDS, (".self_attn.", ".attn."), *NORMS
)


def taken_off(name):
    return REST(name.removeprefix("model."))


def or_none(rename):
    return lambda name: None if rename(name) == name else rename(name)


PARTS = "|".join(map(re.escape, INNER))


def layer_like(pattern):
    """The layer's number read by a pattern of its own."""

    def wrong(name):
        found = re.fullmatch(rf"model\.layers\.({pattern})\.((?:{PARTS})\.(?:weight|bias))", name)
        ours = our_name(f"model.layers.0.{found[2]}") if found else None
        return f"blocks.{found[1]}.{ours.removeprefix('blocks.0.')}" if ours else our_name(name)

    return wrong


def biases(*parts, outer=False):
    """Biases for other parts as well."""

    def wrong(name):
        stem, _, kind = name.rpartition(".")
        known = kind == "bias" and any(stem.endswith(part) for part in parts) and (outer or "layers" in stem)
        found = our_name(f"{stem}.weight") if known else None
        return found.removesuffix("weight") + "bias" if found else our_name(name)

    return wrong


def found_by(search, pattern):
    def wrong(name):
        found = search(pattern, name)
        return our_name(found[0]) if found else None

    return wrong


def unescaped(name):
    for part, ours in INNER.items():
        if found := re.fullmatch(
            f"model.layers.([0-9]+).{part}.({'weight|bias' if part in BIASED else 'weight'})", name
        ):
            return f"blocks.{found[1]}.{ours}.{found[2]}"
    return next(
        (f"{ours}.weight" for part, ours in OUTER.items() if re.fullmatch(f"{part}.weight", name)), None
    )


def by_int_at_once(name):
    pieces = name.split(".")
    if name.startswith("model.layers.") and len(pieces) > 3:
        pieces[2] = str(int(pieces[2]))
    return our_name(".".join(pieces))


def by_int(name, catch=False):
    found = re.fullmatch(rf"model\.layers\.([^.]*)\.((?:{PARTS})\.(?:weight|bias))", name)
    ours = our_name(f"model.layers.0.{found[2]}") if found else None
    if not ours:
        return our_name(name)
    try:
        return f"blocks.{int(found[1])}.{ours.removeprefix('blocks.0.')}"
    except ValueError:
        if not catch:
            raise
        return None


def last_pieces(name):
    pieces = name.split(".")
    known = {part.rpartition(".")[2]: part for part in INNER}
    if pieces[:2] != ["model", "layers"] or len(pieces) < 5 or pieces[-2] not in known:
        return our_name(name)
    return our_name(".".join([*pieces[:3], known[pieces[-2]], pieces[-1]]))


def any_part_of(place, ours):
    def wrong(name):
        found = re.fullmatch(rf"model\.layers\.([0-9]+)\.{place}\.(.+)", name)
        return f"blocks.{found[1]}.{ours}.{found[2]}" if found else our_name(name)

    return wrong


def without(*words):
    return lambda name: None if any(word in name for word in words) else our_name(name)


def then(change):
    """A mistake made with the right name, where there is one."""
    return lambda name: None if our_name(name) is None else change(our_name(name))


def up_to(layers):
    """A table of so many layers."""
    names = {ours + ".weight" for ours in OUTER.values()}
    names |= {f"blocks.{i}.{part}.{kind}" for i in range(layers) for part in INNER.values() for kind in KINDS}
    return lambda name: our_name(name) if our_name(name) in names else None


def raises(error):
    def wrong(name):
        if our_name(name) is None:
            raise error(name)
        return our_name(name)

    return wrong


UNKNOWN = (
    "Replacing words turns names that mean something else into names that look right. A "
    "name that is not in the "
    "table gives None: then a model with parts that ours lacks is refused, not loaded wrong."
)
RAISED = "An unknown name gives None; it must not raise an error."
ELSEWHERE = "A `.bias` is known for queries, keys and values alone: the table has none elsewhere."
POINT = r"In a pattern, `.` stands for any letter; a point is `\.`."
WHOLE = "The whole name must fit, from its first letter to its last."
NUMBER = "A layer's number is one figure, 0 to 9, or more, and nothing else."

EXERCISE = Function(
    number="11.3",
    title="From their names to ours",
    stars=2,
    wants="our_name(name)",
    cases=name_cases,
    oracle=our_name,
    order=in_order,
    hint=hint,
    mistakes=[
        *[(rename, UNKNOWN) for rename in (LONG, SHORT, ONCE, taken_off)],
        *[(or_none(rename), UNKNOWN) for rename in (LONG, SHORT, ONCE, taken_off)],
        (
            then(lambda name: name if re.match(r"blocks\.[0-9]\.|[a-z]+\.w", name) else None),
            "Layers have numbers of more than one figure: 10 is one.",
        ),
        (
            then(lambda name: name if re.match(r"blocks\.[0-9][0-9]?\.|[a-z]+\.w", name) else None),
            "Layers may have numbers of more than two figures.",
        ),
        (found_by(re.search, r"(model\.(layers\..+|norm|embed_tokens)|lm_head)\.(weight|bias)$"), WHOLE),
        (found_by(re.search, r"(model\.(layers\..+|norm|embed_tokens)|lm_head)\.(weight|bias)"), WHOLE),
        (
            found_by(
                re.search, r"model\.(layers\.[0-9]+\.[a-z_.]+|norm|embed_tokens)\.weight|lm_head\.weight"
            ),
            WHOLE,
        ),
        (found_by(re.match, r"(model|lm_head).*\.(weight|bias)"), WHOLE),
        (found_by(re.match, r"(model|lm_head).*?\.(weight|bias)"), WHOLE),
        (unescaped, POINT),
        (
            lambda name: our_name(name) if name.endswith(".weight") else None,
            "Queries, keys and values may have a `.bias`: Qwen2's do.",
        ),
        *[
            (mistake, ELSEWHERE)
            for mistake in (
                biases("", outer=True),
                biases(""),
                biases("proj"),
                biases("proj", "lm_head", outer=True),
                biases("q_proj", "k_proj", "v_proj", "o_proj"),
                biases("_proj", "_norm"),
                biases("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
            )
        ],
        (
            then(lambda name: name.replace(".bias", ".weight")),
            "A bias became a weight: what stands after the last point stays as it is.",
        ),
        (any_part_of("self_attn", "attn"), "Under `self_attn` only the parts of the table are known."),
        (
            any_part_of("mlp", "mlp"),
            "Under `mlp` only the parts of the table are known; experts are none of them.",
        ),
        (lambda name: our_name(name) or name, "A name that is not in the table gives None, not itself."),
        (lambda name: our_name(name) or "", "A name that is not in the table gives None, not an empty text."),
        (lambda name: our_name(name) or False, "A name that is not in the table gives None, not False."),
        *[(raises(error), RAISED) for error in (KeyError, ValueError)],
        (
            lambda name: our_name(name) or our_name(f"model.{name}"),
            "Without `model.` it is a name of some other file: None.",
        ),
        (
            lambda name: our_name(name.replace("model.model.", "model.")),
            "With another `model.` before it, it is a name of some other file: None.",
        ),
        (
            then(lambda name: re.sub("norm_([12])", lambda m: f"norm_{3 - int(m[1])}", name)),
            "The two norms of a layer are exchanged: the one after attention is our `norm_2`.",
        ),
        (
            lambda name: "embed.weight" if name == "lm_head.weight" else our_name(name),
            "`lm_head` is a head of its own, our `head`. Where a model shares the "
            "embedding, the file has none.",
        ),
        (without("lm_head"), "`lm_head.weight` is our `head.weight`."),
        (without("q_norm", "k_norm"), "Qwen3's `q_norm` and `k_norm` are missing."),
        (without("embed_tokens"), "`model.embed_tokens.weight` is our `embed.weight`."),
        (lambda name: None if name == "model.norm.weight" else our_name(name), "The last norm is missing."),
        (layer_like(r"\d*"), NUMBER),
        (layer_like(r"[^.]+"), NUMBER),
        (layer_like(r"[^.]*"), NUMBER),
        (layer_like(r".+"), NUMBER),
        (layer_like(r".*"), NUMBER),
        (layer_like(r"\w+"), NUMBER),
        (by_int, NUMBER + " `int` raises an error on `1x`, and takes `-1`."),
        (by_int_at_once, NUMBER + " `int` raises an error on `1x`."),
        (lambda name: by_int(name, True), NUMBER + " `int` takes `-1` too."),
        (
            then(lambda name: re.sub(r"blocks\.([0-9]+)", lambda m: f"blocks.{int(m[1]) + 1}", name)),
            "The layers keep their numbers: both count from 0.",
        ),
        (then(lambda name: name.replace("blocks", "layers")), "Our layers are called `blocks`."),
        (
            then(lambda name: re.sub(r"blocks\.[0-9]+", "blocks", name)),
            "The number of the layer is missing.",
        ),
        (
            then(lambda name: re.sub(r"blocks\.[0-9]+", "blocks.{}", name)),
            "The place for the layer's number is still empty.",
        ),
        (
            lambda name: our_name(re.sub(r"(?<=model\.layers\.)([0-9]+)[^.]*", r"\1", name)),
            NUMBER + " You took the figures and dropped what follows.",
        ),
        (
            last_pieces,
            "The last two words are not enough: what stands before them must fit too, "
            "experts have the same ones.",
        ),
        *[
            (up_to(n), "Your table ends at some layer. There are models with more.")
            for n in (12, 16, 24, 28, 30, 32, 36, 40, 48, 64, 80, 128, 256, 1000)
        ],
    ],
    right="A table is all that stands between their file and our model, and what it does not know, it says.",
)
