"""Where datasets come from: files, Super-NaturalInstructions tasks, the hub; each becomes rows of one shape."""
