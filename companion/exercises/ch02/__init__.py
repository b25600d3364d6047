"""The checks of chapter 2, Datasets: one file an exercise."""
