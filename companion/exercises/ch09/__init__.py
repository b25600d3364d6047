"""The checks of chapter 9, Caching: one file an exercise."""
