"""Text-to-video: a prompt becomes a short video through a diffusers pipeline."""
