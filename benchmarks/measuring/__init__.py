"""Running one command once, and several in turn."""
