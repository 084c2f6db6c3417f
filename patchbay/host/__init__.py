"""The machine: the switch and the kernel, observed and changed. I/O without decisions; each file is one interface."""
