"""The checks of chapter 19, quantization: one file an exercise."""
