"""Virtual hosts on one machine: topology files, the underlay between hosts, and the proof of who reaches whom."""
