"""The commands of towline and of the tools that it is compared with."""
