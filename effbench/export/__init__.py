"""Results handed to other tools in their own form."""
