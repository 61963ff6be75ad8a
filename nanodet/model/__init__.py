"""What the network is and what it is taught."""
