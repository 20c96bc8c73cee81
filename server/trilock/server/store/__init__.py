"""The truth: tables of trilock's own database, and queries on them."""
