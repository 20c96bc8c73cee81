"""Every plane in memory, for tests and rehearsals; held to the same contracts."""
