"""``zoo:emoji-pixart-outliers``: ``zoo:emoji-pixart`` with planted channel outliers and the same float32 output."""
