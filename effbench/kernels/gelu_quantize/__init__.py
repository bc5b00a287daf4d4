"""GELU and quantization of rows in one pass."""
