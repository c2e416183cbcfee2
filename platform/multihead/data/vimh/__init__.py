"""VIMH: folders of images and 8-bit parameters that describe themselves.

What needs torch is in `dataset` and `datamodule`; everything here reads, writes and checks files.
"""

from multihead.data.vimh.info import VIMHInfo as VIMHInfo
from multihead.data.vimh.info import read_info as read_info
from multihead.data.vimh.source import VIMHSource as VIMHSource
from multihead.data.vimh.source import vimh_source as vimh_source
from multihead.data.vimh.validate import Problem as Problem
from multihead.data.vimh.validate import validate as validate
from multihead.data.vimh.writer import VIMHWriter as VIMHWriter
