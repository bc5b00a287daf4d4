"""``zoo:emoji-pixart``: a PixArt-Sigma pipeline that draws scenes of real emoji at 64x64, trained on two CPU cores."""
