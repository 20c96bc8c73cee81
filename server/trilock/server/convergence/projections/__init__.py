"""One module per plane that follows the live row after the pivot."""
