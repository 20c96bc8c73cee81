"""What is printed: to which stream, in which words, in which format."""
