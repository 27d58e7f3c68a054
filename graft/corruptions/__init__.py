"""What may befall an input between the test set and the world: one file for each kind of input."""

from graft.corruptions.corruption import SEVERITIES, Corruption, Family
from graft.corruptions.images import IMAGES
from graft.corruptions.inputs import Inputs, corrupt, open_inputs
from graft.corruptions.sounds import SOUNDS
from graft.corruptions.texts import TEXTS

FAMILIES: dict[str, Family] = {"image": IMAGES, "text": TEXTS, "audio": SOUNDS}

__all__ = ["FAMILIES", "SEVERITIES", "Corruption", "Family", "Inputs", "corrupt", "open_inputs"]
