"""The uncompressed system."""
