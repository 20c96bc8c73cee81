"""One module per thing a user can ask for."""
