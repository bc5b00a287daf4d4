"""No classifier-free guidance."""
