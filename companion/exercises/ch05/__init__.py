"""The checks of chapter 5, Blocks: one file an exercise."""
