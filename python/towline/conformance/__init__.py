"""A suite that judges any implementation by recorded vectors; it imports nothing of what it judges.

`command` is the door, `runner` the work, `driver` the one room that knows towline: it runs as a
process of its own and speaks the protocol of ``spec/driver.md`` like any other driver.
"""
