"""A stand-in for Anthropic on loopback. It connects to no other machine and imports nothing of `app`."""
