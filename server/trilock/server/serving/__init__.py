"""What is live, from memory: snapshot and watch hub."""
