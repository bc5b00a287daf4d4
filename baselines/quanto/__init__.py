"""Hugging Face's optimum-quanto."""
