"""A plugin's parameters, and the exceptions by which it explains itself."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator


class StrictParams(BaseModel):
    """Base of a plugin's parameters (``class Params(StrictParams)`` inside it): frozen, finite, unknown keys refused.

    A number is neither ``true`` nor text with leading zeros, which one reader of YAML takes as octal and another not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _numbers_are_meant(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        from effbench.disguised import refuse_disguised_numbers

        params = handler(given)
        refuse_disguised_numbers(given, params)
        return params


class PluginError(Exception):
    """Bad input that a plugin can explain in one sentence (a missing file, an unusable value); shown without traceback."""


class Unsupported(PluginError):
    """The method cannot work on this system or device (no kernel, no such layer); the cell says ``unsupported``."""
