"""The checks of chapter 10, Modern blocks: one file an exercise."""
