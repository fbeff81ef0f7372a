"""A Hub on loopback and the recorded timeline it replays: the `demo` command, and what the tests talk to."""
