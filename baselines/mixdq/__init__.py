"""MixDQ: mixed precision, start-token-aware and split quantizers for few-step diffusion U-Nets."""
