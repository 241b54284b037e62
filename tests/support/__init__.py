"""What tests share and is no fixture: places, the command line, small data in known formats."""
