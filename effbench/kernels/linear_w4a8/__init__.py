"""Linear layer with packed 4-bit weights and 8-bit activations."""
