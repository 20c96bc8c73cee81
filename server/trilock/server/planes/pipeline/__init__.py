"""git and DVC: what a commit recorded, and whether it can still be had."""
