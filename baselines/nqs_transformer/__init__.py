"""A transformer as a neural quantum state, in the manner of NNQS-Transformer (Wu et al., SC'23)."""
