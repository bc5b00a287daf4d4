"""A board repository: submissions of many hands in a git repository, added by pull requests that a machine checks."""
