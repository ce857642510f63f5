"""The base of all tables of the configuration."""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, field_validator, model_validator

from willcall.setting_types.files import SecretFile
from willcall.setting_types.text import check_line

#: The end of the names of settings that name a file with a secret.
FILE_SUFFIX = "_file"


class ConfigTable(BaseModel):
    """Base of all tables: unknown keys and text of several lines are errors; errors do not show values.

    Each secret `x` may also be given as `x_file`, the path of a file. Secrets are the fields that contain a
    `pydantic.SecretStr`, and those that `repr` does not show.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    _lines = field_validator("*")(check_line)

    @classmethod
    def file_settings(cls) -> dict[str, str]:
        """Return the secrets that may be in files: names such as `api_key_file`, and the settings they stand for."""
        fields = cls.model_fields.items()
        secrets = [name for name, field in fields if not field.repr or SecretStr in kinds_of(field.annotation)]
        files = {f"{name}{FILE_SUFFIX}": name for name in secrets}
        return {name: setting for name, setting in files.items() if name not in cls.model_fields}

    @model_validator(mode="before")
    @classmethod
    def _find_files(cls, table: Any) -> Any:
        files = cls.file_settings().items() if isinstance(table, dict) else ()
        given = {key: name for key, name in files if key in table}
        if not given:
            return table
        left = {key: value for key, value in table.items() if key not in given}
        return left | {name: SecretFile(key, table[key], beside=name in table) for key, name in given.items()}

    @field_validator("*", mode="before")
    @classmethod
    def _read_files(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, SecretFile) or info.field_name is None:
            return value
        is_list = bool(kinds_of(cls.model_fields[info.field_name].annotation) & {list, tuple})
        return value.read_many() if is_list else value.read_one()


def kinds_of(annotation: Any) -> set[Any]:
    """Return the types that a setting's value may have; of a list, also those of its items."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kinds_of(arguments[0])
    if origin in {Union, UnionType}:
        return set().union(*map(kinds_of, arguments))
    if origin is Literal:
        return {type(value) for value in arguments}
    if origin in {list, tuple}:
        return {origin}.union(*map(kinds_of, arguments))
    return {origin or annotation}
