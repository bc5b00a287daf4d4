"""Manifests of data sets, prompts and subsets, as package data."""
