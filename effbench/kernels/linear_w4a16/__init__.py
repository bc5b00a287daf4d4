"""Linear layer with packed 4-bit weights and activations as they are."""
