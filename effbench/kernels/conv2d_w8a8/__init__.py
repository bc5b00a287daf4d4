"""Convolution with 8-bit weights and 8-bit activations of one static range."""
