"""The checks of chapter 18, Rewards: one file an exercise."""
