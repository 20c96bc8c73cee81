"""One module per step, named verb_object."""
