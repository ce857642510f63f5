"""Settings of an account at voordemensen."""

from typing import Annotated

from pydantic import AfterValidator

from willcall.providers.credentials import Credentials, ProviderUrl
from willcall.providers.path_segments import check_path_segment


class VoordemensenCredentials(Credentials):
    """Settings of voordemensen: only the client name in the path; the endpoints are public."""

    base_url: ProviderUrl = "https://api.voordemensen.nl/v1"
    client_name: Annotated[str, AfterValidator(check_path_segment)]
