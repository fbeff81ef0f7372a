"""Stand-ins for the services that the project talks to: real sockets, no patching."""
