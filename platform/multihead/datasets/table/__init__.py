"""Turn a table or a folder of pictures and labels into a Source.

`files` reads a table as text, and `folders` knows the layouts of folders. `inference` decides what
each column is, `heads` makes heads and labels, and `source` joins these steps.
"""
