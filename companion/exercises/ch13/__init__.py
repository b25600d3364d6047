"""The checks of chapter 13, Evaluation: one file an exercise."""
