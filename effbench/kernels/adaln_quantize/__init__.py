"""LayerNorm, modulation and quantization of rows in one pass."""
