"""Quantization of rows at run time, each with its own scale."""
