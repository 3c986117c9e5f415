"""An entry of the directory in the formats that people's tools read: JSON-LD, vCard, iCalendar, a handout.

Each module turns documents into one format. Pure: no database, no clock, nothing about a person.
"""
