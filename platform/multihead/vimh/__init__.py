"""VIMH: folders with images, 8-bit parameters as labels, and metadata.

`dataset` and `stream` need torch. The other modules read, write and check files without it.
"""

from multihead.vimh.info import VIMHInfo as VIMHInfo
from multihead.vimh.info import read_info as read_info
from multihead.vimh.source import VIMHSource as VIMHSource
from multihead.vimh.source import vimh_source as vimh_source
from multihead.vimh.validate import Problem as Problem
from multihead.vimh.validate import validate as validate
from multihead.vimh.writer import VIMHWriter as VIMHWriter
