"""DiTFastAttn: windows, sharing across steps and sharing across guidance in the attention of diffusion transformers."""
