import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from graft.errors import Transient
from tasks.events import DATA_ARRIVED, post


def test_an_event_that_the_server_did_not_take_is_not_told():
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(Transient, match=r"did not take graft/data\.arrived: .*nothing was told"),
    ):
        post(DATA_ARRIVED, "digits")
