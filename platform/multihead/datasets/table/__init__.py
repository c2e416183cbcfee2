"""Pictures and labels as people have them: a table, or a folder, becomes a Source.

`files` reads a table as text, `finding` knows the layouts of folders, `inference` says what each
column is, `heads` makes heads and labels of it, `source` puts all of it together.
"""
