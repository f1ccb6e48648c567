"""What is measured, section by section; each adds what it found to the document."""
