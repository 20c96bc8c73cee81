"""One module per gate, named for what holds when it is content."""
