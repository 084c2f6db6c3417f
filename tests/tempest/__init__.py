"""The unmodified tempest against ``patchbay serve``: what ``scripts/tempest`` runs inside private namespaces."""
