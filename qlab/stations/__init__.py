"""Station files that come with the program."""
