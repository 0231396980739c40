"""The stack on one machine: real servers from packages, without Docker and without root."""
