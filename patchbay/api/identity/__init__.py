"""A small Keystone: the part of the Identity API v3 that clients need to log in, from the identity file."""
