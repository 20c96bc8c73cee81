"""What is done to feature projects before a pivot and after it alike: fed, and swapped."""
