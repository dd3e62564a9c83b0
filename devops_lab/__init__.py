"""A hands-on course on DevOps foundations: the helper package that the lessons call.

Open the file with the name of what you are looking for: `devops_lab.servers` for servers,
`devops_lab.paths` for paths. Nothing is re-exported here, so the import line in a lesson says
which file to read.
"""

__version__ = "0.1.0"
