"""The checks of chapter 15, Classification: one file an exercise."""
