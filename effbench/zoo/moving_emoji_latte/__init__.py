"""``zoo:moving-emoji-latte``: a Latte pipeline, text to video of 8 frames of 32x32 pixels."""
