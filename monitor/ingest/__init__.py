"""From the Hub and the labs' feeds to observations."""
