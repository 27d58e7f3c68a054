"""One file per problem; this literal is their registry."""

from graft.problems.audio_classification import AudioClassification
from graft.problems.face_verification import FaceVerification
from graft.problems.image_classification import ImageClassification
from graft.problems.masked_language_modelling import MaskedLanguageModelling
from graft.problems.problem import Problem
from graft.problems.question_answering import QuestionAnswering
from graft.problems.semantic_segmentation import SemanticSegmentation
from graft.problems.speech_recognition import SpeechRecognition
from graft.problems.text_classification import TextClassification
from graft.problems.text_generation import TextGeneration

PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        ImageClassification(),
        SemanticSegmentation(),
        FaceVerification(),
        TextClassification(),
        AudioClassification(),
        QuestionAnswering(),
        SpeechRecognition(),
        MaskedLanguageModelling(),
        TextGeneration(),
    )
}

__all__ = ["PROBLEMS", "Problem"]
