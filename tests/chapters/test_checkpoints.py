"""Checkpoints: whole, the same bytes, refused where damaged, kept through full disks and kills."""

import json
import shutil

import pytest
import torch
from support.runs import (
    config,
    contents,
    refuse,
    small_model,
)

from companion.gpt import GPTConfig, gpt2
from companion.runtime.storage.checkpoints import read_safetensors, write_safetensors
from companion.training import load_checkpoint, save_checkpoint, train

# ---------------------------------------- checkpoints


def test_a_checkpoint_gives_back_the_model(data, folder):
    assert sorted(contents(folder)) == ["config.json", "model.safetensors", "tokenizer.json"]
    model, tokenizer, provenance = load_checkpoint(str(folder))
    x = torch.randint(280, (2, 11), generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(x), small_model(data).eval()(x)) and not model.training
    assert model.config == small_model(data).config and provenance == {"seed": 3, "note": "naïve ✓"}
    assert tokenizer.encode("Mara found") == data.tokenizer.encode("Mara found")
    train(model, data, config(steps=2), folder)
    assert load_checkpoint(folder)[2]["train"]["steps"] == 2


def test_a_model_saved_again_gives_the_same_bytes(data, tmp_path):
    model = with_one_mlp(small_model(data))
    for n in range(3):
        save_checkpoint(tmp_path / str(n), model, data.tokenizer)
        assert contents(tmp_path / str(n)) == contents(tmp_path / "0")


def with_one_mlp(model):
    model.blocks[-1].mlp = model.blocks[0].mlp
    return model


@pytest.mark.gate
def test_parts_that_share_their_weights_are_loaded_by_a_builder_that_shares_them(data, tmp_path):
    model = with_one_mlp(small_model(data)).eval()
    save_checkpoint(tmp_path / "model", model, data.tokenizer)
    refuse(tmp_path / "model", r"blocks.1.mlp.\S+ is none there")
    builders = {"gpt2": (GPTConfig, lambda config: with_one_mlp(gpt2(config)))}
    again, *_ = load_checkpoint(tmp_path / "model", builders)
    x = torch.randint(280, (2, 11), generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(x), model(x)) and not again.training
    assert again.blocks[0].mlp.up_proj.weight is again.blocks[1].mlp.up_proj.weight


@pytest.mark.gate
def test_a_file_of_before_that_lists_shared_weights_is_still_read(data, tmp_path):
    model = with_one_mlp(small_model(data)).eval()
    save_checkpoint(tmp_path, model, data.tokenizer)
    tensors, notes = read_safetensors(tmp_path / "model.safetensors")
    first = [name for name in tensors if name.startswith("blocks.0.mlp.")]
    shared = {name.replace("blocks.0", f"blocks.{len(model.blocks) - 1}"): name for name in first}
    write_safetensors(tmp_path / "model.safetensors", tensors, notes | {"shared": json.dumps(shared)})
    x = torch.randint(280, (2, 11), generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_checkpoint(tmp_path)[0](x), model(x))


def test_what_is_missing_is_named(folder, tmp_path):
    refuse(tmp_path / "nowhere", "nowhere is not there, nor its config.json; check the path")
    refuse(folder / "model.safetensors", "is a file; give the folder that it lies in")
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / name).unlink()
        refuse(tmp_path / name, f"has no {name}")


def test_a_damaged_file_is_named(folder):
    saved = contents(folder)
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        for length in (0, 8, len(saved[name]) // 2):
            (folder / name).write_bytes(saved[name][:length])
            refuse(folder, name)
        (folder / name).write_bytes(saved[name])
    for text in ("[]", "{}", '{"config": {}}', '{"config": {"architecture": "gpt2", "wings": 2}}'):
        (folder / "config.json").write_text(text)
        refuse(folder, "config.json")


def test_weights_of_another_model_are_an_error(data, folder, tmp_path):
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    saved["config"]["n_heads"] = 5  # the same shapes, another model
    (folder / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    refuse(folder, "belongs to another config.json or tokenizer.json")


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_pickles_are_never_opened(data, folder, tmp_path):
    bomb = tmp_path / "exploded"
    torch.save({"weights": Bomb(bomb)}, folder / "state.safetensors")
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        train(small_model(data), data, config(), folder, resume=True)
    torch.save({"weights": Bomb(bomb)}, folder / "model.safetensors")
    refuse(folder, "is no whole safetensors file")
    (folder / "model.safetensors").unlink()
    torch.save({"weights": Bomb(bomb)}, folder / "model.pt")
    refuse(folder, "model.pt is not opened: unpickling runs the code in a file; use safetensors")
    assert not bomb.exists()
