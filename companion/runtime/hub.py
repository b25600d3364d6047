"""stub"""
from pathlib import Path
from safetensors import safe_open
def find_model(name, revision=None):
    return Path(name)
def weight_files(folder):
    path = Path(folder) / "model.safetensors"
    with safe_open(path, "pt") as f:
        return dict.fromkeys(f.keys(), path)
