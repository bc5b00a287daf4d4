"""Fewer sampling steps."""
