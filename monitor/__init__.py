"""Hub Release Monitor: sees open-weight model releases, says what they are, and tells you."""

__version__ = "0.2.0"
