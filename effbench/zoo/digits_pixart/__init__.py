"""``zoo:digits-pixart``: a PixArt-Sigma pipeline that draws real handwritten digits at 32x32, small enough for a CPU."""
