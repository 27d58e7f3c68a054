import pytest

from flows.team.secrets import Secrets
from graft.errors import BadInput


def test_secrets_are_drawn_once_and_only_their_owner_reads_them(tmp_path):
    first = Secrets.load(tmp_path / "team" / "secrets.json")
    assert Secrets.load(tmp_path / "team" / "secrets.json") == first
    assert (tmp_path / "team" / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert len({first.database, first.server, first.store_key, first.store_secret}) == 4


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(BadInput, match=r"(?s)secrets\.json.*Remove it"):
        Secrets.load(tmp_path / "secrets.json")
