import subprocess
import sys

from graft.errors import HubUnavailable

SCRIPT = """
from pathlib import Path
from graft.errors import HubUnavailable
from graft.reading import fetch_hub
try:
    fetch_hub("owner/name", Path("fetched"))
except HubUnavailable as error:
    print(error)
    raise SystemExit(error.exit_code)
"""


def test_a_hub_id_without_a_network_says_so_and_leaves_nothing(tmp_path):
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "PATH": ""}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == HubUnavailable.exit_code, result.stderr
    assert "owner/name: the hub cannot be reached" in result.stdout
    assert not (tmp_path / "fetched").exists()


def test_reading_does_not_load_torch():
    code = "import sys; import graft.reading; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
