"""The checks of chapter 4, Attention: one file an exercise."""
