"""The checks of chapter 21, PyTorch: one file an exercise."""
