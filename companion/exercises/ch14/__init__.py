"""The checks of chapter 14, Inside: one file an exercise."""
