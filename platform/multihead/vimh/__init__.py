"""VIMH: folders of images and 8-bit parameters that describe themselves.

What needs torch is in `dataset` and `stream`; everything else reads, writes and checks files.
"""

from multihead.vimh.info import VIMHInfo as VIMHInfo
from multihead.vimh.info import read_info as read_info
from multihead.vimh.source import VIMHSource as VIMHSource
from multihead.vimh.source import vimh_source as vimh_source
from multihead.vimh.validate import Problem as Problem
from multihead.vimh.validate import validate as validate
from multihead.vimh.writer import VIMHWriter as VIMHWriter
