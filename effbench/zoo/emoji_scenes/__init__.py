"""The world of the emoji models: real Noto emoji on plain grounds, the closed language that describes them, its splits."""
