"""First contact with somebody's cluster: what is there, what the law says of it, what would be done. Reads only."""
