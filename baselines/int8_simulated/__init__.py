"""W8A8, imitated in float."""
