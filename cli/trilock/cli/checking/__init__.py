"""A change of a feature repository, judged here: by whom, how heavily, and where it stands."""
