"""Who asks: the strategies by which a request is known to be somebody's."""
