"""SVDQuant's W4A4 engine Nunchaku."""
