"""The checks of chapter 22, recurrent networks: one file an exercise."""
