"""How trilock is called: one channel, its credentials, every service, typed errors."""
