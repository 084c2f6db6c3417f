"""The metadata service of a host: what an instance finds at http://169.254.169.254/, as EC2 and OpenStack serve it.

One process with a listener in each namespace that needs one. Who asks is known only by the namespace that the
connection came in through and by its source address; nothing that the request says changes it.

``guest`` says what is known of the one who asks; ``ec2``, ``openstack`` and ``network_data`` make documents of that, in
the ``tree`` that a path is looked up in: pure, all of them. ``lookup`` asks the intent database, ``answers`` remembers
for a moment, ``http`` speaks with the instances, ``limits`` holds each of them to its share, ``listeners`` keeps the
sockets, ``server`` runs all of it and ``background`` makes it a daemon.
"""
