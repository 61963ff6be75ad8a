"""Files made elsewhere: what they are, and how every command comes to run them."""
