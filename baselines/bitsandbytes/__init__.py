"""bitsandbytes' int8 and 4-bit linear layers."""
