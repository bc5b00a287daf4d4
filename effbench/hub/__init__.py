"""Stores in dataset repositories of the Hugging Face hub, read as if they were folders here; nothing is written there."""
