"""The command line on public models: read, gone on from, exported; on small folders, without a network.

What is asked of the hub itself is in tests/runtime/test_hub.py; tests/slow/peers compares with transformers.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
import torch
from support.command_line import MINE, cell, fails, planned, said
from support.public import write_family
from support.weights import noisy

import companion
from companion import BUILDERS, load, village
from companion.__main__ import main
from companion.cli import train
from companion.gpt import GPT, GPTConfig, gpt2
from companion.instructions import Chat
from companion.models import names as model_names
from companion.modern import LlamaConfig, llama, storyteller
from companion.pretrained import NeoXConfig, load_pretrained, neox, save_pretrained
from companion.runtime.models import devices
from companion.runtime.runs import validation
from companion.runtime.terminal import cleaned
from companion.runtime.text.hugging_face import PublicTokenizer, read_tokenizer, write_tokenizer
from companion.runtime.text.tokenizer import tokenizer_fingerprint
from companion.tokenization import BPETokenizer, Tokenizer
from companion.training import save_checkpoint
from companion.village import DATA, load_split

TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)
VILLAGE = DATA / "models" / "village"
SIZES = {"vocab_size": 307, "context_length": 41, "n_layers": 2, "n_heads": 2, "d_model": 12, "d_ff": 20}
FEW = "--steps 3 --eval-every 2 --minutes 0".split()
MODELS = {
    "gpt2": lambda: gpt2(GPTConfig(**SIZES, dropout=0.1)),
    "smol": lambda: llama(LlamaConfig(**SIZES)),
    "qwen3": lambda: storyteller(LlamaConfig(**SIZES, n_kv_heads=1, head_width=8)),
    "pythia": lambda: neox(NeoXConfig(**SIZES, rope_share=0.4)),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def public(name):
    """A folder with a small model, its vocabulary longer than the tokenizer's, as many public ones are."""
    torch.manual_seed(0)
    folder = Path("public") / name
    save_pretrained(noisy(MODELS[name]()), TOKENIZER, folder)
    return folder


@pytest.fixture
def smol(here):
    return public("smol")


@pytest.fixture
def in_its_tokens(smol, capsys):
    """The same, and our text prepared with its tokenizer."""
    assert main(["prepare", "mine.txt", "--tokenizer", "public/smol"]) == 0
    return smol


def of_family(family, **sizes):
    """The same, with a tokenizer as a family of public models has it."""
    folder = write_family(family, Path("public") / "family")
    tokenizer = read_tokenizer(folder)
    torch.manual_seed(0)
    model = llama(LlamaConfig(**SIZES | {"vocab_size": max(tokenizer.vocab) + 1} | sizes))
    save_pretrained(noisy(model), tokenizer, folder)
    return folder


# -- load, and --model ------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_load_reads_a_public_folder_as_load_pretrained_does_and_tells_with_a_cache(name, here):
    folder = public(name)
    teller, (model, tokenizer) = load(folder, device="cpu"), load_pretrained(folder)
    tokens = torch.tensor([[5, 6, 7, 290]])
    assert torch.equal(teller.model(tokens), model(tokens)) and teller.model.config == model.config
    assert isinstance(teller.tokenizer, PublicTokenizer) and teller.make_cache.slides
    assert tokenizer_fingerprint(teller.tokenizer) == tokenizer_fingerprint(tokenizer)
    assert load(str(folder)).tell("Once", seed=1, max_new_tokens=9).startswith("Once")


def test_a_public_model_beyond_memory_is_refused_before_its_weights_are_read(smol, monkeypatch, capsys):
    monkeypatch.setattr(devices, "memory", lambda: 1e4)
    monkeypatch.setattr("companion.pretrained.load_pretrained", None)
    fails(capsys, ["info", "--model", smol], 2, "vocab_size=307", "make it smaller")


def test_generate_and_info_take_a_public_folder(smol, capsys):
    generate = ["generate", "--model", smol, "--prompt", "A moth", "--seed", 3, "--max-new-tokens", 7]
    out = said(capsys, generate)
    assert out == load(smol).tell("A moth", seed=3, max_new_tokens=7) + "\n"
    out = said(capsys, ["info", "--checkpoint", smol])
    assert (cell(out, "model"), cell(out, "architecture")) == ("public/smol", "llama")
    assert (cell(out, "name"), cell(out, "tokens in the vocabulary")) == ("public/smol", "300")
    assert cell(out, "vocab_size") == "307"


