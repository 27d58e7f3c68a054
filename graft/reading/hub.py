"""Datasets of the Hugging Face hub, fetched once into a local folder."""

import logging
from pathlib import Path

from graft.errors import DataError, HubUnavailable
from graft.manifest import whole_folder


def fetch_hub(id: str, folder: Path) -> Path:
    """Store every split of a hub dataset as `folder/SPLIT.parquet` with its label names, and return the folder.

    No code of the repository is run. Raises HubUnavailable without a network, DataError for an id that is not there.
    """
    import datasets
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.utils import logging as hub_logging

    hub_logging.set_verbosity(logging.ERROR)  # it warns of each of its tries; what came of them is said below
    advice = "Fetch it on a machine with a network and copy the folder, or give a local path."
    try:
        splits = datasets.load_dataset(id)
    except DatasetNotFoundError as error:
        raise DataError(f"{id}: no such public dataset on the hub ({error})", advice="Check the id.") from None
    except OSError as error:  # every failure of the network, and offline mode, is one
        reason = " ".join(str(error).split())
        raise HubUnavailable(f"{id}: the hub cannot be reached ({reason})", advice=advice) from None
    except ValueError as error:
        raise DataError(f"{id}: not a dataset with one configuration ({error})", advice=advice) from None
    with whole_folder(folder, hub=id) as partial:
        for name, split in splits.items():
            split.to_parquet(str(partial / f"{name}.parquet"))
    return folder
