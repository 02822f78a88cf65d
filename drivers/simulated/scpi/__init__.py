"""A SCPI engine: IEEE 488.2 message exchange, command trees, parameters, errors."""

from drivers.simulated.device import Later
from drivers.simulated.scpi.commands import Setting, command, query
from drivers.simulated.scpi.device import ScpiDevice
from drivers.simulated.scpi.errors import ScpiError
from drivers.simulated.scpi.numbers import Boolean, Number
from drivers.simulated.scpi.parameters import Block, Channels, Choice, Many, Parameter, Text
from drivers.simulated.scpi.replies import BlockReply, block, exponent, fixed, quoted

__all__ = [
    "Block",
    "BlockReply",
    "Boolean",
    "Channels",
    "Choice",
    "Later",
    "Many",
    "Number",
    "Parameter",
    "ScpiDevice",
    "ScpiError",
    "Setting",
    "Text",
    "block",
    "command",
    "exponent",
    "fixed",
    "query",
    "quoted",
]
