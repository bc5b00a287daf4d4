"""Peers of ViDiT-Q that are configurations of the same library."""