def test_generate_draws_as_the_models_generation_config_says_unless_told_otherwise(smol, capsys):
    settings = smol / "generation_config.json"
    generate = ["generate", "--model", smol, "--prompt", "A moth", "--seed", 3, "--max-new-tokens", 9]
    teller = load(smol)

    def tell(**options):
        return cleaned(teller.tell("A moth", seed=3, max_new_tokens=9, **options))

    settings.write_text('{"do_sample": false}')
    assert said(capsys, generate) == tell(temperature=0) + "\n"
    assert said(capsys, [*generate, "--temperature", 1.5]) == tell(temperature=1.5) + "\n"
    settings.write_text('{"do_sample": true, "temperature": 1.5, "top_k": 9, "repetition_penalty": 1.3}')
    assert said(capsys, generate) == tell(temperature=1.5, top_k=9, repetition_penalty=1.3) + "\n"
    text = tell(temperature=1.5, top_k=4, repetition_penalty=1.3)
    assert said(capsys, [*generate, "--top-k", 4]) == text + "\n"
    settings.write_text('{"eos_token_id": "end"}')
    fails(capsys, generate, 2, "generation_config.json: eos_token_id='end' must be a whole number")


def test_chat_draws_as_the_models_generation_config_says_unless_told_otherwise(here, capsys):
    folder = of_family("Qwen", context_length=99)
    (folder / "generation_config.json").write_text('{"do_sample": true, "temperature": 1.5, "top_k": 9}')
    teller, asked = load(folder), "Who has it?"
    chat = ["chat", "--model", folder, "--say", asked, "--seed", 3, "--max-new-tokens", 9]
    for more, options in (([], {"temperature": 1.5, "top_k": 9}), (["--temperature", 0], {"temperature": 0})):
        answer = Chat(teller.model, teller.tokenizer).ask(asked, max_new_tokens=9, seed=3, **options)
        assert said(capsys, [*chat, *more]) == f"{answer or '(no answer)'}\n"


@pytest.mark.gate
def test_tokenizers_that_begin_and_end_texts_in_other_ways_are_read_too(here, capsys):
    folder = of_family("Llama 3")
    printed = said(capsys, ["generate", "--model", folder, "--prompt", "Mara", "--max-new-tokens", 5])
    assert printed.startswith("Mara")
    said(capsys, ["prepare", "mine.txt", "--tokenizer", folder])
    said(capsys, ["train", "--init", folder, *MINE, *FEW])
    assert "bits per byte" in said(capsys, ["eval", "--model", "runs/mine", *MINE])
    said(capsys, ["generate", "--model", "runs/mine", "--max-new-tokens", 5])
    out = said(capsys, ["demo", "tokenization", "Mara", "--model", folder])
    begin = read_tokenizer(folder).begin
    assert out.count("the model reads") == len(begin) and "back to text: Mara" in out
    assert "Mara …" in said(capsys, ["demo", "gpt", "Mara", "--model", folder])


def test_what_no_model_is_found_under_is_one_line(here, capsys):
    (here / "half").mkdir()
    (here / "half/config.json").write_text('{"model_type": "gpt2"}')
    (here / "strange").mkdir()
    (here / "strange/config.json").write_text('{"model_type": "t5"}')
    (here / "strange/model.safetensors").write_bytes(b"")
    for command in (["generate"], ["eval"], ["info"], ["demo", "gpt"]):
        fails(capsys, [*command, "--model", "nowhere"], 2, "checkpoint nowhere is not there")
        fails(capsys, [*command, "--model", "half"], 2, "model='half'", "weights as model.safetensors")
        fails(capsys, [*command, "--model", "strange"], 2, "model_type='t5' is not known")
    fails(capsys, ["generate", "--model", "gpt2"], 1, "openai-community/gpt2", "could not be fetched")
    for command in (["generate"], ["chat", "--say", "Hello"]):
        fails(capsys, [*command, "--revision", "main"], 2, "revision='main' is for models of the hub")
    fails(capsys, ["train", "--init", "gpt2"], 1, "openai-community/gpt2")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(here, monkeypatch):
    """A model in the hub's cache, as huggingface_hub keeps it, and no network."""
    from huggingface_hub import constants

    place = here / "cache" / "models--someone--smol"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    (place / "snapshots").mkdir()
    public("smol").rename(place / "snapshots" / COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(here / "cache"))


