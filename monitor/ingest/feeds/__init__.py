"""The labs' feeds."""
