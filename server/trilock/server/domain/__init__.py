"""Values, state machines, errors and ports. Knows nothing else of trilock."""
