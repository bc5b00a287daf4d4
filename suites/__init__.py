"""The suites that ship with EffBench, as package data."""
