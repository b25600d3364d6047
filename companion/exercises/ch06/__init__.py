"""The checks of chapter 6, GPT: one file an exercise."""
