"""The version of the contract."""

API_VERSION = 2
"""2: summariser and probes in place of summarise and probe; groups, targets, slices, validation, facts, trainings."""
