"""`dvc`, told that the run cache is here: on its own it fetches all of it before every stage, file after file."""

import sys

from dvc.cli import main
from dvc.stage.cache import StageCache

if __name__ == "__main__":
    StageCache.pull = lambda self, remote, odb=None: []
    sys.exit(main(sys.argv[1:]))
