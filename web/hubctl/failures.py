"""What a hub or the way to it did wrong, as a sentence and an exit code."""

from __future__ import annotations

from web.client import AnswerLostError, ClientError, HubUnreachableError, NotAHubError, ProblemError, StreamLostError
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import clean

_BY_STATUS = {
    400: Exit.USAGE,
    404: Exit.NOT_FOUND,
    405: Exit.USAGE,
    413: Exit.USAGE,
    415: Exit.USAGE,
    504: Exit.UNKNOWN,
}


def explain(error: BaseException) -> HubctlError | None:
    """The error for people; None when it is a fault of ours that deserves its traceback."""
    if isinstance(error, ProblemError):
        return HubctlError(_problem(error), code_of(error))
    if isinstance(error, HubUnreachableError):
        hint = "start one with hubd, or say where it is with --url or HEH_URL"
        return HubctlError(f"{clean(str(error))}; {hint}", Exit.UNREACHABLE)
    if isinstance(error, AnswerLostError | StreamLostError | NotAHubError):
        return HubctlError(clean(str(error)), Exit.UNREACHABLE)
    if isinstance(error, ClientError):
        return HubctlError(clean(str(error)), Exit.FAILED)
    return None


def code_of(error: ProblemError) -> Exit:
    """By the problem's type in the hub's own table, else, from a hub of another version, by its status."""
    from web.errors import TABLE, TYPE_PREFIX

    slug = error.problem.type.removeprefix(TYPE_PREFIX)
    for row in TABLE:
        if row.slug == slug:
            return Exit(row.exit_code)
    return _BY_STATUS.get(error.status, Exit.FAILED)


def _problem(error: ProblemError) -> str:
    sentence = clean(error.detail)
    if error.status == 401:
        return f"{sentence}; say another token with --token or HEH_TOKEN, or where the hub's data is with HEH_DATA_DIR"
    for wrong in error.problem.errors:
        if wrong.allowed and wrong.allowed not in sentence:
            sentence += f"; {clean(wrong.field)}: allowed: {clean(wrong.allowed)}"
    if error.problem.near and "did you mean" not in sentence:
        sentence += f"; did you mean {' or '.join(map(clean, error.problem.near))}?"
    return sentence
