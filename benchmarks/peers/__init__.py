"""What is measured beside towline, and the commands of each."""
