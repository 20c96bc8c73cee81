"""One module per rule, named after its id; `catalog.py` is the list."""
