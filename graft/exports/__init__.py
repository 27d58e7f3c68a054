"""Registered models for other tools: a folder or repository of the Hugging Face hub, an ONNX file, GTO's git tags."""

from graft.exports.hub import Pushed, push
from graft.exports.onnx import Exported, export_onnx
from graft.exports.tags import tags_of

__all__ = ["Exported", "Pushed", "export_onnx", "push", "tags_of"]
