"""How a command runs: its session, its question, its wait, its end."""
