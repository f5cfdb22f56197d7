"""Everything between a recorded call and machine code; README.md lists the rooms in flow order."""
