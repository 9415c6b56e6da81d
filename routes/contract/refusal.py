"""A refusal of a field, as pydantic wants it raised."""

from pydantic_core import PydanticCustomError


def refusal(message: str) -> PydanticCustomError:
    """What a validator raises; the field's name is put in front of `message`."""
    return PydanticCustomError("refused", "{message}", {"message": message})


def required() -> PydanticCustomError:
    """What a validator raises for a field that is not there, or empty."""
    return PydanticCustomError("missing", "is required")
