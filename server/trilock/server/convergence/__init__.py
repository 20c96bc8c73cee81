"""After the pivot: planes are driven to the live row until they are equal."""
