"""The intent database: its schema, its server, and its content as model values with a change feed."""
