"""The checks of chapter 8, Generation: one file an exercise."""
