"""What people type: names, options, windows of time, commits."""
