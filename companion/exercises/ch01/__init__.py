"""The checks of chapter 1, Tokenization: one file an exercise."""
