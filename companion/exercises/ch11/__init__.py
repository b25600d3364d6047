"""The checks of chapter 11, Public weights: one file an exercise."""
