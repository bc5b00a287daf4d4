"""ViDiT-Q: quantization of diffusion transformers."""
