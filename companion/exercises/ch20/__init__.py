"""The checks of chapter 20, serving: one file an exercise."""
