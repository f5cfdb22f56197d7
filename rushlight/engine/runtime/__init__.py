"""Storage (aliasing, versions), random numbers, the object cache: what exists while programs
run."""
