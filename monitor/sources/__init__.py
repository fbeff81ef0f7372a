"""Where sightings come from: polls of the Hub, its webhook, and the labs' feeds."""
