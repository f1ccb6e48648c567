"""What is pulled: images from a seed and from the machine's own files, made once."""
