"""``zoo:emoji-turbo``: an SDXL-type pipeline for emoji scenes, distilled to four steps."""
