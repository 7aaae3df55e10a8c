"""What connects the estate: graphs of switches and links with state, capacity and use, and where data lies."""
