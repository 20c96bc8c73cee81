"""What is loaded: the live bundle's model and features, proven, with its standby."""
