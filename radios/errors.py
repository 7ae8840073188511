"""What a radio raises.

RadioError               a radio cannot do what was asked
├── OptionError          its part of the configuration: names key, value and what is allowed
├── PipeError            the pipe cannot be opened
│   ├── PortInUseError   another program has it
│   └── PortForbiddenError   this user may not open it
├── RadioLostError       the radio is gone; its supervisor makes a new one
├── NoReplyError         it was sent and no answer came in time: whether it acted is unknown
├── DeliveryError        it was sent, and the radio reports that it was not delivered: names the status
│   └── NoLinkKeyError   it has to be encrypted, and no keys are established with the device
├── NotReachableError    it was not sent: the device is not known, not synchronised, or there is no key for it
└── NotSupportedError    the radio's capabilities do not include this
"""

from __future__ import annotations


class RadioError(Exception):
    """A radio cannot do what was asked; the text is one sentence for people."""


class OptionError(RadioError):
    """`key` of the radio's configuration is wrong. Never carries a secret's value."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key, self.problem = key, problem


class PipeError(RadioError):
    """The pipe cannot be opened."""


class PortInUseError(PipeError):
    """Another program has the port."""


class PortForbiddenError(PipeError):
    """This user may not open the port."""


class RadioLostError(RadioError):
    """The radio is gone. The connection object is finished; reconnecting makes a new one."""


class NoReplyError(RadioError):
    """It was sent and no answer came in time: whether the device acted is unknown."""


class DeliveryError(RadioError):
    """It was sent, and the radio reports that it was not delivered.

    `status` is the name of the layer's status (as `MAC_NO_ACK`), `code` its number. `is_silence`: it speaks of the far
    device, which may be gone; others speak of the radio itself, or of the frame, and say nothing of the device.
    """

    def __init__(self, detail: str, status: str, code: int, *, is_silence: bool = True) -> None:
        super().__init__(f"{detail}: {status} (0x{code:02X})")
        self.status, self.code, self.is_silence = status, code, is_silence


class NoLinkKeyError(DeliveryError):
    """It has to be encrypted, and no keys are established with the device yet: never a silence."""

    def __init__(self, detail: str, status: str, code: int) -> None:
        super().__init__(detail, status, code, is_silence=False)


class NotReachableError(RadioError):
    """It was not sent."""


class NotSupportedError(RadioError):
    """The radio's capabilities do not include this."""