@pytest.mark.gate
def test_a_model_of_the_hub_is_read_by_its_name_in_every_command(cached, capsys):
    name = "someone/smol"
    texts = [load(name, revision=which).tell("Once", seed=1, max_new_tokens=5) for which in (None, "main")]
    assert texts[0] == texts[1]
    out = said(capsys, ["info", "--model", name])
    assert cell(out, "model") == "someone/smol" and cell(out, "commit") == COMMIT
    fails(capsys, ["info", "--model", name, "--revision", "v9"], 1, "someone/smol", "v9")
    assert said(capsys, ["generate", "--model", name, "--prompt", "Once", "--seed", 1])[:4] == "Once"
    out = said(capsys, ["prepare", "mine.txt", "--tokenizer", name])
    assert "companion train --init someone/smol" in out
    assert "bits per byte" in said(capsys, ["eval", "--model", name, *MINE])
    assert "from the weights of someone/smol" in said(capsys, ["train", "--init", name, *MINE, *FEW])
    assert settings("runs/mine")[1]["init"] == {"name": name, "commit": COMMIT}
    assert 'init = "someone/smol"' in Path("runs/mine/config.toml").read_text(encoding="utf-8")
    said(capsys, ["train", "--config", "runs/mine/config.toml", "--checkpoint", "again"])
    assert said(capsys, ["export", "hf", "--model", name, "--output", "out"])


# -- eval ------------------------------------------------------------------


@pytest.mark.gate
def test_the_village_is_measured_in_bits_per_byte_with_any_tokenizer(smol, capsys, monkeypatch):
    stories = load_split("val")[:9]
    monkeypatch.setattr(village, "load_split", lambda split: stories)
    out = said(capsys, ["eval", "--model", smol])
    encoded = companion.datasets.encode_documents(stories, load(smol).tokenizer)
    loss = companion.training.evaluate(load(smol).model, encoded, 41)
    assert cell(out, "bits per byte") == f"{loss.bits_per_byte:.4f}" and cell(out, "floor") == "0.1895"
    assert "grammar" not in out and "None of the" not in out  # it was never told to tell such stories
    assert "gap left" not in out and "it has not learned such stories" in out
    assert len(said(capsys, ["eval", "--model", smol, "--stories", 1, "--seed", 3]).splitlines()) > 2


def test_data_of_another_tokenizer_are_refused(smol, prepared, capsys):
    fails(capsys, ["eval", "--model", smol, *MINE], 2, "another tokenizer", "public/smol")


def test_long_rows_and_large_vocabularies_are_measured_in_pieces(in_its_tokens, capsys, monkeypatch):
    measure, rows, forward = ["eval", "--model", in_its_tokens, *MINE], [], GPT.forward

    def counted(self, x, *more):
        rows.append(len(x))
        return forward(self, x, *more)

    printed = said(capsys, measure)
    monkeypatch.setattr(GPT, "forward", counted)
    monkeypatch.setattr(validation, "MAX_SCORES", 2 * 41 * 307)
    numbers, in_pieces = (re.findall(r"\d+\.\d+", out) for out in (printed, said(capsys, measure)))
    assert [*map(float, in_pieces)] == pytest.approx([*map(float, numbers)], rel=1e-4)
    assert len(numbers) > 2 and set(rows) <= {1, 2}
    monkeypatch.setattr(validation, "MAX_ROW", 10)
    assert said(capsys, measure) != printed


# -- prepare ------------------------------------------------------------------


def test_a_text_is_prepared_with_the_tokenizer_of_a_model(smol, capsys):
    out = said(capsys, ["prepare", "mine.txt", "--tokenizer", smol])
    assert "companion train --init public/smol --data runs/data/mine" in out
    corpus = companion.datasets.load_prepared("runs/data/mine")
    assert isinstance(corpus.tokenizer, PublicTokenizer)
    assert model_names.same_tokenizer(corpus.tokenizer, TOKENIZER)
    text = Path("mine.txt").read_text(encoding="utf-8")
    assert corpus.tokenizer.decode(corpus.train.tokens[1:60]) in text

    said(capsys, ["prepare", "mine.txt", "--tokenizer", VILLAGE, "--data", "ours"])  # also of ours
    ours = companion.datasets.load_prepared("ours").tokenizer
    assert tokenizer_fingerprint(ours) == tokenizer_fingerprint(load(VILLAGE).tokenizer)
    out = said(capsys, ["prepare", "mine.txt", "--tokenizer", "ours", "--data", "again"])  # of other data
    assert "--init" not in out and "--preset text" in out


