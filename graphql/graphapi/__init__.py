"""The face of the exchange: schema, application, settings and command line."""
