"""All lines of growth that are measured."""

from .origin_lines import ORIGIN_LINES
from .rule_lines import RULE_LINES
from .split_lines import SPLIT_LINES

LINES = RULE_LINES + SPLIT_LINES + ORIGIN_LINES
