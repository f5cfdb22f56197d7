"""Random programs, run on several implementations and compared instruction by instruction."""
