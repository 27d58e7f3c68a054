"""One file per problem; this literal is their registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.problems.audio_classification import AudioClassification
from graft.problems.contrastive_images import ContrastiveImages
from graft.problems.face_verification import FaceVerification
from graft.problems.image_classification import ImageClassification
from graft.problems.masked_image_modelling import MaskedImageModelling
from graft.problems.masked_language_modelling import MaskedLanguageModelling
from graft.problems.multi_label_image_classification import MultiLabelImageClassification
from graft.problems.object_detection import ObjectDetection
from graft.problems.problem import Problem
from graft.problems.question_answering import QuestionAnswering
from graft.problems.semantic_segmentation import SemanticSegmentation
from graft.problems.speech_recognition import SpeechRecognition
from graft.problems.speech_to_text import SpeechToText
from graft.problems.text_classification import TextClassification
from graft.problems.text_generation import TextGeneration

if TYPE_CHECKING:
    from graft.catalog import Target

PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        ImageClassification(),
        MultiLabelImageClassification(),
        SemanticSegmentation(),
        ObjectDetection(),
        FaceVerification(),
        TextClassification(),
        AudioClassification(),
        QuestionAnswering(),
        SpeechRecognition(),
        SpeechToText(),
        MaskedLanguageModelling(),
        TextGeneration(),
        MaskedImageModelling(),
        ContrastiveImages(),
    )
}


def problem_of(target: Target) -> Problem:
    """Return what a target predicts, with the headline metric that it chooses."""
    return PROBLEMS[target.problem].graded_by(target.study.metric)


__all__ = ["PROBLEMS", "Problem", "problem_of"]
