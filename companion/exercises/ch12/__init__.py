"""The checks of chapter 12, Scaling: one file an exercise."""
