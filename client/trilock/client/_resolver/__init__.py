"""What is live: told by the server, kept in memory and on disk, answered for."""
