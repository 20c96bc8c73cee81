"""Which order of steps is safe. Pure."""
