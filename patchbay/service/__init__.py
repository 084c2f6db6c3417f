"""What may be done: every rule of networks, subnets, ports, instances and hosts, and nothing about HTTP.

The API layers call the functions here with values (``specs``) and a ``RequestContext``; they get model values back
or an error of ``errors``. All state is in the intent database; a ``Service`` holds the connection to it and what makes
allocation quick.
"""
