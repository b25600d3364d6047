"""The checks of chapter 17, LoRA: one file an exercise."""
