"""What is done to feature projects before a pivot and after it alike: feeding, swapping in place."""
