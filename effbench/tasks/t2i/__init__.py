"""Text-to-image: a prompt becomes an image through a diffusers pipeline."""
