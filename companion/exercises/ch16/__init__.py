"""The checks of chapter 16, Instructions: one file an exercise."""
