"""The system in bfloat16."""
