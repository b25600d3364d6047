"""The checks of chapter 24, Mixture of experts: one file an exercise."""
