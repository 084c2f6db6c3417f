"""How a host becomes one of Patchbay's: tokens, the authority that signs its certificates, and its removal."""
