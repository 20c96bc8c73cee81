"""Ask trilock which bundle to serve."""
