"""Results that somebody sends in: a folder with records and raw parts, which a stranger checks level by level."""