NO_TOKENIZERS = [
    ("bep", "--tokenizer=bep is none of bpe, char, word, gpt2, no folder"),
    ("hollow", "tokenizer.json"),
    ("endless", "endless: "),
]


@pytest.mark.parametrize("tokenizer, words", NO_TOKENIZERS)
def test_what_has_no_tokenizer_is_one_line_before_the_work(tokenizer, words, smol, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.prepare.prepare", None)
    Path("hollow").mkdir()
    without_end = BPETokenizer.train("to be or not to be, to be", 260, special_tokens=("<end>",))
    write_tokenizer(without_end, "endless")
    fails(capsys, ["prepare", "mine.txt", "--tokenizer", *tokenizer.split()], 2, words)


# -- train --init ------------------------------------------------------------------


def settings(folder):
    saved = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    return saved["config"], saved["provenance"]


@pytest.mark.gate
@pytest.mark.parametrize("name", ["gpt2", "pythia"])
def test_a_run_goes_on_from_a_public_model_and_is_a_checkpoint_as_any_other(name, here, capsys):
    folder = public(name)
    said(capsys, ["prepare", "mine.txt", "--tokenizer", folder])
    before = said(capsys, ["eval", "--model", folder, *MINE])
    argv = ["train", "--init", folder, *MINE, "--context-length", 17, "--lr", 0.01, *FEW]
    begins = f"Training continues from the weights of public/{name}, in rows of at most 17 tokens."
    assert begins in said(capsys, argv)
    config, about = settings("runs/mine")
    assert config["context_length"] == 41 and config["vocab_size"] == 307 and config["dropout"] == 0
    assert about["init"] == {"name": f"public/{name}"} and about["train"]["context_length"] == 17
    assert config["architecture"] in BUILDERS
    after = said(capsys, ["eval", "--model", "runs/mine", *MINE])
    bits = [float(cell(out, "bits per byte")) for out in (before, after)]
    assert bits[1] < bits[0]
    assert cell(said(capsys, ["info", "--model", "runs/mine"]), "init.name") == f"public/{name}"
    assert said(capsys, ["generate", "--model", "runs/mine", "--prompt", "A moth"])[:6] == "A moth"

    said(capsys, ["train", "--config", "runs/mine/config.toml", "--checkpoint", "again"])
    weights = [(Path(run) / "model.safetensors").read_bytes() for run in ("runs/mine", "again")]
    assert weights[0] == weights[1]
    said(capsys, ["train", *MINE, "--resume", "--steps", "5"])
    config, about = settings("runs/mine")
    assert about["steps"] == 5 and about["init"] == {"name": f"public/{name}"}
    assert config["context_length"] == 41 and about["train"]["context_length"] == 17


def test_it_begins_with_the_weights_that_were_there(in_its_tokens, monkeypatch):
    found = []
    monkeypatch.setattr("companion.cli.train.train", lambda model, *rest, **more: found.append(model) or [])
    monkeypatch.setattr("companion.cli.train.report", lambda *given: None)
    monkeypatch.setattr(train, "write_run_settings", lambda plan: None)
    assert main(["train", "--init", str(in_its_tokens), *MINE, *FEW]) == 0
    wanted = load_pretrained(in_its_tokens)[0].state_dict()
    assert all(torch.equal(p, wanted[name]) for name, p in found[0].state_dict().items())
    assert all(p.requires_grad for p in found[0].parameters())


def test_the_defaults_are_those_for_going_on(in_its_tokens, monkeypatch):
    plan = planned(monkeypatch, ["--init", "public/smol", *MINE])
    train = plan.train
    assert (train.lr, train.min_lr, train.context_length, plan.clock.seconds) == (1e-4, 0, 41, 900)
    assert plan.optimizer == "adamw" and plan.start.config.context_length == 41
    assert 0 < train.warmup_steps < train.steps
    monkeypatch.setitem(SIZES, "context_length", 300)
    public("smol")
    plan = planned(monkeypatch, ["--init", "public/smol", *MINE])
    assert (plan.train.context_length, plan.start.config.context_length) == (256, 300)


def test_a_run_goes_on_from_weights_of_ours_too_also_on_the_village(here, monkeypatch):
    plan = planned(monkeypatch, ["--init", str(VILLAGE)])
    assert plan.start.config.architecture == "gpt2" and plan.start.config == load(VILLAGE).model.config
    assert plan.start.origin["name"] == VILLAGE.as_posix() and plan.start.origin["steps"] > 0


def test_a_run_goes_on_without_the_dropout_that_the_weights_were_trained_with(prepared, monkeypatch):
    """A short run on a new text needs none, and --dropout describes a new model."""
    tokenizer = Tokenizer.load("runs/data/mine/tokenizer.json")
    shape = {"context_length": 32, "n_layers": 1, "n_heads": 2, "d_model": 16}
    save_checkpoint("ours", gpt2(GPTConfig(tokenizer.vocab_size, **shape, dropout=0.2)), tokenizer)
    assert load("ours").model.config.dropout == 0.2
    assert planned(monkeypatch, ["--init", "ours", *MINE]).start.config.dropout == 0


BESIDE_INIT = [
    ("--n-layers 3", "--n-layers describes a new model"),
    ("--preset village", "--preset describes a new model"),
    ("--resume", "--resume goes on with a run, and --init begins one"),
    ("--context-length 42", "context_length=42 is above the model's 41"),
    ("--optimizer muon", "--optimizer=muon needs --lr: --init=public/smol has one for adamw"),
    ("--config shape.toml", "--d-model describes a new model"),
    ("--data village", "prepare the text again with --tokenizer public/smol --overwrite"),
]


@pytest.mark.parametrize("more, words", BESIDE_INIT)
def test_what_the_model_decides_is_refused_beside_it(more, words, in_its_tokens, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.train.learn", None)
    Path("shape.toml").write_text("[model]\nd_model = 24\n")
    if more == "--data village":
        tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
        companion.datasets.prepare(load_split("val"), tokenizer, "village", source="village")
    argv = ["train", *MINE, "--checkpoint", "new", "--init", "public/smol", *more.split()]
    fails(capsys, argv, 2, words)
    assert not Path("new").exists()


def test_data_in_other_tokens_are_refused_with_the_option_that_helps(smol, prepared, capsys, monkeypatch):
    argv = ["train", *MINE, "--init", "public/smol", *FEW]
    fails(capsys, argv, 2, "--data=runs/data/mine was prepared with another tokenizer", "--overwrite")
    again = ["--data", "runs/data/mine", "--tokenizer", "public/smol", "--overwrite"]
    assert main(["prepare", "mine.txt", *again]) == 0
    assert planned(monkeypatch, argv[1:]).train.steps == 3


@pytest.mark.gate
def test_gpt2_s_tokenizer_is_the_same_from_tiktoken_and_from_a_folder(here):
    try:
        ours = BPETokenizer.gpt2()
    except ConnectionError as error:
        pytest.skip(str(error))
    write_tokenizer(ours, "theirs")
    theirs = model_names.tokenizer_of("theirs")
    assert isinstance(theirs, PublicTokenizer) and model_names.same_tokenizer(ours, theirs)
    other = BPETokenizer(ours.merges, byte_order=ours.byte_order, pattern=r"\S+|\s+")  # cuts in other places
    assert not model_names.same_tokenizer(other, theirs) and not model_names.same_tokenizer(TOKENIZER, theirs)


@pytest.mark.gate
def test_a_resumed_run_keeps_its_rows_and_its_model(in_its_tokens, capsys):
    said(capsys, ["train", "--init", "public/smol", *MINE, "--context-length", 17, *FEW])
    resume, words = ["train", *MINE, "--resume", "--steps", 5], "context_length=19 cannot resume"
    fails(capsys, [*resume, "--context-length", 19], 2, words, "there 17")
    fails(capsys, [*resume, "--n-layers", 2], 2, "--n-layers describes a new model")
    said(capsys, [*resume, "--context-length", 17, "--config", "runs/mine/config.toml"])
    repeat = ["train", "--config", "runs/mine/config.toml", "--checkpoint", "again"]
    fails(capsys, [*repeat, "--preset", "text"], 2, "--preset describes a new model")
    found = tomllib.loads(Path("runs/mine/config.toml").read_text(encoding="utf-8"))
    assert found["init"] == "public/smol" and "model" not in found and found["training"]["steps"] == 5


# -- a stranger's folder


def test_a_huge_text_is_not_printed_whole(smol, capsys):
    path = smol / "config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(config | {"model_type": "long " * 10_000}), "utf-8")
    assert main(["generate", "--model", str(smol)]) == 2
    assert len(capsys.readouterr().err) < 1100
