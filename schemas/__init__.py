"""The language: every message that travels on the log, and the only door to its bytes."""
