"""All groups that are measured."""

from .bodies import BODIES
from .limiting import LIMITING
from .origin_kinds import ORIGIN_KINDS
from .raising import RAISING

GROUPS = (ORIGIN_KINDS, RAISING, BODIES, LIMITING)
