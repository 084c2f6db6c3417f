"""Who users are: the identity file, passwords, tokens, and how often somebody may guess. No HTTP here."""
