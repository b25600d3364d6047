"""The checks of chapter 23, encoders and decoders: one file an exercise."""
