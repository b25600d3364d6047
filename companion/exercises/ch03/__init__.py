"""The checks of chapter 3, Embeddings: one file an exercise."""
