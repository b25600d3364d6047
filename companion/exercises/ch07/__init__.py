"""The checks of chapter 7, Training: one file an exercise."""
