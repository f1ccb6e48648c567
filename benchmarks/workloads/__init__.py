"""The images that are pulled, generated from a seed or from the machine's files, and cached."""
